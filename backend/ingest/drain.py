"""The drain: moves readings from the spool to the store, in order, and retries for as long as it takes."""

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
"""Pause in seconds after a batch that was not full. Stores prefer few large writes to many small ones."""

_BACKOFF: Final = Backoff(first_s=0.1, limit_s=10.0)
_MAX_LOGGED_ROWS: Final = 20


class Destination(Protocol):
    """The place that the spool is drained to: a store, or the ingest endpoint of another process."""

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags] | None = None) -> WriteResult:
        """As `TimeSeriesStore.write`."""
        ...


class DrainCounters(Protocol):
    """The counters that the drain increments."""

    drained: int
    late: int
    set_aside: int
    store_writes: Timing


class StoreRejectsEverything(SeduceError):
    """The store rejects every row of a batch, so the fault lies with the store and not with the rows."""


class Drain:
    """Repeats four steps: peek at the oldest readings, write them, run the hooks, delete them from the spool.

    Rows are deleted only after the store has them and every hook has finished. A crash therefore repeats one batch at most, and
    writing a batch twice changes nothing.
    """

    def __init__(
        self,
        spool: Spool,
        store: Destination,
        tags_of: Callable[[Sequence[str]], Mapping[str, SensorTags]],
        counters: DrainCounters,
        on_written: Sequence[Callable[[Readings, WriteResult], Awaitable[None]]] = (),
        set_aside: Callable[[Readings, str], Awaitable[None]] | None = None,
    ) -> None:
        """`set_aside` keeps rows that the store will never accept; without it they are only logged."""
        self._spool = spool
        self._store = store
        self._tags_of = tags_of
        self._counters = counters
        self._hooks = tuple(on_written)
        self._set_aside = set_aside
        self._outage = Outage(log, "store_writes")
        self._progress = asyncio.Condition()

    async def run(self) -> None:
        """Drain until cancelled. A failure is retried with growing delays of up to ten seconds."""
        while True:
            try:
                rows = await self._drain_batch()
            except Exception as error:
                self._outage.failed(error, waiting=self._spool.depth)
                await asyncio.sleep(_BACKOFF.delay_s(self._outage.failures))
                continue
            self._outage.recovered()
            if rows < BATCH_ROWS:
                await asyncio.sleep(PAUSE_S)

    async def wait_until_empty(self) -> None:
        """Return when the spool is empty. `run` must be running."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._spool.depth == 0)

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags]) -> WriteResult:
        """Write to the store and run the hooks. Raises the errors of the store, and `TransientError` of a hook."""
        with self._counters.store_writes.measure():
            written = await self._store.write(readings, tags)
        for hook in self._hooks:
            try:
                await hook(readings, written)
            except TransientError:
                raise
            except Exception:
                log.exception("write hook failed; the readings are stored")
        self._counters.late += len(written.late)
        return written

    async def _drain_batch(self) -> int:
        """Drain one batch and return its number of rows."""
        position, readings = await self._spool.peek(BATCH_ROWS)
        finite = np.isfinite(readings.values)
        if not finite.all():
            await self._set_rows_aside(readings.take(~finite), "value is not finite")
            readings = readings.take(finite)
        if len(readings):
            try:
                await self.write(readings, self._tags_of(readings.names))
            except (PermanentError, ValueError) as error:
                await self._bisect_bad_rows(readings, error)
        await self._spool.remove_up_to(position)
        self._counters.drained += len(readings)
        async with self._progress:
            self._progress.notify_all()
        return len(readings)

    async def _bisect_bad_rows(self, readings: Readings, error: Exception) -> None:
        """Write the rows that the store accepts, by splitting the batch in halves, and set the others aside."""
        log.error("batch rejected rows=%d; searching for the bad rows: %s", len(readings), error)
        if not await self._accepts_any_row(readings):
            raise StoreRejectsEverything(f"the store rejects every reading: {error}") from error
        bad_rows: dict[str, list[Readings]] = {}
        stack = [readings]
        while stack:
            part = stack.pop()
            rejection = await self._try_write(part)
            if rejection is None:
                continue
            if len(part) == 1:
                bad_rows.setdefault(rejection, []).append(part)
                continue
            rows, middle = np.arange(len(part)), len(part) // 2
            # The first half is on top of the stack, so that rows are written in the order in which they came.
            stack += [part.take(rows[middle:]), part.take(rows[:middle])]
        for rejection, parts in bad_rows.items():
            await self._set_rows_aside(Readings.concat(parts), rejection)

    async def _accepts_any_row(self, readings: Readings) -> bool:
        """Return whether the store accepts the newest row of any sensor. If not, no row may be set aside."""
        newest = readings.newest()
        for row in range(len(newest)):
            if await self._try_write(newest.take(np.array([row]))) is None:
                return True
        return False

    async def _try_write(self, readings: Readings) -> str | None:
        """Write the rows and return None, or return the reason why the store rejects them."""
        try:
            await self.write(readings, self._tags_of(readings.names))
        except (PermanentError, ValueError) as error:
            return str(error)
        return None

    async def _set_rows_aside(self, readings: Readings, reason: str) -> None:
        self._counters.set_aside += len(readings)
        first = next(iter(readings))
        log.error("readings quarantined rows=%d first_sensor=%r: %s", len(readings), first.sensor, reason)
        if self._set_aside is None:
            return
        try:
            await self._set_aside(readings, reason)
        except SpoolFull:
            # Only draining makes room again, so it must go on. The log is the last place that can keep these rows.
            rows = list(readings)[:_MAX_LOGGED_ROWS]
            log.error(
                "quarantine file full, readings dropped rows=%d; the first are: %s", len(readings), rows
            )
