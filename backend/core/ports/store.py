"""The port of the time series store: raw readings and roll-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from backend.core.bucket import Buckets, SeriesKind
from backend.core.reading import Points, Reading, Readings
from backend.core.windows import Window


@dataclass(frozen=True, slots=True)
class SensorTags:
    """The tags stored with a sensor's readings, under the tag names of the raw measurement."""

    location: str
    sensor_type: str
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class WriteResult:
    """The result of a write.

    `late` holds the rows that were not newer than everything stored for their sensor: inserted late, or replaced.
    """

    rows: int
    late: Readings


@dataclass(frozen=True, slots=True)
class SeriesAlias:
    """Another series whose stored 30 s buckets a node shares: the node's value is the mean of each, times `weight`.

    If the series is a sensor, an empty or absent bucket is a window without reports, with one report expected. If it is a
    node, which has a bucket for every window, the reports are those of its bucket. The 1 min
    buckets of a node are computed from its own 30 s buckets when they are read.
    """

    kind: SeriesKind
    name: str
    weight: float = 1.0


class TimeSeriesStore(Protocol):
    """Raw readings and roll-ups, stored for years."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags] | None = None) -> WriteResult:
        """Store readings; they are durable when it returns. Idempotent on (sensor, time): the last value wins.

        Raises ValueError for a value that is not finite, before anything is written.
        """
        ...

    async def raw(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, Points]:
        """Return the readings of the interval, oldest first. A sensor without readings is absent."""
        ...

    async def raw_up_to(
        self, sensors: Sequence[str], start_ns: int, end_ns: int, max_rows: int
    ) -> Mapping[str, Points] | None:
        """Return the same as `raw`, or None if there are more than `max_rows` readings.

        No more than `max_rows` readings are held in memory.
        """
        ...

    async def latest(self, sensors: Sequence[str] | None = None) -> Mapping[str, Reading]:
        """Return the newest reading of each sensor; None selects all sensors of the store."""
        ...

    async def aggregate(
        self, groups: Mapping[str, Sequence[str]], window: Window, start_ns: int, end_ns: int
    ) -> Buckets:
        """Compute buckets from the raw readings of each group's sensors.

        `start_ns` and `end_ns` are window edges. A window without readings has no row. `expected` is NaN, `reported` is the
        count. A sensor's own buckets are the group {sensor: [sensor]}.
        """
        ...

    async def aggregate_many(
        self, groups: Mapping[str, Sequence[str]], windows: Sequence[Window], start_ns: int, end_ns: int
    ) -> Mapping[Window, Buckets]:
        """Compute `aggregate` for several windows; the store may read the interval only once.

        `start_ns` and `end_ns` are edges of each of the windows.
        """
        ...

    async def write_buckets(self, kind: SeriesKind, window: Window, buckets: Buckets) -> None:
        """Store roll-ups. Idempotent on (kind, window, series, start): the last write wins."""
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
        """Return the stored roll-ups whose start lies in the interval. `names` of the result are the requested names.

        `columns` selects columns among count, sum, ... reported; the others may be NaN and read-only.
        """
        ...

    async def tags(self, sensors: Sequence[str] | None = None) -> Mapping[str, SensorTags]:
        """Return the tags of each sensor; None selects all sensors of the store. A sensor without tags is absent."""
        ...

    async def first_time(self) -> int | None:
        """Return the time of the oldest raw reading; None if there is none."""
        ...

    async def count(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, int]:
        """Return the number of raw readings of each sensor in the interval. A sensor without readings is absent."""
        ...

    async def delete(self, sensors: Sequence[str] | None, start_ns: int, end_ns: int) -> None:
        """Delete the raw readings of the interval; None selects all sensors."""
        ...

    async def set_aliases(
        self, window: Window, copies: Mapping[str, SeriesAlias], start_ns: int, end_ns: int
    ) -> bool:
        """Record that these nodes copy other series over [start_ns, end_ns), instead of storing their buckets.

        `start_ns` and `end_ns` are window edges. Afterwards the nodes read as if their buckets had been written; a window
        longer than 30 s is computed from its 30 s values. They follow later changes of the copied series. Returns False if
        this store needs the buckets; then nothing was recorded.
        """
        ...

    async def delete_buckets(self, window: Window, end_ns: int) -> None:
        """Delete the roll-ups of one window, of all kinds and series, that start before `end_ns`."""
        ...

    async def rollup_series(self, kind: SeriesKind, window: Window) -> frozenset[str]:
        """Return the names of all series with stored roll-ups of the window, described or not."""
        ...

    async def drop_series(self, kind: SeriesKind, window: Window, names: Sequence[str]) -> None:
        """Delete all roll-ups of the window of these series."""
        ...

    async def maintain(self, now_ns: int) -> None:
        """Run maintenance that may take long: seal, re-cluster, compact. The result of a read never changes."""
        ...
