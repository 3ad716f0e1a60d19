"""The live bus within one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import numpy.typing as npt

from backend.core.reading import Readings

# Rows a subscriber may leave lying before they are thinned to the newest of each sensor.
_SLACK_ROWS = 8192


class MemoryBus:
    """The port `Bus` for publishers and subscribers of one event loop.

    Every batch a subscriber gets holds one row a sensor. Memory a subscriber holds is bounded by the number of sensors,
    however far it falls behind.
    """

    connected = True

    def __init__(self) -> None:
        self._subscriptions: set[MemorySubscription] = set()

    async def publish(self, readings: Readings) -> None:
        """Never waits, not even for a turn of the event loop."""
        self.offer(readings)

    @property
    def subscribers(self) -> int:
        return len(self._subscriptions)

    async def close(self) -> None:
        """Nothing is held."""

    def offer(self, readings: Readings) -> None:
        """`publish`, for whoever is not a coroutine."""
        if len(readings):
            for subscription in self._subscriptions:
                subscription.offer(readings)

    def tell_gap(self) -> None:
        """Tell all subscribers that readings passed them by; within one process none ever do."""
        for subscription in self._subscriptions:
            subscription.tell_gap()

    @asynccontextmanager
    async def subscribe(self, sensors: frozenset[str] | None = None) -> AsyncIterator[MemorySubscription]:
        subscription = MemorySubscription(sensors)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)


class MemorySubscription:
    """What one subscriber has not taken yet."""

    def __init__(self, sensors: frozenset[str] | None) -> None:
        self.gaps = 0
        self._sensors = sensors
        self._parts: list[Readings] = []
        self._rows = 0
        self._limit = _SLACK_ROWS
        self._arrived = asyncio.Event()
        # Which rows of a names table are wanted; most batches share one table.
        self._mask: tuple[Sequence[str], npt.NDArray[np.bool_]] = ((), np.empty(0, bool))

    def offer(self, readings: Readings) -> None:
        if self._sensors is not None:
            wanted = self._wanted(self._sensors, readings.names)[readings.codes]
            if not wanted.any():
                return
            readings = readings.take(wanted)
        self._parts.append(readings)
        self._rows += len(readings)
        if self._rows > self._limit:
            self._parts = [self._thinned()]
            self._rows = len(self._parts[0])
            self._limit = max(_SLACK_ROWS, 4 * self._rows)
        self._arrived.set()

    def tell_gap(self) -> None:
        self.gaps += 1
        self._arrived.set()

    def __aiter__(self) -> MemorySubscription:
        return self

    async def __anext__(self) -> Readings:
        await self._arrived.wait()
        self._arrived.clear()
        batch = self._thinned()
        self._parts, self._rows = [], 0
        return batch

    def _thinned(self) -> Readings:
        if not self._parts:  # a gap, and nothing since
            return Readings.empty()
        whole = self._parts[0] if len(self._parts) == 1 else Readings.concat(self._parts)
        return whole.newest()

    def _wanted(self, sensors: frozenset[str], names: Sequence[str]) -> npt.NDArray[np.bool_]:
        if names is not self._mask[0]:
            mask = np.fromiter((name in sensors for name in names), bool, len(names))
            self._mask = (names, mask)
        return self._mask[1]
