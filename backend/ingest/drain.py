"""From the spool to the store, in order, for as long as it takes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import numpy as np

from backend.core.backoff import Backoff
from backend.core.errors import PermanentError, SeduceError, SpoolFull, TransientError
from backend.core.measure import Timing
from backend.core.outage import Outage
from backend.core.ports import SensorTags, Spool, WriteResult
from backend.core.reading import Readings

log = logging.getLogger(__name__)

BATCH_ROWS: Final = 20_000
PAUSE_S: Final = 0.2
"""Pause after a batch that was not full: stores like few large writes better than many small ones."""

_BACKOFF: Final = Backoff(first_s=0.1, limit_s=10.0)


class Destination(Protocol):
    """Where the spool is emptied to: a store, or the door of another process."""

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags] | None = None) -> WriteResult:
        """As `TimeSeriesStore.write`."""
        ...


class Tally(Protocol):
    """The counters this stage moves."""

    drained: int
    late: int
    set_aside: int
    store_writes: Timing


class StoreRefusesAll(SeduceError):
    """Not a single row of many goes in: it is the store that is wrong, not the rows."""


class Drain:
    """peek, write, tell the hooks, forget; again and again.

    Rows are forgotten only after the store has them and every hook was told, so that a crash repeats a batch at worst,
    and a repeated write changes nothing.
    """

    def __init__(
        self,
        spool: Spool,
        store: Destination,
        tags_of: Callable[[Sequence[str]], Mapping[str, SensorTags]],
        tally: Tally,
        on_written: Sequence[Callable[[Readings, WriteResult], Awaitable[None]]] = (),
        set_aside: Callable[[Readings, str], Awaitable[None]] | None = None,
    ) -> None:
        self._spool = spool
        self._store = store
        self._tags_of = tags_of
        self._tally = tally
        self._hooks = tuple(on_written)
        self._set_aside = set_aside
        self._outage = Outage(log, "store_writes")
        self._progress = asyncio.Condition()

    async def run(self) -> None:
        """Until cancelled. Whatever fails is tried again, with growing delays up to ten seconds."""
        while True:
            try:
                rows = await self._one_batch()
            except Exception as error:
                self._outage.failed(error, waiting=self._spool.depth)
                await asyncio.sleep(_BACKOFF.delay_s(self._outage.failures))
                continue
            self._outage.recovered()
            if rows < BATCH_ROWS:
                await asyncio.sleep(PAUSE_S)

    async def settled(self) -> None:
        async with self._progress:
            await self._progress.wait_for(lambda: self._spool.depth == 0)

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags]) -> WriteResult:
        """To the store and the hooks. Errors of the store and `TransientError` of a hook pass through."""
        with self._tally.store_writes.measured():
            written = await self._store.write(readings, tags)
        for hook in self._hooks:
            try:
                await hook(readings, written)
            except TransientError:
                raise
            except Exception:
                log.exception("what follows a write failed; the readings themselves are kept")
        self._tally.late += len(written.late)
        return written

    async def _one_batch(self) -> int:
        mark, readings = await self._spool.peek(BATCH_ROWS)
        finite = np.isfinite(readings.values)
        if not finite.all():
            await self._give_up(readings.take(~finite), "value is not finite")
            readings = readings.take(finite)
        if len(readings):
            try:
                await self.write(readings, self._tags_of(readings.names))
            except (PermanentError, ValueError) as error:
                await self._isolate(readings, error)
        await self._spool.forget(mark)
        self._tally.drained += len(readings)
        async with self._progress:
            self._progress.notify_all()
        return len(readings)

    async def _isolate(self, readings: Readings, error: Exception) -> None:
        """Write what can be written, by halves; the rest is set aside."""
        log.error(
            "the store refuses a batch of %d readings, looking for the bad ones: %s", len(readings), error
        )
        if not await self._takes_any(readings):
            raise StoreRefusesAll(f"the store refuses every reading: {error}") from error
        bad: dict[str, list[Readings]] = {}
        halves = [readings]
        while halves:
            part = halves.pop()
            refusal = await self._refusal(part)
            if refusal is None:
                continue
            if len(part) == 1:
                bad.setdefault(refusal, []).append(part)
                continue
            rows, middle = np.arange(len(part)), len(part) // 2
            # The first half on top, so that rows go in in the order they came.
            halves += [part.take(rows[middle:]), part.take(rows[:middle])]
        for refusal, parts in bad.items():
            await self._give_up(Readings.concat(parts), refusal)

    async def _takes_any(self, readings: Readings) -> bool:
        """Whether a single reading of any sensor goes in. If not, the store is at fault, and nothing may be given up."""
        newest = readings.newest()
        for row in range(len(newest)):
            if await self._refusal(newest.take(np.array([row]))) is None:
                return True
        return False

    async def _refusal(self, part: Readings) -> str | None:
        """Why the store does not take the part; None once it has."""
        try:
            await self.write(part, self._tags_of(part.names))
        except (PermanentError, ValueError) as refused:
            return str(refused)
        return None

    async def _give_up(self, readings: Readings, reason: str) -> None:
        self._tally.set_aside += len(readings)
        first = next(iter(readings))
        log.error(
            "%d readings that no store takes are set aside, the first of %s: %s",
            len(readings),
            first.sensor,
            reason,
        )
        if self._set_aside is None:
            return
        try:
            await self._set_aside(readings, reason)
        except SpoolFull:
            # Only draining makes room again, so that it must go on; the log is the last place to keep them.
            log.error("no room to set them aside, the first are: %s", list(readings)[:20])
