"""Brings a database to the current tables, at start, before anything reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import InterfaceError, OperationalError

from backend.core.errors import TransientError
from backend.db.engine import create_engine

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_LOCK: Final = 5_820_001
"""Key of PostgreSQL's advisory lock that keeps two starting processes from migrating at once."""


async def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to `revision`, all or nothing. Does nothing where it is current.

    Raises TransientError where the database cannot be reached.
    """
    await _run(url, command.upgrade, revision)


async def step_back(url: str, revision: str) -> None:
    """Downgrade to `revision` (`base` for none), all or nothing: what newer tables held is lost."""
    await _run(url, command.downgrade, revision)


async def _run(url: str, move: Callable[[Config, str], None], revision: str) -> None:
    engine = create_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_locked, move, revision)
    except (OperationalError, InterfaceError) as error:
        raise TransientError(f"database: {error.orig}") from error
    finally:
        await engine.dispose()


def config(connection: Connection) -> Config:
    """Alembic's configuration over an open connection."""
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
    move(config(connection), revision)
