"""The relational database: one asynchronous engine a process, and one unit of work a request or task."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiosqlite
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
    arguments = {"timeout": BUSY_TIMEOUT_S, "async_creator_fn": _connect}
    engine = create_async_engine(url, connect_args=arguments)
    event.listen(engine.sync_engine, "connect", _set_pragmas)
    return engine


class _File(sqlite3.Connection):
    """Lets go of what it has locked as soon as it is closed.

    SQLite itself waits for statements that are not at their end, and such a one lives on in the traceback of a task that was
    cancelled, until the collector comes.
    """

    def close(self) -> None:
        with suppress(sqlite3.Error):  # it is closed already
            self.rollback()
        super().close()


class _Connection(aiosqlite.Connection):
    """Is told once to stop.

    A task that is cancelled while its connection is being closed stops it as well. Who was closing it would wait for a second
    answer of a thread that has ended with the first: for ever, and so would the process at its end. Who was closing it may also
    forget the file before the thread comes to it, which would then stay open, and locked: so the thread is told that here.
    """

    _told = False

    def stop(self) -> asyncio.Future[Any] | None:
        if self._told:
            return None
        self._told = True
        if self._connection is not None:
            self._tx.put_nowait((None, self._connection.close))
        return super().stop()


def _connect(database: str, **options: Any) -> _Connection:
    """As `aiosqlite.connect`, with a thread that does not outlive the process, as SQLAlchemy has it."""
    connection = _Connection(partial(sqlite3.connect, database, factory=_File, **options), iter_chunk_size=64)
    connection._thread.daemon = True
    return connection


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
