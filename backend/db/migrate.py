"""Migrates the database to the current table revision, at start and before any access."""

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

_LOCK_KEY: Final = 5_820_001
"""Key of PostgreSQL's advisory lock. It prevents two processes from migrating at the same time."""


async def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to `revision` in one transaction. Does nothing if the tables are current.

    Raises `TransientError` if the database cannot be reached.
    """
    await _run(url, _upgrade, revision)


async def downgrade(url: str, revision: str) -> None:
    """Downgrade to `revision` in one transaction; `base` removes all tables. Data of newer tables is lost."""
    await _run(url, _downgrade, revision)


async def _run(url: str, move: Callable[[Config, str], None], revision: str) -> None:
    engine = create_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_migrate_locked, move, revision)
    except (OperationalError, InterfaceError) as error:
        raise TransientError(f"database: {error.orig}") from error
    finally:
        await engine.dispose()


async def revisions(url: str) -> tuple[str | None, str]:
    """Return the table revision of the database (None without tables) and the revision that this version needs.

    Raises `TransientError` if the database cannot be reached, `UserError` if a later version made the tables.
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
    current = MigrationContext.configure(connection).get_current_revision()
    needed = scripts.get_current_head()
    assert needed is not None
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise UserError(
            f"the tables of the database were created by a newer version (revision {current}): install that version, "
            "or restore a backup from before the upgrade"
        )
    return current, needed


def newest_revision() -> str:
    """Return the newest revision, from the file names of the migrations."""
    return max(path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("r*.py"))


def config(connection: Connection) -> Config:
    """Return an Alembic configuration that uses an open connection."""
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    configuration.attributes["connection"] = connection
    return configuration


def _migrate_locked(connection: Connection, move: Callable[[Config, str], None], revision: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
    else:
        # SQLite's driver opens a transaction only before a change of rows. This one also covers changes of tables.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    if move is _upgrade and revision == "head" and _current(connection) == newest_revision():
        return  # the usual start: no migration, so Alembic is not loaded
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
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision
