"""Brings a database to the current tables, at start, before anything reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import InterfaceError, OperationalError

from backend.core.errors import TransientError, UserError
from backend.db.engine import create_engine

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_LOCK: Final = 5_820_001
"""Key of PostgreSQL's advisory lock that keeps two starting processes from migrating at once."""


async def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to `revision`, all or nothing. Does nothing where it is current.

    Raises TransientError where the database cannot be reached.
    """
    engine = create_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, revision)
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
    scripts = ScriptDirectory.from_config(config(connection))
    there, wanted = MigrationContext.configure(connection).get_current_revision(), scripts.get_current_head()
    assert wanted is not None
    if there is not None and there not in {script.revision for script in scripts.walk_revisions()}:
        raise UserError(
            f"the database's tables are of revision {there}, which this version does not know: a later version made them; "
            "install that one, or restore a backup of before"
        )
    return there, wanted


def config(connection: Connection) -> Config:
    """Alembic's configuration over an open connection."""
    found = Config()
    found.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    found.attributes["connection"] = connection
    return found


def _upgrade(connection: Connection, revision: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    else:
        # SQLite's driver opens a transaction only before a change of rows; this one holds the tables too.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    command.upgrade(config(connection), revision)
