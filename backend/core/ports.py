"""The contracts between rooms. Every implementation of one passes the suite of that port in tests/contract.

Methods that may wait are coroutines. Unless said otherwise, a method raises `TransientError` where the thing behind
the port cannot be reached now and has changed nothing, and intervals are [start_ns, end_ns) in nanoseconds UTC.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from backend.core.bucket import Buckets, SeriesKind
from backend.core.health import DeviceHealth, SensorErrors
from backend.core.reading import Float64, Int64, Points, Reading, Readings
from backend.core.windows import Window


@dataclass(frozen=True, slots=True)
class SensorTags:
    """What the store keeps beside a sensor's readings, under the tag names of the raw measurement."""

    location: str
    sensor_type: str
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class WriteResult:
    """What a write did: `late` are the rows that were not newer than all their sensor had (new late ones and replaced ones)."""

    rows: int
    late: Readings


@dataclass(frozen=True, slots=True)
class SeriesAlias:
    """A node says what the kept 30 s buckets of another series say: the mean of each times `weight`.

    Of a sensor, an empty or absent one is a window in which nothing reported, of one report expected. Of a node, which has
    a bucket for every window, reports are those that it says; so does a node copy itself in its minutes.
    """

    kind: SeriesKind
    name: str
    weight: float = 1.0


class TimeSeriesStore(Protocol):
    """Raw readings and roll-ups, kept for years."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags] | None = None) -> WriteResult:
        """Keep readings, durably when it returns. Idempotent on (sensor, time); the last value wins.

        Raises ValueError for a value that is not finite, before anything is written.
        """
        ...

    async def raw(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, Points]:
        """Readings of the interval, oldest first; a sensor without any is absent."""
        ...

    async def raw_up_to(
        self, sensors: Sequence[str], start_ns: int, end_ns: int, most: int
    ) -> Mapping[str, Points] | None:
        """As `raw`; None where there are more than `most` readings, of which no more are held in memory."""
        ...

    async def latest(self, sensors: Sequence[str] | None = None) -> Mapping[str, Reading]:
        """The newest reading of each sensor, of all that the store knows if none is named."""
        ...

    async def aggregate(
        self, groups: Mapping[str, Sequence[str]], window: Window, start_ns: int, end_ns: int
    ) -> Buckets:
        """Buckets over the raw readings of each group's sensors, where there are readings.

        `start_ns` and `end_ns` are window edges. Rows with no reading are absent; `expected` is NaN, `reported` the count.
        A sensor's own buckets are the group {sensor: [sensor]}.
        """
        ...

    async def aggregate_many(
        self, groups: Mapping[str, Sequence[str]], windows: Sequence[Window], start_ns: int, end_ns: int
    ) -> Mapping[Window, Buckets]:
        """`aggregate` for several windows, where one reading of the interval may serve them all.

        `start_ns` and `end_ns` are edges of each of the windows.
        """
        ...

    async def write_buckets(self, kind: SeriesKind, window: Window, buckets: Buckets) -> None:
        """Keep roll-ups; idempotent on (kind, window, series, start), the last written wins."""
        ...

    async def buckets(
        self,
        kind: SeriesKind,
        names: Sequence[str],
        window: Window,
        start_ns: int,
        end_ns: int,
        columns: Sequence[str] | None = None,
    ) -> Buckets:
        """Kept roll-ups whose start lies in the interval. `names` of the answer are those asked for.

        Where `columns` names those of count, sum, ... reported that are wanted, the others may be left NaN and read-only.
        """
        ...

    async def tags(self, sensors: Sequence[str] | None = None) -> Mapping[str, SensorTags]:
        """What is kept beside each sensor, of all that the store knows if none is named; one without tags is absent."""
        ...

    async def first_time(self) -> int | None:
        """Time of the oldest raw reading."""
        ...

    async def count(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, int]:
        """How many raw readings each sensor has in the interval; a sensor without any is absent."""
        ...

    async def delete(self, sensors: Sequence[str] | None, start_ns: int, end_ns: int) -> None:
        """Forget raw readings of the interval, of all sensors if none is named."""
        ...

    async def set_aliases(
        self, window: Window, copies: Mapping[str, SeriesAlias], start_ns: int, end_ns: int
    ) -> bool:
        """Keep what these nodes say over [start_ns, end_ns), edges of the window, as a note of what they copy.

        Afterwards they are read as if their buckets had been written, of a longer window than 30 s made of the 30 s values in
        it, and go on saying what is copied where that is written anew. False where this store wants buckets: then nothing was
        kept.
        """
        ...

    async def delete_buckets(self, window: Window, end_ns: int) -> None:
        """Forget the roll-ups of one window, of all kinds and series, that start before `end_ns`."""
        ...

    async def rollup_series(self, kind: SeriesKind, window: Window) -> frozenset[str]:
        """Names of the series of which any roll-up of the window is kept, described or not."""
        ...

    async def drop_series(self, kind: SeriesKind, window: Window, names: Sequence[str]) -> None:
        """Forget all roll-ups of the window of these series."""
        ...

    async def maintain(self, now_ns: int) -> None:
        """House-keeping that may take long: seal, re-cluster, compact. Never changes what a read answers."""
        ...


class Sink(Protocol):
    """Where a crawler leaves what it read."""

    async def push(self, readings: Readings) -> None:
        """Returns when the readings are durable. Raises `TransientError` where they are not."""
        ...


@dataclass(frozen=True, slots=True)
class Rejection:
    """One element of a push that was not taken: its place in the push, the sensor it named, and why."""

    index: int
    sensor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a push: `accepted` readings are durable, the rejected ones will never be taken as they are."""

    accepted: int
    rejected: Sequence[Rejection] = ()


class CardReceiver(Protocol):
    """Where the temperature cards' pushes go."""

    async def accept_cards(self, body: bytes) -> Outcome:
        """Returns when the good elements of a card's request are durable.

        Raises `UserError` where the body holds no element at all, `TransientError` where nothing can be kept now.
        """
        ...


class Spool(Protocol):
    """A durable first-in-first-out queue of readings."""

    async def append(self, readings: Readings) -> None:
        """Returns when the readings are on disk (fsync done). Raises `SpoolFull`."""
        ...

    async def peek(self, max_rows: int) -> tuple[int, Readings]:
        """The oldest readings, in the order they came, about `max_rows` of them, and a mark to `forget` them by.

        Waits until there is something.
        """
        ...

    async def forget(self, mark: int) -> None:
        """Drop everything up to the mark: it is safe elsewhere."""
        ...

    @property
    def depth(self) -> int:
        """Readings kept and not yet forgotten."""
        ...


class Subscription(Protocol):
    """Batches of live readings, as they come."""

    @property
    def gaps(self) -> int:
        """How often readings may have passed this subscriber by. It grows before the next batch is handed out, and one is,
        empty if nothing came since: whoever must know everything reads the store again then. 0 for ever in one process."""
        ...

    def __aiter__(self) -> AsyncIterator[Readings]: ...

    async def __anext__(self) -> Readings: ...


class Bus(Protocol):
    """Live readings, from those who accept them to those who watch. At most once, newest value wins."""

    @property
    def connected(self) -> bool:
        """Whether what is published arrives just now."""
        ...

    @property
    def subscribers(self) -> int:
        """How many subscriptions there are in this process."""
        ...

    async def publish(self, readings: Readings) -> None:
        """Never waits for a subscriber."""
        ...

    def subscribe(self, sensors: frozenset[str] | None = None) -> AbstractAsyncContextManager[Subscription]:
        """Batches of accepted readings, of the named sensors or of all, from the moment the context is entered.

        A subscriber that falls behind gets the newest value of each sensor, in one batch, when it asks again. One that the
        bus was cut off from hears of it by `gaps`, and goes on.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Nobody subscribes any more."""
        ...


class LastValuesView(Protocol):
    """The newest reading of every sensor, kept in memory."""

    @property
    def names(self) -> Sequence[str]:
        """The described sensors, in the order of the columns that `values` and `times` answer; never changes."""
        ...

    def values(self, now_ns: int, max_age_ns: int) -> Float64:
        """float64 (names,): last values; NaN where there is none, or it is older than `max_age_ns`."""
        ...

    def times(self) -> Int64:
        """int64 (names,): times of the last values, ns since the epoch; 0 or less where there is none."""
        ...

    def latest(self, name: str) -> Reading | None:
        """The newest reading of one sensor, described or not, however old."""
        ...

    def snapshot(self, sensors: frozenset[str] | None = None) -> Readings:
        """The newest reading of each named sensor that has one, of all sensors if none is named, undescribed ones too."""
        ...


@dataclass(frozen=True, slots=True)
class DirtyWindow:
    """A span of a sensor's history that no longer matches its roll-ups: [start_ns, end_ns), edges of 1 d windows or finer.

    `version` tells one marking of a span from the next; whoever marks leaves it alone.
    """

    sensor: str
    start_ns: int
    end_ns: int
    version: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    """A rolled-up series as it was last described, and what of its history does not fit that yet.

    shape      what its values are computed from, as a short text that changes with it
    expects    the same for how many reports it expects
    stale_ns   what is kept of windows that begin before it is still of another description; None where all fits
    recompute  whether that concerns the values, or only `expected`
    """

    kind: SeriesKind
    name: str
    shape: str
    expects: str
    stale_ns: int | None = None
    recompute: bool = False


@dataclass(frozen=True, slots=True)
class LearnedPeriod:
    """Seconds between two readings of a sensor as its readings showed, and when that was looked at (ns)."""

    period_s: float
    at_ns: int


class RollupState(Protocol):
    """What the roll-ups must remember over a restart."""

    async def watermark(self, window: Window) -> int | None:
        """End of the newest window that is rolled up; None before the first."""
        ...

    async def set_watermark(self, window: Window, end_ns: int) -> None: ...

    async def horizon(self) -> int | None:
        """Windows that end at or before it are rolled up or being so: what arrives for them is late. None before the first."""
        ...

    async def set_horizon(self, end_ns: int) -> None: ...

    async def retained_from(self, window: Window | None) -> int | None:
        """Roll-ups of the window (for None: raw readings) before it were deleted on purpose or are being so.

        None before the first.
        """
        ...

    async def set_retained_from(self, window: Window | None, start_ns: int) -> None: ...

    async def mark_dirty(self, windows: Sequence[DirtyWindow]) -> None:
        """Idempotent: a span is listed once, however often it is marked."""
        ...

    async def dirty(self, limit: int) -> Sequence[DirtyWindow]:
        """Newest start first."""
        ...

    async def oldest_dirty(self) -> int | None:
        """The oldest start of all spans that are listed."""
        ...

    async def clear_dirty(self, windows: Sequence[DirtyWindow]) -> None:
        """Forget marks as `dirty` handed them out; one that was marked again since stays."""
        ...

    async def series(self) -> Sequence[SeriesRecord]:
        """All series that were ever described and not removed, in no order."""
        ...

    async def set_series(
        self, changed: Sequence[SeriesRecord], removed: Sequence[tuple[SeriesKind, str]] = ()
    ) -> None:
        """Keep and remove series, all together or none."""
        ...

    async def periods(self) -> Mapping[str, LearnedPeriod]:
        """Learned periods by sensor."""
        ...

    async def set_periods(self, periods: Mapping[str, LearnedPeriod]) -> None:
        """Keep learned periods beside those of other sensors."""
        ...


class HealthBoard(Protocol):
    """Where crawlers tell how their devices fare, and where it is read, in this process or another."""

    async def report(self, devices: Sequence[DeviceHealth]) -> None:
        """Takes the place of what was reported of the devices of these names."""
        ...

    async def devices(self) -> Sequence[DeviceHealth]:
        """What was reported last of each device, by name; one that nobody has reported for an hour is forgotten."""
        ...

    async def close(self) -> None: ...


class Counters(Protocol):
    """Errors of sensors, counted until somebody resets them."""

    async def count(self, sensors: Sequence[str], at_ns: int) -> None:
        """One more error of each."""
        ...

    async def errors(self) -> Sequence[SensorErrors]:
        """All sensors with errors, by name."""
        ...

    async def reset(self, sensors: Sequence[str] | None = None) -> None:
        """Forget the errors of these sensors, of all if none is named."""
        ...

    async def close(self) -> None: ...
