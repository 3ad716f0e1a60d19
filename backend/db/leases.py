"""Locks between processes, on one machine or several: a row says who holds one and until when.

The holder says again and again that it lives. One that is killed is rid of the lock when its time is up; one that was
stopped for longer (a frozen machine, a database out of reach) learns from `check` that another may have held it since.
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
    """`ttl_s` is for how long a holder is believed to live; a dead one holds others up so long at most."""

    def __init__(self, database: Database, *, ttl_s: float = TTL_S, poll_s: float = POLL_S) -> None:
        self._db = database
        self._ttl_s = ttl_s
        self._poll_s = poll_s

    def lock(self, name: str) -> Lock:
        return _Waiting(self, name, self._poll_s)

    @asynccontextmanager
    async def attempt(self, name: str) -> AsyncIterator[Callable[[], None] | None]:
        holding = _Holding(self, name, self._ttl_s)
        if not await holding.begin():
            yield None
            return
        try:
            yield holding.check
        finally:
            await holding.end()

    async def take(self, name: str, owner: str) -> bool:
        """Whether the lock is the owner's now: it was free, or its holder's time was up."""
        now = self._now()
        inserting = (postgresql.insert if self._db.dialect == "postgresql" else sqlite.insert)(LeaseRow)
        taking = inserting.values(name=name, owner=owner, until_ns=self._until()).on_conflict_do_update(
            index_elements=[LeaseRow.name],
            set_={"owner": inserting.excluded.owner, "until_ns": inserting.excluded.until_ns},
            where=LeaseRow.until_ns < now,
        )
        return await self._changes(taking)

    async def renew(self, name: str, owner: str) -> bool:
        mine = update(LeaseRow).where(LeaseRow.name == name, LeaseRow.owner == owner)
        return await self._changes(mine.values(until_ns=self._until()))

    async def release(self, name: str, owner: str) -> None:
        await self._changes(delete(LeaseRow).where(LeaseRow.name == name, LeaseRow.owner == owner))

    async def _changes(self, statement: Any) -> bool:
        async with self._db.unit_of_work() as session:
            return (await session.execute(statement.returning(LeaseRow.name))).first() is not None

    def _until(self) -> ColumnElement[int]:
        return self._now() + literal(round(self._ttl_s * NS_PER_SECOND), BigInteger)

    def _now(self) -> ColumnElement[int]:
        """The clock that all share: the server's, or with SQLite that of the one machine."""
        if self._db.dialect == "postgresql":
            return cast(extract("epoch", func.clock_timestamp()) * NS_PER_SECOND, BigInteger)
        return literal(time.time_ns(), BigInteger)


class _Holding:
    """One holding of a lock, from `begin` to `end`."""

    def __init__(self, leases: SqlLeases, name: str, ttl_s: float) -> None:
        self._leases = leases
        self._name = name
        self._ttl_s = ttl_s
        self._owner = secrets.token_hex(16)
        self._sure_until = 0.0
        self._beat: asyncio.Task[None] | None = None

    async def begin(self) -> bool:
        asked = time.monotonic()
        try:
            taken = await self._leases.take(self._name, self._owner)
        except BaseException:
            await self._let_go()  # it may have been taken all the same
            raise
        if taken:
            self._sure_until = asked + self._ttl_s
            self._beat = start_background_task(self._renew(), f"lease {self._name}")
        return taken

    async def end(self) -> None:
        if self._beat is not None:
            await cancel_all([self._beat])
        await self._let_go()

    def check(self) -> None:
        if time.monotonic() >= self._sure_until:
            raise TransientError(
                f"the lock {self._name!r} was lost: another process may have gone on with it"
            )

    async def _let_go(self) -> None:
        with suppress(TransientError):  # then its time runs out
            await asyncio.shield(self._leases.release(self._name, self._owner))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._ttl_s / 4)
            asked = time.monotonic()
            try:
                held = await self._leases.renew(self._name, self._owner)
            except TransientError:
                continue
            if not held or asked >= self._sure_until:
                log.warning("the lock %s was lost", self._name)
                self._sure_until = 0.0
                return
            self._sure_until = asked + self._ttl_s


class _Waiting:
    """A lock that is waited for. Within a process those who wait come in turn; between processes whoever held it last
    stands back for longer than the others take to look again."""

    def __init__(self, leases: SqlLeases, name: str, poll_s: float) -> None:
        self._leases = leases
        self._name = name
        self._poll_s = poll_s
        self._local = asyncio.Lock()
        self._not_before = 0.0
        self._holding: _Holding | None = None

    async def __aenter__(self) -> None:
        await self._local.acquire()
        try:
            await asyncio.sleep(self._not_before - time.monotonic())
            holding = _Holding(self._leases, self._name, self._leases._ttl_s)
            while not await holding.begin():  # noqa: ASYNC110 (who lets go of it is another process)
                await asyncio.sleep(self._poll_s)
            self._holding = holding
        except BaseException:
            self._local.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        holding, self._holding = self._holding, None
        try:
            if holding is not None:
                await holding.end()
        finally:
            self._not_before = time.monotonic() + 2 * self._poll_s
            self._local.release()

    def check(self) -> None:
        if self._holding is not None:
            self._holding.check()
