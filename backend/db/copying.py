"""Copies the relational database to lines of JSON and back: between versions, and between SQLite and PostgreSQL.

The first line is `{"revision": ...}`. Each further line is a row, `["table", {"column": value}]`; referenced tables come first.
Times are written as `{"time": ISO 8601}`, bytes as `{"bytes": base64}`.
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
    """Write a consistent copy of all rows. Returns the revision of the tables and the number of rows.

    Raises `TransientError` if the database cannot be reached.
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
    """Create the tables of the copy's revision, fill them, and upgrade them. Returns the number of rows.

    Raises `UserError` if the database already has rows, the copy is damaged, or a later version made it.
    """
    rows = iter(lines)
    revision = _revision(next(rows, ""))
    engine = create_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_require_empty)
        try:
            await migrate(url, revision)
        except Exception as error:
            if "Can't locate revision" not in str(error):
                raise
            raise UserError(
                f"the copy was made by a later version (table revision {revision}): install that version or a later one"
            ) from error
        async with engine.begin() as connection:
            row_count = await connection.run_sync(_insert_rows, rows)
    except (OperationalError, InterfaceError) as error:
        raise TransientError(f"database: {error.orig}") from error
    finally:
        await engine.dispose()
    await migrate(url)
    return row_count


def _dump(connection: Connection, out: TextIO) -> tuple[str, int]:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")  # its driver opens no transaction for reads
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        raise PermanentError("the database has no tables yet: start the dashboard once, then retry")
    out.write(json.dumps({"revision": revision}) + "\n")
    count = 0
    for table in _tables(connection):
        for row in connection.execute(select(table)).mappings():
            out.write(
                json.dumps([table.name, {k: _to_json(v) for k, v in row.items() if v is not None}]) + "\n"
            )
            count += 1
    return revision, count


def _tables(connection: Connection) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != VERSION_TABLE]


def _require_empty(connection: Connection) -> None:
    for name in inspect(connection).get_table_names():
        if name != VERSION_TABLE:
            rows = connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()  # noqa: S608 (a table's own name)
            if rows:
                raise UserError(
                    f"the database is not empty ({rows} rows in {name}): set SEDUCE_DATABASE_URL to an empty database"
                )


def _revision(line: str) -> str:
    try:
        return str(json.loads(line)["revision"])
    except (ValueError, KeyError, TypeError):
        raise UserError("the copy of the database is damaged: it does not start with a revision") from None


def _insert_rows(connection: Connection, lines: Iterator[str]) -> int:
    tables = {table.name: table for table in _tables(connection)}
    batches: dict[str, list[dict[str, Any]]] = {name: [] for name in tables}
    count = 0

    def flush(name: str) -> None:
        if batches[name]:
            connection.execute(tables[name].insert(), batches[name])
            batches[name] = []

    for line in lines:
        name, row = json.loads(line)
        if name not in tables:
            raise UserError(f"the copy of the database is damaged: its revision has no table {name!r}")
        columns = tables[name].columns
        batches[name].append({c.name: _from_json(row.get(c.name), c.type) for c in columns})
        count += 1
        if len(batches[name]) >= BATCH_ROWS:
            for earlier in tables:  # referenced tables first
                flush(earlier)
    for name in tables:
        flush(name)
    if connection.dialect.name == "postgresql":
        _advance_sequences(connection, tables.values())
    return count


def _advance_sequences(connection: Connection, tables: Iterable[Table]) -> None:
    """Set PostgreSQL's sequences so that new ids follow the highest restored id."""
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


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):  # SQLite stores no time zones: all times are UTC
        return {"time": (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()}
    if isinstance(value, bytes | memoryview):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict | list):
        return {"json": value}
    return value


def _from_json(value: Any, kind: TypeEngine[Any]) -> Any:
    if not isinstance(value, dict):
        return value
    if "time" in value:
        time = datetime.fromisoformat(value["time"])
        return time if getattr(kind, "timezone", False) else time.replace(tzinfo=None)
    return base64.b64decode(value["bytes"]) if "bytes" in value else value["json"]
