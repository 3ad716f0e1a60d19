"""The time series store in dictionaries and plain numpy: slow, in memory, and easy to see to be right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.errors import TransientError
from backend.core.ports import SensorTags, SeriesAlias, WriteResult
from backend.core.reading import Points, Reading, Readings
from backend.core.windows import Window

COLUMNS = ("count", "sum", "m2", "min", "max", "median", "expected", "reported")
Row = tuple[float, ...]


def statistics(values: np.ndarray) -> Row:
    """count, sum, m2, min, max, median of at least one value."""
    n = len(values)
    if n == 1:
        value = float(values[0])
        return 1.0, value, 0.0, value, value, value
    ordered = np.sort(values)
    total = float(ordered.sum())
    m2 = float(np.square(ordered - total / n).sum())
    median = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return float(n), total, m2, float(ordered[0]), float(ordered[-1]), float(median)


def by_window(points: Points, window: Window) -> Iterator[tuple[int, np.ndarray]]:
    """The values of each window that has any, by the window's start."""
    order = np.argsort(points.times, kind="stable")
    starts = (points.times - points.times % window.ns)[order]
    edges = np.flatnonzero(np.diff(starts)) + 1
    firsts = [0, *edges.tolist()] if len(starts) else []
    for first, values in zip(firsts, np.split(points.values[order], edges), strict=False):
        yield int(starts[first]), values


class ReferenceStore:
    """Set `down` to make every call fail like a store that cannot be reached."""

    def __init__(self) -> None:
        self._raw: dict[str, dict[int, float]] = {}
        self._sorted: dict[str, Points] = {}
        self._buckets: dict[tuple[SeriesKind, Window], dict[tuple[str, int], Row]] = {}
        self._tags: dict[str, SensorTags] = {}
        self.down = False

    def _reach(self) -> None:
        if self.down:
            raise TransientError("the store is down")

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags] | None = None) -> WriteResult:
        self._reach()
        if not np.isfinite(readings.values).all():
            raise ValueError("a value is not finite")
        self._tags |= {name: (tags or {})[name] for name in readings.names if name in (tags or {})}
        newest = {name: max(rows) for name, rows in self._raw.items() if rows}
        late = []
        for i, r in enumerate(readings):
            if r.time_ns <= newest.get(r.sensor, r.time_ns - 1):
                late.append(i)
            newest[r.sensor] = max(r.time_ns, newest.get(r.sensor, r.time_ns))
            self._raw.setdefault(r.sensor, {})[r.time_ns] = r.value
            self._sorted.pop(r.sensor, None)
        return WriteResult(len(readings), readings.take(np.array(late, np.intp)))

    def _points(self, sensor: str, start_ns: int, end_ns: int) -> Points:
        if sensor not in self._sorted:
            rows = sorted(self._raw.get(sensor, {}).items())
            self._sorted[sensor] = Points(
                np.array([t for t, _ in rows], np.int64), np.array([v for _, v in rows], np.float64)
            )
        points = self._sorted[sensor]
        a, b = np.searchsorted(points.times, [start_ns, end_ns])
        return Points(points.times[a:b], points.values[a:b])

    async def raw(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, Points]:
        self._reach()
        points_by_sensor = {name: self._points(name, start_ns, end_ns) for name in sensors}
        return {name: points for name, points in points_by_sensor.items() if len(points)}

    async def raw_up_to(
        self, sensors: Sequence[str], start_ns: int, end_ns: int, most: int
    ) -> Mapping[str, Points] | None:
        rows = sum((await self.count(sensors, start_ns, end_ns)).values())
        return None if rows > most else await self.raw(sensors, start_ns, end_ns)

    async def latest(self, sensors: Sequence[str] | None = None) -> Mapping[str, Reading]:
        self._reach()
        names = self._raw if sensors is None else sensors
        rows = {name: self._raw[name] for name in names if self._raw.get(name)}
        return {name: Reading(name, max(points), points[max(points)]) for name, points in rows.items()}

    async def aggregate(
        self, groups: Mapping[str, Sequence[str]], window: Window, start_ns: int, end_ns: int
    ) -> Buckets:
        self._reach()
        rows: dict[tuple[str, int], Row] = {}
        for group, sensors in groups.items():
            parts = [self._points(name, start_ns, end_ns) for name in sensors]
            points = Points(
                np.concatenate([p.times for p in parts] or [np.empty(0, np.int64)]),
                np.concatenate([p.values for p in parts] or [np.empty(0)]),
            )
            for start, values in by_window(points, window):
                rows[group, start] = (*statistics(values), np.nan, float(len(values)))
        return _buckets(tuple(groups), rows)

    async def aggregate_many(
        self, groups: Mapping[str, Sequence[str]], windows: Sequence[Window], start_ns: int, end_ns: int
    ) -> Mapping[Window, Buckets]:
        return {window: await self.aggregate(groups, window, start_ns, end_ns) for window in windows}

    async def set_aliases(
        self, window: Window, copies: Mapping[str, SeriesAlias], start_ns: int, end_ns: int
    ) -> bool:
        return False

    async def write_buckets(self, kind: SeriesKind, window: Window, buckets: Buckets) -> None:
        self._reach()
        stored = self._buckets.setdefault((kind, window), {})
        columns = zip(*(getattr(buckets, c).tolist() for c in COLUMNS), strict=True)
        rows = zip(buckets.codes.tolist(), buckets.starts.tolist(), columns, strict=True)
        stored.update({(buckets.names[code], start): row for code, start, row in rows})

    async def buckets(
        self,
        kind: SeriesKind,
        names: Sequence[str],
        window: Window,
        start_ns: int,
        end_ns: int,
        columns: Sequence[str] | None = None,
    ) -> Buckets:
        self._reach()
        requested = set(names)
        stored = self._buckets.get((kind, window), {})
        rows = {
            key: row for key, row in stored.items() if key[0] in requested and start_ns <= key[1] < end_ns
        }
        return _buckets(tuple(names), rows)

    async def tags(self, sensors: Sequence[str] | None = None) -> Mapping[str, SensorTags]:
        self._reach()
        return {n: t for n, t in self._tags.items() if sensors is None or n in sensors}

    async def first_time(self) -> int | None:
        self._reach()
        return min((min(rows) for rows in self._raw.values() if rows), default=None)

    async def count(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, int]:
        return {name: len(points) for name, points in (await self.raw(sensors, start_ns, end_ns)).items()}

    async def delete(self, sensors: Sequence[str] | None, start_ns: int, end_ns: int) -> None:
        self._reach()
        for name in list(self._raw if sensors is None else sensors):
            rows = self._raw.get(name, {})
            self._raw[name] = {t: v for t, v in rows.items() if not start_ns <= t < end_ns}
            self._sorted.pop(name, None)

    async def delete_buckets(self, window: Window, end_ns: int) -> None:
        self._reach()
        for (_, at), stored in self._buckets.items():
            if at is window:
                for key in [key for key in stored if key[1] < end_ns]:
                    del stored[key]

    async def rollup_series(self, kind: SeriesKind, window: Window) -> frozenset[str]:
        self._reach()
        return frozenset(name for name, _ in self._buckets.get((kind, window), {}))

    async def drop_series(self, kind: SeriesKind, window: Window, names: Sequence[str]) -> None:
        self._reach()
        stored = self._buckets.get((kind, window), {})
        self._buckets[kind, window] = {key: row for key, row in stored.items() if key[0] not in names}

    async def maintain(self, now_ns: int) -> None:
        self._reach()


def _buckets(names: Sequence[str], rows: Mapping[tuple[str, int], Row]) -> Buckets:
    code = {name: i for i, name in enumerate(names)}
    ordered = sorted((code[name], start, row) for (name, start), row in rows.items())
    if not ordered:
        return Buckets.empty(names)
    columns = np.array([row for _, _, row in ordered], np.float64).T
    return Buckets(
        names,
        np.array([c for c, _, _ in ordered], np.int32),
        np.array([s for _, s, _ in ordered], np.int64),
        *columns,
    )
