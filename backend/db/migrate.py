"""Brings a database to the current tables, at start, before anything reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import InterfaceError, OperationalError

from backend.core.errors import TransientError, UserError
from backend.db.engine import create_engine

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_LOCK: Final = 5_820_001
"""Key of PostgreSQL's advisory lock that keeps two starting processes from migrating at once."""


async def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to `revision`, all or nothing. Does nothing where it is current.

    Raises TransientError where the database cannot be reached.
    """
    await _run(url, _upgrade, revision)


async def downgrade(url: str, revision: str) -> None:
    """Downgrade to `revision` (`base` for none), all or nothing: what newer tables held is lost."""
    await _run(url, _downgrade, revision)


async def _run(url: str, move: Callable[[Config, str], None], revision: str) -> None:
    engine = create_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_locked, move, revision)
    except (OperationalError, InterfaceError) as error:
        raise TransientError(f"database: {error.orig}") from error
    finally:
        await engine.dispose()


async def revisions(url: str) -> tuple[str | None, str]:
    """The revision that the database's tables have (None for no tables) and the one that this version wants.

    Raises TransientError where the database cannot be reached, `UserError` where a later version made its tables.
    """
    engine = create_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_revisions)
    except (OperationalError, InterfaceError) as error:
        raise TransientError(f"database: {error.orig}") from error
    finally:
        await engine.dispose()


def _revisions(connection: Connection) -> tuple[str | None, str]:
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(config(connection))
    there, wanted = MigrationContext.configure(connection).get_current_revision(), scripts.get_current_head()
    assert wanted is not None
    if there is not None and there not in {script.revision for script in scripts.walk_revisions()}:
        raise UserError(
            f"the database's tables are of revision {there}, which this version does not know: a later version made them; "
            "install that one, or restore a backup of before"
        )
    return there, wanted


def newest_revision() -> str:
    """The last revision, by the names of the migrations' files."""
    return max(path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("r*.py"))


def config(connection: Connection) -> Config:
    """Alembic's configuration over an open connection."""
    from alembic.config import Config

    found = Config()
    found.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    found.attributes["connection"] = connection
    return found


def _locked(connection: Connection, move: Callable[[Config, str], None], revision: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    else:
        # SQLite's driver opens a transaction only before a change of rows; this one holds the tables too.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    if move is _upgrade and revision == "head" and _current(connection) == newest_revision():
        return  # nearly every start: without a migration there is no need to load what migrates
    move(config(connection), revision)


def _upgrade(configuration: Config, revision: str) -> None:
    from alembic import command

    command.upgrade(configuration, revision)


def _downgrade(configuration: Config, revision: str) -> None:
    from alembic import command

    command.downgrade(configuration, revision)


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found
