"""The relational database: one asynchronous engine a process, and one unit of work a request or task."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from backend.core.errors import PermanentError, TransientError

BUSY_TIMEOUT_S: Final = 10
"""How long SQLite waits for another writer."""

_ALONE: Final = 5_820_002
"""Key of PostgreSQL's advisory lock for units of work that run alone."""

_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


def database_url(text: str) -> URL:
    """The URL with the asynchronous driver filled in: `sqlite:///path` or `postgresql://user@host/name`.

    Raises PermanentError for any other database.
    """
    url = make_url(text)
    driver = _DRIVERS.get(url.get_backend_name())
    if driver is None:
        known = " or ".join(_DRIVERS)
        raise PermanentError(
            f"database {url.render_as_string()}: found {url.get_backend_name()}; expected {known}"
        )
    return url.set(drivername=driver)


def create_engine(text: str) -> AsyncEngine:
    """An engine for the URL; connects when first used. A folder missing for an SQLite file is made."""
    url = database_url(text)
    if url.get_backend_name() != "sqlite":
        return create_async_engine(url, pool_pre_ping=True)
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine.sync_engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Database:
    """Hands out units of work over one engine."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @asynccontextmanager
    async def unit_of_work(self, *, alone: bool = False) -> AsyncIterator[AsyncSession]:
        """A session whose changes are committed together when the block ends, or not at all if it raises.

        `alone`: no other such block runs at the same time, in any process, so that what is read stays true until the end.
        Raises TransientError where the database cannot be reached or stays locked.
        """
        try:
            async with self._sessions.begin() as session:
                if alone and self.dialect == "postgresql":
                    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ALONE})
                elif alone:
                    await (await session.connection()).exec_driver_sql("BEGIN IMMEDIATE")
                yield session
        except (OperationalError, InterfaceError) as error:
            raise TransientError(f"database: {error.orig}") from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise TransientError(f"database: connection lost ({error.orig})") from error
            raise

    async def close(self) -> None:
        await self.engine.dispose()
