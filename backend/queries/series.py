"""Time series of sensors and tree nodes: raw or rolled up, never more points than requested."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from backend.core import windows
from backend.core.bucket import Buckets, SeriesKind
from backend.core.clock import Clock
from backend.core.errors import UserError
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Float64, Int64, Points
from backend.core.windows import NS_PER_SECOND, Window
from backend.inventory.model import Inventory, Sensor
from backend.queries.downsample import Columns, Grid, build_grid, merge, thin
from backend.queries.energy import require_nodes
from backend.queries.ranges import MAX_POINTS, MAX_READ_ROWS, Piece, resolve_end, to_grid
from backend.queries.sensors import SensorService
from backend.queries.watermarks import Watermarks
from backend.watch.silence import CHART_GAPS

AUTO_RAW_ROWS: Final = 1_000_000
"""Number of readings up to which AUTO reads raw readings. Above it, 30 s windows are faster."""
AUTO_ROWS: Final = 200_000
"""Number of windows up to which AUTO reads a window. Above it, AUTO reads the next coarser one."""
_MAX_LOOP_ROWS: Final = 200_000
"""Readings that are thinned in the event loop; more are thinned on a thread."""
_NEEDS: Final = {
    "min": ("min",),
    "max": ("max",),
    "stddev": ("m2",),
    "median": ("median",),
    "coverage": ("expected", "reported"),
}
"""Columns of roll-ups that a statistic needs besides count and sum."""
_DAY_NS: Final = Window.D1.ns
_DIVISORS: Final = {
    w: [n for n in range(1, _DAY_NS // w.ns + 1) if _DAY_NS // w.ns % n == 0] for w in windows.WINDOWS
}
"""The numbers of windows that divide a day."""


class WindowChoice(StrEnum):
    """The windows that a client can request."""

    RAW = "raw"
    S30 = "30s"
    M1 = "1m"
    H1 = "1h"
    D1 = "1d"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """A request for series over [start_ns, end_ns); `end_ns` None is now.

    `statistics` are names of columns of a `Grid`. With `aligned`, all series have the same times, and none is raw.
    """

    sensors: Sequence[str]
    nodes: Sequence[str]
    start_ns: int
    end_ns: int | None = None
    window: WindowChoice = WindowChoice.AUTO
    max_points: int = 2000
    statistics: Collection[str] = ("mean", "min", "max", "sum", "count", "stddev", "median", "coverage")
    aligned: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class SeriesColumns:
    """One series of the answer, of a sensor or of a node: `times` int64 ns and `values` float64, NaN in a gap.

    `window` is RAW or the roll-up that was read. `grid` has the statistics of a rolled-up series.
    """

    sensor: str | None
    node: str | None
    unit: str
    window: WindowChoice
    times: Int64
    values: Float64
    grid: Grid | None


@dataclass(frozen=True, slots=True)
class _Step:
    """A window to read, and the number of adjacent windows that are merged into one point."""

    window: Window
    factor: int

    @property
    def ns(self) -> int:
        return self.window.ns * self.factor


class SeriesService:
    """Selects the window, reads the store, and reduces the number of points."""

    def __init__(
        self,
        inventory: Inventory,
        sensors: SensorService,
        store: TimeSeriesStore,
        watermarks: Watermarks,
        clock: Clock,
    ) -> None:
        self._leaves = {**inventory.production.leaves, **inventory.consumption.leaves}
        self._sensors = sensors
        self._store = store
        self._watermarks = watermarks
        self._clock = clock

    async def read(self, request: SeriesRequest) -> list[SeriesColumns]:
        """Return the sensors in the requested order, then the nodes. Raises `UserError` for an invalid request."""
        sensors = self._sensors.require(request.sensors)
        nodes = require_nodes("series", request.nodes, self._leaves)
        start, end = self._interval(request)
        if not sensors and not nodes:
            raise UserError("series: neither `sensors` nor `nodes` is given: name at least one.")
        if nodes and request.window is WindowChoice.RAW:
            raise UserError(
                "series(window: RAW, nodes:): a node has no raw readings: use S30, its finest window."
            )
        if request.aligned:
            self._check_aligned(request, sensors)
        answer: list[SeriesColumns] = []
        if sensors:
            answer += await self._read_sensors(request, sensors, start, end)
        if nodes:
            step = _select_step(request, start, end, None)
            step = step or _fit_step(Window.S30, start, end, request.max_points)
            units = dict.fromkeys(nodes, "W")
            answer += await self._rolled_up(SeriesKind.NODE, units, step, start, end, request.statistics)
        return answer

    async def _read_sensors(
        self, request: SeriesRequest, sensors: Sequence[Sensor], start: int, end: int
    ) -> list[SeriesColumns]:
        raw_rows = None if request.aligned else _estimate_raw_rows(sensors, start, end)
        step = _select_step(request, start, end, raw_rows)
        # An undescribed sensor is not rolled up, so only its readings exist.
        raw = sensors if step is None else [s for s in sensors if not self._sensors.is_described(s.name)]
        columns = {c.sensor: c for c in await self._raw(raw, start, end, request.max_points)} if raw else {}
        if step is not None and len(raw) < len(sensors):
            units = {s.name: s.unit for s in sensors if s not in raw}
            rolled_up = await self._rolled_up(SeriesKind.SENSOR, units, step, start, end, request.statistics)
            columns |= {c.sensor: c for c in rolled_up}
        return [columns[s.name] for s in sensors]

    def _check_aligned(self, request: SeriesRequest, sensors: Sequence[Sensor]) -> None:
        """Raise `UserError` for series that only have raw readings."""
        if request.window is WindowChoice.RAW:
            raise UserError(
                "series(aligned: true, window: RAW): raw readings have no common times: use S30 or coarser."
            )
        undescribed = [s.name for s in sensors if not self._sensors.is_described(s.name)]
        if undescribed:
            raise UserError(
                f"series(aligned: true): {undescribed[0]!r} is not in the site description, so it is not rolled up. "
                "Omit it."
            )

    def _interval(self, request: SeriesRequest) -> tuple[int, int]:
        end = resolve_end("series", request.start_ns, request.end_ns, self._clock.now_ns())
        if not 1 <= request.max_points <= MAX_POINTS:
            raise UserError(f"series(maxPoints: {request.max_points}): expected 1 to {MAX_POINTS}.")
        return request.start_ns, end

    def _expected(self, kind: SeriesKind, name: str, window: Window) -> float:
        """Return the reports a window should have: readings of a sensor, 30 s means of the sensors below a node.

        NaN for a sensor without a period in the description.
        """
        if kind is SeriesKind.SENSOR:
            sensor = self._sensors.find(name)
            return window.seconds / sensor.period_s if sensor and sensor.period_s else float("nan")
        return window.seconds / Window.S30.seconds * len(self._leaves[name])

    async def _raw(
        self, sensors: Sequence[Sensor], start: int, end: int, max_points: int
    ) -> list[SeriesColumns]:
        readings = await self._store.raw([s.name for s in sensors], start, end)
        gaps_ns = {s.name: CHART_GAPS.limit_ns(s.poll_s) for s in sensors}

        def thin_all() -> dict[str, Points]:
            return {name: thin(points, max_points, gaps_ns[name]) for name, points in readings.items()}

        rows = sum(len(points) for points in readings.values())
        thinned = await asyncio.to_thread(thin_all) if rows > _MAX_LOOP_ROWS else thin_all()
        empty = Points.empty()
        return [
            SeriesColumns(s.name, None, s.unit, WindowChoice.RAW, points.times, points.values, None)
            for s in sensors
            for points in (thinned.get(s.name, empty),)
        ]

    async def _rolled_up(
        self,
        kind: SeriesKind,
        units: Mapping[str, str],
        step: _Step,
        start: int,
        end: int,
        statistics: Collection[str],
    ) -> list[SeriesColumns]:
        """Return all series on one grid of complete windows; an incomplete window is never shown."""
        names = list(units)
        watermark = await self._watermarks.end(step.window)
        first = start // step.ns * step.ns
        last = -(-end // step.ns) * step.ns
        last = first if watermark is None else min(last, watermark // step.ns * step.ns)
        piece = Piece(step.window, first, max(first, last))
        available = (s for s in statistics if s != "median" or step.factor == 1)
        needed = ["count", "sum", *(column for s in available for column in _NEEDS.get(s, ()))]
        if piece.size:
            buckets = await self._store.buckets(kind, names, step.window, first, last, needed)
        else:
            buckets = Buckets.empty(names)
        described = np.array([self._expected(kind, name, step.window) for name in names], np.float64)
        absent: dict[str, Float64 | float] = {
            "count": 0.0,
            "reported": 0.0,
            "expected": _with_learned(described, buckets),
        }
        stored = {column: to_grid(buckets, piece, column, absent.get(column, np.nan)) for column in needed}
        columns = merge(Columns(**stored), step.factor)
        starts = piece.starts[:: step.factor]
        window = WindowChoice(step.window.value)
        answer = []
        for row, (name, unit) in enumerate(units.items()):
            grid = build_grid(columns, row, starts, step.ns)
            sensor, node = (name, None) if kind is SeriesKind.SENSOR else (None, name)
            answer.append(SeriesColumns(sensor, node, unit, window, starts, grid.mean, grid))
        return answer


def _with_learned(expected: Float64, buckets: Buckets) -> Float64:
    """Return the expected reports, with NaN replaced by the value of the newest bucket that has one."""
    filled = expected.copy()
    is_usable = ~np.isnan(buckets.expected) & np.isnan(expected)[buckets.codes]
    filled[buckets.codes[is_usable]] = buckets.expected[is_usable]  # the last assignment per series wins
    return filled


def _estimate_raw_rows(sensors: Sequence[Sensor], start: int, end: int) -> float:
    return sum((end - start) / NS_PER_SECOND / max(s.poll_s, 0.1) for s in sensors)


def _select_step(request: SeriesRequest, start: int, end: int, raw_rows: float | None) -> _Step | None:
    """Return the window to read; None for raw readings. `raw_rows` is their estimated number, None for nodes."""
    choice, series = request.window, len(request.sensors) + len(request.nodes)
    if choice is WindowChoice.AUTO:
        coarsest = windows.coarsest(end - start, request.max_points)
        if coarsest is None and raw_rows is not None and raw_rows <= AUTO_RAW_ROWS:
            return None
        candidates = (w for w in windows.WINDOWS if w.ns >= (coarsest or Window.S30).ns)
        affordable = (w for w in candidates if series * _count_points(start, end, w.ns) <= AUTO_ROWS)
        return _fit_step(next(affordable, Window.D1), start, end, request.max_points)
    if choice is WindowChoice.RAW:
        if raw_rows is not None and raw_rows > MAX_READ_ROWS:
            raise UserError(
                f"series(window: RAW): the interval has about {raw_rows:,.0f} readings; the limit is "
                f"{MAX_READ_ROWS:,}: shorten it, name fewer sensors, or use a window."
            )
        return None
    window = Window(choice.value)
    rows = series * _count_points(start, end, window.ns)
    if rows > MAX_READ_ROWS:
        raise UserError(
            f"series(window: {choice.name}): the interval has {rows:,} windows; the limit is "
            f"{MAX_READ_ROWS:,}: shorten it, name fewer series, or use a coarser window."
        )
    return _fit_step(window, start, end, request.max_points)


def _fit_step(window: Window, start: int, end: int, max_points: int) -> _Step:
    """Return the smallest merge so that the points fit: a divisor of a day, or whole days.

    Such grid lines stay in place when the interval moves, so that a chart does not flicker.
    """
    divisors = _DIVISORS[window]
    factor = next((n for n in divisors if _count_points(start, end, window.ns * n) <= max_points), None)
    if factor is None:
        days = -(-(end - start) // (_DAY_NS * max_points))
        while _count_points(start, end, _DAY_NS * days) > max_points and start // (_DAY_NS * days):
            days += 1
        factor = days * (_DAY_NS // window.ns)
    step_ns = window.ns * factor
    coarser = (w for w in reversed(windows.WINDOWS) if w.ns > window.ns and step_ns % w.ns == 0)
    best = next(coarser, window)
    return _Step(best, step_ns // best.ns)


def _count_points(start: int, end: int, step_ns: int) -> int:
    return -(-end // step_ns) - start // step_ns
