"""The relational database as lines of JSON, and back: between versions, and between SQLite and PostgreSQL.

The first line is `{"revision": ...}`, then one line a row: `["table", {"column": value}]`, tables that others refer to first.
What JSON cannot say is written as `{"time": ISO 8601}` or `{"bytes": base64}`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from alembic.migration import MigrationContext
from sqlalchemy import Connection, Integer, MetaData, Table, func, inspect, select, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.types import TypeEngine

from backend.core.errors import PermanentError, TransientError, UserError
from backend.db.engine import create_engine
from backend.db.migrate import migrate

VERSION_TABLE: Final = "alembic_version"
BATCH_ROWS: Final = 500


async def dump(url: str, out: TextIO) -> tuple[str, int]:
    """Write all rows of one moment. Returns the revision of the tables and how many rows there are.

    Raises `TransientError` where the database cannot be reached.
    """
    engine = create_engine(url)
    try:
        async with engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execution_options(isolation_level="REPEATABLE READ")
            return await connection.run_sync(_dump, out)
    except (OperationalError, InterfaceError) as error:
        raise TransientError(f"database: {error.orig}") from error
    finally:
        await engine.dispose()


async def load(url: str, lines: Iterable[str]) -> int:
    """Make the tables of the copy's revision, fill them, and bring them up to date. Returns how many rows there are.

    Raises `UserError` where the database has rows already, or the copy is damaged or of a later version than this program.
    """
    rows = iter(lines)
    revision = _revision(next(rows, ""))
    engine = create_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_must_be_empty)
        try:
            await migrate(url, revision)
        except Exception as error:
            if "Can't locate revision" not in str(error):
                raise
            raise UserError(
                f"the copy's tables are of revision {revision}, which this version does not know: install the version "
                "that made it, or a later one"
            ) from error
        async with engine.begin() as connection:
            filled = await connection.run_sync(_fill, rows)
    except (OperationalError, InterfaceError) as error:
        raise TransientError(f"database: {error.orig}") from error
    finally:
        await engine.dispose()
    await migrate(url)
    return filled


def _dump(connection: Connection, out: TextIO) -> tuple[str, int]:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")  # its driver opens no transaction to read in
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        raise PermanentError("the database has no tables of ours yet: start the dashboard once")
    out.write(json.dumps({"revision": revision}) + "\n")
    count = 0
    for table in _tables(connection):
        for row in connection.execute(select(table)).mappings():
            out.write(json.dumps([table.name, {k: _said(v) for k, v in row.items() if v is not None}]) + "\n")
            count += 1
    return revision, count


def _tables(connection: Connection) -> list[Table]:
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != VERSION_TABLE]


def _must_be_empty(connection: Connection) -> None:
    for name in inspect(connection).get_table_names():
        if name != VERSION_TABLE:
            rows = connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()  # noqa: S608 (a table's own name)
            if rows:
                raise UserError(
                    f"the database has rows already ({rows} in {name}): restore into an empty one, named by SEDUCE_DATABASE_URL"
                )


def _revision(line: str) -> str:
    try:
        return str(json.loads(line)["revision"])
    except (ValueError, KeyError, TypeError):
        raise UserError("the copy of the database does not begin with its revision: it is damaged") from None


def _fill(connection: Connection, lines: Iterator[str]) -> int:
    tables = {table.name: table for table in _tables(connection)}
    waiting: dict[str, list[dict[str, Any]]] = {name: [] for name in tables}
    count = 0

    def put(name: str) -> None:
        if waiting[name]:
            connection.execute(tables[name].insert(), waiting[name])
            waiting[name] = []

    for line in lines:
        name, row = json.loads(line)
        if name not in tables:
            raise UserError(f"the copy has a table {name!r} that its revision does not have: it is damaged")
        columns = tables[name].columns
        waiting[name].append({c.name: _meant(row.get(c.name), c.type) for c in columns})
        count += 1
        if len(waiting[name]) >= BATCH_ROWS:
            for earlier in tables:  # what others refer to goes first
                put(earlier)
    for name in tables:
        put(name)
    if connection.dialect.name == "postgresql":
        _count_on(connection, tables.values())
    return count


def _count_on(connection: Connection, tables: Iterable[Table]) -> None:
    """Numbers that PostgreSQL gives out go on after the highest one that came in."""
    for table in tables:
        for column in table.primary_key.columns:
            if not isinstance(column.type, Integer):
                continue
            name = connection.execute(
                select(func.pg_get_serial_sequence(f'"{table.name}"', column.name))
            ).scalar_one()
            highest = connection.execute(select(func.max(column))).scalar_one()
            if name is not None and highest is not None:
                connection.execute(select(func.setval(name, highest)))


def _said(value: Any) -> Any:
    if isinstance(value, datetime):  # SQLite keeps no zones: what it holds is UTC
        return {"time": (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()}
    if isinstance(value, bytes | memoryview):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict | list):
        return {"json": value}
    return value


def _meant(value: Any, kind: TypeEngine[Any]) -> Any:
    if not isinstance(value, dict):
        return value
    if "time" in value:
        time = datetime.fromisoformat(value["time"])
        return time if getattr(kind, "timezone", False) else time.replace(tzinfo=None)
    return base64.b64decode(value["bytes"]) if "bytes" in value else value["json"]
