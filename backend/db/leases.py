"""Leases: locks between processes, on one machine or several. A row stores the owner of a lock and its expiry.

The owner renews its lease regularly. The lease of a killed process expires. A process that was stopped for longer than the
lifetime (a frozen machine, an unreachable database) detects with `check` that another process may have held the lock.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, cast, delete, extract, func, literal, update
from sqlalchemy.dialects import postgresql, sqlite

from backend.core.background import start_background_task
from backend.core.cancelling import cancel_all
from backend.core.errors import TransientError
from backend.core.tasks import Lock
from backend.core.windows import NS_PER_SECOND
from backend.db.engine import Database
from backend.db.models import LeaseRow

log = logging.getLogger(__name__)

TTL_S: Final = 20.0
POLL_S: Final = 0.1


class SqlLeases:
    """Hands out leases. `ttl_s` is the lifetime without renewal, and the longest time that a dead owner blocks others."""

    def __init__(self, database: Database, *, ttl_s: float = TTL_S, poll_s: float = POLL_S) -> None:
        self._db = database
        self._ttl_s = ttl_s
        self._poll_s = poll_s

    def lock(self, name: str) -> Lock:
        return _PolledLock(self, name, self._poll_s)

    @asynccontextmanager
    async def attempt(self, name: str) -> AsyncIterator[Callable[[], None] | None]:
        lease = _Lease(self, name, self._ttl_s)
        if not await lease.begin():
            yield None
            return
        try:
            yield lease.check
        finally:
            await lease.end()

    async def acquire(self, name: str, owner: str) -> bool:
        """Try to acquire the lock. Returns whether it was free or expired and belongs to `owner` now."""
        now = self._now()
        insertion = (postgresql.insert if self._db.dialect == "postgresql" else sqlite.insert)(LeaseRow)
        statement = insertion.values(name=name, owner=owner, until_ns=self._until()).on_conflict_do_update(
            index_elements=[LeaseRow.name],
            set_={"owner": insertion.excluded.owner, "until_ns": insertion.excluded.until_ns},
            where=LeaseRow.until_ns < now,
        )
        return await self._has_effect(statement)

    async def renew(self, name: str, owner: str) -> bool:
        mine = update(LeaseRow).where(LeaseRow.name == name, LeaseRow.owner == owner)
        return await self._has_effect(mine.values(until_ns=self._until()))

    async def release(self, name: str, owner: str) -> None:
        await self._has_effect(delete(LeaseRow).where(LeaseRow.name == name, LeaseRow.owner == owner))

    async def _has_effect(self, statement: Any) -> bool:
        async with self._db.unit_of_work() as session:
            return (await session.execute(statement.returning(LeaseRow.name))).first() is not None

    def _until(self) -> ColumnElement[int]:
        return self._now() + literal(round(self._ttl_s * NS_PER_SECOND), BigInteger)

    def _now(self) -> ColumnElement[int]:
        """Return the time of the clock that all processes share: the database server's, or with SQLite this machine's."""
        if self._db.dialect == "postgresql":
            return cast(extract("epoch", func.clock_timestamp()) * NS_PER_SECOND, BigInteger)
        return literal(time.time_ns(), BigInteger)


class _Lease:
    """One lease, from `begin` to `end`. It is renewed in the background."""

    def __init__(self, leases: SqlLeases, name: str, ttl_s: float) -> None:
        self._leases = leases
        self._name = name
        self._ttl_s = ttl_s
        self._owner = secrets.token_hex(16)
        self._safe_until = 0.0
        self._renewal: asyncio.Task[None] | None = None

    async def begin(self) -> bool:
        requested_at = time.monotonic()
        try:
            is_acquired = await self._leases.acquire(self._name, self._owner)
        except BaseException:
            await self._release()  # the database may have stored it before the error
            raise
        if is_acquired:
            self._safe_until = requested_at + self._ttl_s
            self._renewal = start_background_task(self._renew(), f"lease {self._name}")
        return is_acquired

    async def end(self) -> None:
        if self._renewal is not None:
            await cancel_all([self._renewal])
        await self._release()

    def check(self) -> None:
        if time.monotonic() >= self._safe_until:
            raise TransientError(f"the lock {self._name!r} expired: another process may have acquired it")

    async def _release(self) -> None:
        with suppress(TransientError):  # the lease then expires by itself
            await asyncio.shield(self._leases.release(self._name, self._owner))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._ttl_s / 4)
            requested_at = time.monotonic()
            try:
                is_renewed = await self._leases.renew(self._name, self._owner)
            except TransientError:
                continue
            if not is_renewed or requested_at >= self._safe_until:
                log.warning("lock lost name=%s", self._name)
                self._safe_until = 0.0
                return
            self._safe_until = requested_at + self._ttl_s


class _PolledLock:
    """A lock that is acquired by polling.

    Within a process, waiting tasks take turns. Between processes, the last owner pauses for longer than the poll interval of
    the others, so that they get a turn.
    """

    def __init__(self, leases: SqlLeases, name: str, poll_s: float) -> None:
        self._leases = leases
        self._name = name
        self._poll_s = poll_s
        self._local = asyncio.Lock()
        self._not_before = 0.0
        self._lease: _Lease | None = None

    async def __aenter__(self) -> None:
        await self._local.acquire()
        try:
            await asyncio.sleep(self._not_before - time.monotonic())
            lease = _Lease(self._leases, self._name, self._leases._ttl_s)
            while not await lease.begin():  # noqa: ASYNC110 (another process releases it)
                await asyncio.sleep(self._poll_s)
            self._lease = lease
        except BaseException:
            self._local.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        lease, self._lease = self._lease, None
        try:
            if lease is not None:
                await lease.end()
        finally:
            self._not_before = time.monotonic() + 2 * self._poll_s
            self._local.release()

    def check(self) -> None:
        if self._lease is not None:
            self._lease.check()
