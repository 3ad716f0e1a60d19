"""Time series of sensors and tree nodes: raw or rolled up, never more points than asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from backend.core import windows
from backend.core.bucket import Buckets, SeriesKind
from backend.core.clock import Clock
from backend.core.errors import UserError
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Float64, Int64, Points
from backend.core.windows import NS_PER_SECOND, Window
from backend.inventory.model import Inventory, Sensor
from backend.queries.downsample import Columns, Grid, grid, merge, thin
from backend.queries.energy import require_nodes
from backend.queries.marks import Marks
from backend.queries.ranges import MAX_POINTS, MAX_READ_ROWS, Piece, dense, ordered
from backend.queries.sensors import SensorService

AUTO_RAW_ROWS = 1_000_000
"""Rows up to which AUTO reads raw readings; above it takes 30 s windows, which answer sooner."""
AUTO_ROWS = 200_000
"""Windows up to which AUTO reads roll-ups; above it takes coarser ones."""
GAP_PERIODS = 5
GAP_LEAST_NS = 10 * NS_PER_SECOND
_IN_LOOP_ROWS = 200_000
_NEEDS = {
    "min": ("min",),
    "max": ("max",),
    "stddev": ("m2",),
    "median": ("median",),
    "coverage": ("expected", "reported"),
}
"""Columns of roll-ups that a statistic needs besides count and sum."""
_DAY = Window.D1
_DIVISORS = {
    w: [n for n in range(1, _DAY.ns // w.ns + 1) if _DAY.ns // w.ns % n == 0] for w in windows.WINDOWS
}


class WindowChoice(StrEnum):
    """What a client may ask for."""

    RAW = "raw"
    S30 = "30s"
    M1 = "1m"
    H1 = "1h"
    D1 = "1d"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """What to read over [start_ns, end_ns); `end_ns` None is now. `statistics` are names of columns of a `Grid`.

    `aligned`: all series have the same times, so that none is raw.
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
    """One series of the answer: `sensor` or `node` is given; `times` int64 ns and `values` float64, NaN in a gap.

    `window` is RAW or the roll-up that was read; `grid` has the statistics of a rolled-up series.
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
    """A window to read and how many of them make one point."""

    window: Window
    factor: int

    @property
    def ns(self) -> int:
        return self.window.ns * self.factor


class SeriesService:
    """Chooses the window, reads the store, and thins out."""

    def __init__(
        self,
        inventory: Inventory,
        sensors: SensorService,
        store: TimeSeriesStore,
        marks: Marks,
        clock: Clock,
    ) -> None:
        self._leaves = {**inventory.production.leaves, **inventory.consumption.leaves}
        self._sensors = sensors
        self._store = store
        self._marks = marks
        self._clock = clock

    async def read(self, request: SeriesRequest) -> list[SeriesColumns]:
        """The sensors in the order asked for, then the nodes. Raises `UserError` for what cannot be answered."""
        sensors = self._sensors.require(request.sensors)
        nodes = require_nodes("series", request.nodes, self._leaves)
        start, end = self._interval(request)
        if not sensors and not nodes:
            raise UserError("series: neither `sensors` nor `nodes` are given: name at least one.")
        if nodes and request.window is WindowChoice.RAW:
            raise UserError(
                "series(window: RAW, nodes:): a node has no raw readings: ask for S30, the finest it has."
            )
        if request.aligned:
            self._check_aligned(request, sensors)
        answer: list[SeriesColumns] = []
        if sensors:
            raw_rows = None if request.aligned else _raw_rows(sensors, start, end)
            step = _step(request, start, end, raw_rows)
            # What no file describes is not rolled up: its readings are all there is.
            raw = sensors if step is None else [s for s in sensors if not self._sensors.is_described(s.name)]
            found = {c.sensor: c for c in await self._raw(raw, start, end, request.max_points)} if raw else {}
            if step is not None and len(raw) < len(sensors):
                units = {s.name: s.unit for s in sensors if s not in raw}
                rolled = await self._rolled(SeriesKind.SENSOR, units, step, start, end, request.statistics)
                found |= {c.sensor: c for c in rolled}
            answer += [found[s.name] for s in sensors]
        if nodes:
            step = _step(request, start, end, None) or _fit(Window.S30, start, end, request.max_points)
            answer += await self._rolled(
                SeriesKind.NODE, dict.fromkeys(nodes, "W"), step, start, end, request.statistics
            )
        return answer

    def _check_aligned(self, request: SeriesRequest, sensors: Sequence[Sensor]) -> None:
        """Raises `UserError` for series that only have raw readings."""
        if request.window is WindowChoice.RAW:
            raise UserError(
                "series(aligned: true, window: RAW): readings come when they come: ask for S30 or coarser."
            )
        strays = [s.name for s in sensors if not self._sensors.is_described(s.name)]
        if strays:
            raise UserError(
                f"series(aligned: true): {strays[0]!r} is not in the description and so is not rolled up: leave it out."
            )

    def _interval(self, request: SeriesRequest) -> tuple[int, int]:
        end = ordered("series", request.start_ns, request.end_ns, self._clock.now_ns())
        if not 1 <= request.max_points <= MAX_POINTS:
            raise UserError(f"series(maxPoints: {request.max_points}): expected 1 to {MAX_POINTS}.")
        return request.start_ns, end

    def _expected(self, kind: SeriesKind, name: str, window: Window) -> float:
        """Reports a window should have: readings of a sensor, 30 s means of the sensors below a node.

        NaN for a sensor whose period the description does not say.
        """
        if kind is SeriesKind.SENSOR:
            sensor = self._sensors.find(name)
            return window.seconds / sensor.period_s if sensor and sensor.period_s else float("nan")
        return window.seconds / Window.S30.seconds * len(self._leaves[name])

    async def _raw(
        self, sensors: Sequence[Sensor], start: int, end: int, max_points: int
    ) -> list[SeriesColumns]:
        found = await self._store.raw([s.name for s in sensors], start, end)
        gaps = {s.name: max(GAP_LEAST_NS, round(GAP_PERIODS * s.poll_s * NS_PER_SECOND)) for s in sensors}

        def thinned() -> dict[str, Points]:
            return {name: thin(points, max_points, gaps[name]) for name, points in found.items()}

        rows = sum(len(p) for p in found.values())
        kept = await asyncio.to_thread(thinned) if rows > _IN_LOOP_ROWS else thinned()
        none = Points.empty()
        return [
            SeriesColumns(s.name, None, s.unit, WindowChoice.RAW, p.times, p.values, None)
            for s in sensors
            for p in (kept.get(s.name, none),)
        ]

    async def _rolled(
        self,
        kind: SeriesKind,
        units: Mapping[str, str],
        step: _Step,
        start: int,
        end: int,
        statistics: Collection[str],
    ) -> list[SeriesColumns]:
        """All series on one grid of complete windows: nothing is shown half filled."""
        names = list(units)
        mark = await self._marks.end(step.window)
        first = start // step.ns * step.ns
        last = -(-end // step.ns) * step.ns
        last = first if mark is None else min(last, mark // step.ns * step.ns)
        piece = Piece(step.window, first, max(first, last))
        asked = (s for s in statistics if s != "median" or step.factor == 1)
        wanted = ["count", "sum", *(column for s in asked for column in _NEEDS.get(s, ()))]
        if piece.size:
            buckets = await self._store.buckets(kind, names, step.window, first, last, wanted)
        else:
            buckets = Buckets.empty(names)
        nominal = _learned(
            buckets, np.array([self._expected(kind, name, step.window) for name in names], np.float64)
        )
        absent: dict[str, Float64 | float] = {"count": 0.0, "reported": 0.0, "expected": nominal}
        read = {name: dense(buckets, piece, name, absent.get(name, np.nan)) for name in wanted}
        columns = merge(Columns(**read), step.factor)
        starts = piece.starts[:: step.factor]
        answer = []
        for row, (name, unit) in enumerate(units.items()):
            g = grid(columns, row, starts, step.ns)
            sensor, node = (name, None) if kind is SeriesKind.SENSOR else (None, name)
            answer.append(
                SeriesColumns(sensor, node, unit, WindowChoice(step.window.value), starts, g.mean, g)
            )
        return answer


def _learned(buckets: Buckets, nominal: Float64) -> Float64:
    """`nominal` with what the description does not say taken from the newest bucket that knows; else it stays NaN."""
    found = nominal.copy()
    known = ~np.isnan(buckets.expected) & np.isnan(nominal)[buckets.codes]
    found[buckets.codes[known]] = buckets.expected[known]  # of several the last stands
    return found


def _raw_rows(sensors: Sequence[Sensor], start: int, end: int) -> float:
    return sum((end - start) / NS_PER_SECOND / max(s.poll_s, 0.1) for s in sensors)


def _step(request: SeriesRequest, start: int, end: int, raw_rows: float | None) -> _Step | None:
    """The window to read; None for raw readings. `raw_rows` is their estimated number, None for nodes."""
    choice, series = request.window, len(request.sensors) + len(request.nodes)
    if choice is WindowChoice.AUTO:
        best = windows.coarsest(end - start, request.max_points)
        if best is None and raw_rows is not None and raw_rows <= AUTO_RAW_ROWS:
            return None
        fine_enough = (w for w in windows.WINDOWS if w.ns >= (best or Window.S30).ns)
        window = next((w for w in fine_enough if series * _points(start, end, w.ns) <= AUTO_ROWS), Window.D1)
        return _fit(window, start, end, request.max_points)
    if choice is WindowChoice.RAW:
        if raw_rows is not None and raw_rows > MAX_READ_ROWS:
            raise UserError(
                f"series(window: RAW): about {raw_rows:,.0f} readings lie in the interval; the limit is "
                f"{MAX_READ_ROWS:,}: shorten it, name fewer sensors, or ask for a window."
            )
        return None
    window = Window(choice.value)
    rows = series * _points(start, end, window.ns)
    if rows > MAX_READ_ROWS:
        raise UserError(
            f"series(window: {choice.name}): {rows:,} windows lie in the interval; the limit is "
            f"{MAX_READ_ROWS:,}: shorten it, name fewer series, or ask for a coarser window."
        )
    return _fit(window, start, end, request.max_points)


def _fit(window: Window, start: int, end: int, max_points: int) -> _Step:
    """The least number of neighbours to merge so that the points fit; a divisor of a day, or whole days.

    Grid lines stay where they are as the interval moves, so that a chart does not flicker.
    """
    factor = next((n for n in _DIVISORS[window] if _points(start, end, window.ns * n) <= max_points), None)
    if factor is None:
        days = -(-(end - start) // (_DAY.ns * max_points))
        while _points(start, end, _DAY.ns * days) > max_points and start // (_DAY.ns * days):
            days += 1
        factor = days * (_DAY.ns // window.ns)
    step_ns = window.ns * factor
    coarser = (w for w in reversed(windows.WINDOWS) if w.ns > window.ns and step_ns % w.ns == 0)
    best = next(coarser, window)
    return _Step(best, step_ns // best.ns)


def _points(start: int, end: int, step_ns: int) -> int:
    return -(-end // step_ns) - start // step_ns
