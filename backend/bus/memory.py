"""The live bus within one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.core.reading import Readings

_MAX_PENDING_ROWS: Final = 8192
"""The maximum of pending rows per subscriber. Above it, only the newest row of each sensor is kept."""


class MemoryBus:
    """The port `Bus` for publishers and subscribers of one event loop.

    Every batch a subscriber receives has one row per sensor. The number of sensors bounds the memory of a subscriber,
    however far it falls behind.
    """

    connected = True

    def __init__(self) -> None:
        self._subscriptions: set[MemorySubscription] = set()

    async def publish(self, readings: Readings) -> None:
        """Hand the readings to all subscribers. Never waits."""
        self.offer(readings)

    @property
    def subscribers(self) -> int:
        return len(self._subscriptions)

    async def close(self) -> None:
        """Do nothing: there is no connection to close."""

    def offer(self, readings: Readings) -> None:
        """As `publish`, for callers that are not coroutines."""
        if len(readings):
            for subscription in self._subscriptions:
                subscription.offer(readings)

    def signal_gap(self) -> None:
        """Report a gap to all subscribers: readings were published that they did not receive.

        This never happens within one process; `RedisBus` calls it.
        """
        for subscription in self._subscriptions:
            subscription.signal_gap()

    @asynccontextmanager
    async def subscribe(self, sensors: frozenset[str] | None = None) -> AsyncIterator[MemorySubscription]:
        subscription = MemorySubscription(sensors)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)


class MemorySubscription:
    """The readings that one subscriber has not received yet."""

    def __init__(self, sensors: frozenset[str] | None) -> None:
        self.gaps = 0
        self._sensors = sensors
        self._parts: list[Readings] = []
        self._rows = 0
        self._limit = _MAX_PENDING_ROWS
        self._arrived = asyncio.Event()
        # The table of names used last, and which of its names are subscribed; most batches share one table.
        self._cached_mask: tuple[Sequence[str], npt.NDArray[np.bool_]] = ((), np.empty(0, bool))

    def offer(self, readings: Readings) -> None:
        if self._sensors is not None:
            is_subscribed = self._name_mask(self._sensors, readings.names)[readings.codes]
            if not is_subscribed.any():
                return
            readings = readings.take(is_subscribed)
        self._parts.append(readings)
        self._rows += len(readings)
        if self._rows > self._limit:
            self._parts = [self._newest_rows()]
            self._rows = len(self._parts[0])
            self._limit = max(_MAX_PENDING_ROWS, 4 * self._rows)
        self._arrived.set()

    def signal_gap(self) -> None:
        self.gaps += 1
        self._arrived.set()

    def __aiter__(self) -> MemorySubscription:
        return self

    async def __anext__(self) -> Readings:
        await self._arrived.wait()
        self._arrived.clear()
        batch = self._newest_rows()
        self._parts, self._rows = [], 0
        return batch

    def _newest_rows(self) -> Readings:
        if not self._parts:  # a gap, and no readings since
            return Readings.empty()
        pending = self._parts[0] if len(self._parts) == 1 else Readings.concat(self._parts)
        return pending.newest()

    def _name_mask(self, sensors: frozenset[str], names: Sequence[str]) -> npt.NDArray[np.bool_]:
        if names is not self._cached_mask[0]:
            mask = np.fromiter((name in sensors for name in names), bool, len(names))
            self._cached_mask = (names, mask)
        return self._cached_mask[1]
