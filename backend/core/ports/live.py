"""The ports of live readings: the bus and the last values."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from backend.core.reading import Float64, Int64, Reading, Readings


class Subscription(Protocol):
    """Batches of live readings, in their order of arrival."""

    @property
    def gaps(self) -> int:
        """Number of times this subscriber may have missed readings.

        It grows before the next batch is delivered. A batch always follows; it is empty if nothing new arrived. A subscriber
        that needs every reading then reads the store. Always 0 if publisher and subscriber share a process.
        """
        ...

    def __aiter__(self) -> AsyncIterator[Readings]: ...

    async def __anext__(self) -> Readings: ...


class Bus(Protocol):
    """Live readings, from the processes that accept them to their subscribers. At most once; the newest value wins."""

    @property
    def connected(self) -> bool:
        """True if published readings reach the subscribers now."""
        ...

    @property
    def subscribers(self) -> int:
        """Number of subscriptions in this process."""
        ...

    async def publish(self, readings: Readings) -> None:
        """Publish readings. Never waits for a subscriber."""
        ...

    def subscribe(self, sensors: frozenset[str] | None = None) -> AbstractAsyncContextManager[Subscription]:
        """Subscribe to accepted readings, from the moment the context is entered; None selects all sensors.

        A slow subscriber receives the newest value of each sensor in one batch. After a lost connection the subscription
        continues, and `gaps` has grown.
        """
        ...

    async def close(self) -> None:
        """Close all connections. No subscription may be open any more."""
        ...


class LastValuesView(Protocol):
    """The newest reading of every sensor, in memory."""

    @property
    def names(self) -> Sequence[str]:
        """The described sensors, in the column order of `values` and `times`. Never changes."""
        ...

    def values(self, now_ns: int, max_age_ns: int) -> Float64:
        """Return the last values, float64 (names,). NaN where there is none, or where it is older than `max_age_ns`."""
        ...

    def times(self) -> Int64:
        """Return the times of the last values, int64 (names,), ns since the epoch; 0 or less where there is none."""
        ...

    def latest(self, name: str) -> Reading | None:
        """Return the newest reading of one sensor, described or not, of any age."""
        ...

    def snapshot(self, sensors: frozenset[str] | None = None) -> Readings:
        """Return the newest reading of each named sensor that has one; None selects all, undescribed ones included."""
        ...
