"""The relational database. A process has one asynchronous engine, and a request or task one unit of work."""

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
"""Seconds that SQLite waits for another writer."""

_EXCLUSIVE_LOCK_KEY: Final = 5_820_002
"""Key of PostgreSQL's advisory lock for exclusive units of work."""

_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


def database_url(text: str) -> URL:
    """Return the URL with the asynchronous driver filled in: `sqlite:///path` or `postgresql://user@host/name`.

    Raises `PermanentError` for any other database.
    """
    url = make_url(text)
    driver = _DRIVERS.get(url.get_backend_name())
    if driver is None:
        supported = " or ".join(_DRIVERS)
        raise PermanentError(
            f"database {url.render_as_string()}: {url.get_backend_name()} is not supported; use {supported}"
        )
    return url.set(drivername=driver)


def create_engine(text: str) -> AsyncEngine:
    """Return an engine, which connects at first use. Creates the folder of an SQLite file if it is missing."""
    url = database_url(text)
    if url.get_backend_name() != "sqlite":
        return create_async_engine(url, pool_pre_ping=True)
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    arguments = {"timeout": BUSY_TIMEOUT_S, "async_creator_fn": _connect}
    engine = create_async_engine(url, connect_args=arguments)
    event.listen(engine.sync_engine, "connect", _set_pragmas)
    return engine


class _UnlockingConnection(sqlite3.Connection):
    """Releases its locks as soon as it is closed.

    SQLite keeps them until every statement has ended. A statement of a cancelled task stays alive in the traceback until the
    garbage collector runs.
    """

    def close(self) -> None:
        with suppress(sqlite3.Error):  # already closed
            self.rollback()
        super().close()


class _Connection(aiosqlite.Connection):
    """A connection whose thread is stopped exactly once, and closes the file before it stops.

    A task that is cancelled while it closes its connection stops it a second time. The thread ends after the first stop, so the
    second would wait for ever, and the process would not exit. The cancelled task may also drop the file before the thread closes
    it; the file would then stay open and locked. `stop` therefore queues the close itself.
    """

    _is_stopping = False

    def stop(self) -> asyncio.Future[Any] | None:
        if self._is_stopping:
            return None
        self._is_stopping = True
        if self._connection is not None:
            self._tx.put_nowait((None, self._connection.close))
        return super().stop()


def _connect(database: str, **options: Any) -> _Connection:
    """Connect like `aiosqlite.connect`, but with a daemon thread, as SQLAlchemy does."""
    connection = _Connection(
        partial(sqlite3.connect, database, factory=_UnlockingConnection, **options), iter_chunk_size=64
    )
    connection._thread.daemon = True
    return connection


def _set_pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Database:
    """Opens units of work on one engine."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @asynccontextmanager
    async def unit_of_work(self, *, exclusive: bool = False) -> AsyncIterator[AsyncSession]:
        """Open a session. Its changes are committed together when the block ends, or rolled back if the block raises.

        `exclusive`: no other exclusive block runs at the same time in any process, so the rows read stay valid until the end.
        Raises `TransientError` if the database cannot be reached or stays locked.
        """
        try:
            async with self._sessions.begin() as session:
                if exclusive and self.dialect == "postgresql":
                    await session.execute(
                        text("SELECT pg_advisory_xact_lock(:key)"), {"key": _EXCLUSIVE_LOCK_KEY}
                    )
                elif exclusive:
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
