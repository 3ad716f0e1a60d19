"""Energy over a range: of sensors, of nodes, and of a whole tree. docs/decisions/0005 gives the definitions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.clock import Clock
from backend.core.errors import UserError
from backend.core.ports import TimeSeriesStore
from backend.core.quantity import watts_per
from backend.core.reading import Float64, Int64
from backend.core.windows import NS_PER_SECOND, Window, slices
from backend.inventory.model import Inventory, Sensor
from backend.queries.energy import EnergyService, require_nodes
from backend.queries.joules import JOULES_PER_KWH, Bars, cells_of_nodes, cells_of_sensors
from backend.queries.ranges import (
    COUNTED,
    Piece,
    Range,
    bar_window,
    check_points,
    check_rows,
    resolve_range,
    split,
)
from backend.queries.sensors import SensorService
from backend.queries.watermarks import Watermarks

MAX_HOLD_S: Final = 86_400.0
_CHUNK_ROWS: Final = 500_000
"""Rows that are read at once."""
_MAX_LOOP_ROWS: Final = 100_000
"""Rows that are computed in the event loop; more are computed on a thread."""
_MIN_CHUNK_EDGES: Final = 24
_NODE_TIERS: Final = {
    Window.S30: (Window.S30,),
    Window.M1: (Window.M1, Window.S30),
    Window.H1: (Window.H1, Window.S30),
    Window.D1: (Window.D1, Window.H1, Window.S30),
}
"""The windows to read for bars of each window."""


class GapPolicy(StrEnum):
    """The treatment of time that no reading covers: it has no energy, or the last value is held."""

    NONE = "none"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class EnergyRequest:
    """A request for energy over [start_ns, end_ns); `end_ns` None is now.

    window   the value of a `Window`, or auto; None requests no bars
    hold_s   the longest time in seconds for which HOLD holds a value
    missing  True requests the sensors of nodes that were silent over the whole range
    """

    sensors: Sequence[str]
    nodes: Sequence[str]
    start_ns: int
    end_ns: int | None = None
    policy: GapPolicy = GapPolicy.NONE
    hold_s: float = 300.0
    window: str | None = None
    missing: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class EnergyBars:
    """`starts` int64 (n,) ns; `kwh` float64 (n,), NaN without a value; `coverage` float64 (n,), 0 to 1."""

    window: Window
    starts: Int64
    kwh: Float64
    coverage: Float64


@dataclass(frozen=True, slots=True, eq=False)
class Energy:
    """Energy of one sensor or node. `kwh` and `mean_watts` are None without a value.

    covered_s  measured seconds; of a node, times the share of its sensors that reported
    held_s     seconds for which a value was held
    missing    sensors without any reading in the range; of a node, only if requested
    """

    sensor: str | None
    node: str | None
    range: Range
    policy: GapPolicy
    hold_s: float | None
    kwh: float | None
    mean_watts: float | None
    covered_s: float
    held_s: float
    coverage: float
    bars: EnergyBars | None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeEnergy:
    """A node of a tree with its energy.

    parent     None for the root of the answer
    sensors    number of sensors at or below it
    reporting  number of those with at least one reading in the range
    missing    the other sensors
    """

    id: str
    name: str
    parent: str | None
    target: str | None
    sensors: int
    reporting: int
    missing: tuple[str, ...]
    energy: Energy


class UsageService:
    """Reads the roll-ups of a range and integrates them."""

    def __init__(
        self,
        inventory: Inventory,
        sensors: SensorService,
        store: TimeSeriesStore,
        watermarks: Watermarks,
        clock: Clock,
        energy: EnergyService,
    ) -> None:
        self._energy = energy
        self._sensors = sensors
        self._described = inventory.sensors
        self._leaves = {**inventory.production.leaves, **inventory.consumption.leaves}
        # A node has a sensor or children, never both: every sensor below a node belongs to a leaf below it.
        trees = (inventory.production, inventory.consumption)
        self._leaf_of = {n.target: n.id for tree in trees for n in tree.by_id.values() if n.target}
        self._store = store
        self._watermarks = watermarks
        self._clock = clock

    async def read(self, request: EnergyRequest) -> list[Energy]:
        """Return the sensors in the requested order, then the nodes. Raises `UserError` for an invalid request."""
        names = _power_sensors(self._sensors.require(request.sensors))
        nodes = require_nodes("energy", request.nodes, self._leaves)
        if not names and not nodes:
            raise UserError("energy: neither `sensors` nor `nodes` is given: name at least one.")
        if request.policy is GapPolicy.HOLD and not 0 < request.hold_s <= MAX_HOLD_S:
            raise UserError(
                f"energy(holdSeconds: {request.hold_s:g}): expected above 0 and up to {MAX_HOLD_S:g}."
            )
        time_range = await resolve_range(
            "energy", request.start_ns, request.end_ns, self._clock.now_ns(), self._watermarks
        )
        window = None
        if request.window is not None:
            window = bar_window("energy", request.window, time_range.end_ns - time_range.start_ns)
            check_points("energy", len(names) + len(nodes), time_range.start_ns, time_range.until_ns, window)
        job = _Job(time_range, window, request.hold_s if request.policy is GapPolicy.HOLD else None)
        answer = []
        if names:
            bars = await self._bars_of_sensors(names, None, job)
            answer += [job.energy(bars, row, sensor=name) for row, name in enumerate(names)]
        if nodes:
            answer += await self._read_nodes(nodes, job, request.missing)
        return answer

    async def _read_nodes(self, nodes: Sequence[str], job: _Job, missing: bool) -> list[Energy]:
        if job.hold_s is None:
            bars = await self.bars_of_nodes(nodes, job.range, job.window)
        else:
            # A value is held per sensor, so the sums are made of the held values of the sensors.
            leaves = list(dict.fromkeys(s for node in nodes for s in self._leaves[node]))
            rows = {name: row for row, name in enumerate(leaves)}
            members = [[rows[s] for s in self._leaves[node]] for node in nodes]
            bars = await self._bars_of_sensors(leaves, members, job)
        silent = await self.silent_sensors(nodes, job.range, "energy") if missing else frozenset()
        return [
            replace(
                job.energy(bars, row, node=node),
                missing=tuple(name for name in self._leaves[node] if name in silent),
            )
            for row, node in enumerate(nodes)
        ]

    async def tree(
        self, tree: str, root: str | None, start_ns: int, end_ns: int | None
    ) -> tuple[Range, list[NodeEnergy]]:
        """Return every node of a tree, or of the part below a node, over a range; parents first. Raises `UserError`."""
        nodes = self._energy.nodes(tree, root)
        query = "energyTreeOver"
        time_range = await resolve_range(query, start_ns, end_ns, self._clock.now_ns(), self._watermarks)
        job = _Job(time_range, None)
        ids = [node.id for node in nodes if self._leaves[node.id]]
        bars = await self.bars_of_nodes(ids, time_range, None, query)
        rows = {name: row for row, name in enumerate(ids)}
        no_bars = Bars.zeros(1, time_range.start_ns, time_range.until_ns, None)
        reported = {n.target for n in nodes if n.target and bars.covered[rows[n.id]].any()}
        answer = []
        for node in nodes:
            row = rows.get(node.id)
            sensors = self._leaves[node.id]
            missing = tuple(name for name in sensors if name not in reported)
            answer.append(
                NodeEnergy(
                    id=node.id,
                    name=node.name,
                    parent=None if node.id == nodes[0].id else node.parent,
                    target=node.target,
                    sensors=len(sensors),
                    reporting=len(sensors) - len(missing),
                    missing=missing,
                    energy=job.energy(no_bars if row is None else bars, row or 0, node=node.id),
                )
            )
        return time_range, answer

    async def silent_sensors(self, nodes: Sequence[str], time_range: Range, query: str) -> frozenset[str]:
        """Return the sensors at or below the nodes without any reading in the range.

        Costs as much as the energy of each of these sensors.
        """
        sensors = list(dict.fromkeys(name for node in nodes for name in self._leaves[node]))
        if not sensors:
            return frozenset()
        leaves = [self._leaf_of[name] for name in sensors]
        bars = await self.bars_of_nodes(leaves, time_range, None, query)
        return frozenset(
            name for name, covered in zip(sensors, bars.covered, strict=True) if not covered.any()
        )

    async def bars_of_nodes(
        self, nodes: Sequence[str], time_range: Range, window: Window | None, query: str = "energy"
    ) -> Bars:
        """Return the bars of nodes, from the nodes' own roll-ups; one bar for the range if `window` is None."""
        start, end = time_range.start_ns, time_range.until_ns
        bars = Bars.zeros(len(nodes), start, end, window)
        pieces = await split(start, end, _NODE_TIERS[window or Window.D1], self._watermarks)
        check_rows(query, len(nodes), pieces)
        sizes = np.array([len(self._leaves[node]) for node in nodes], np.float64)
        for part in _chunks(pieces, len(nodes)):
            buckets = await self._store.buckets(
                SeriesKind.NODE, nodes, part.window, part.start_ns, part.end_ns, COUNTED
            )

            def add(buckets: Buckets = buckets, part: Piece = part) -> None:
                bars.add(cells_of_nodes(buckets, part, sizes).clip(start, end))

            await _compute(add, len(buckets))
        return bars

    async def _bars_of_sensors(
        self, names: Sequence[str], members: Sequence[Sequence[int]] | None, job: _Job
    ) -> Bars:
        """Return the bars of sensors, or of sums of them: each entry of `members` lists the rows of `names` to sum."""
        start, end = job.range.start_ns, job.range.until_ns
        bars = Bars.zeros(len(names if members is None else members), start, end, job.window)
        hold_s = job.hold_s
        needs_fine_windows = hold_s is not None or job.window in (Window.S30, Window.M1)
        tiers = (Window.S30,) if needs_fine_windows else (Window.H1, Window.S30)
        pieces = await split(start, end, tiers, self._watermarks, widen=Window.H1)
        check_rows("energy", len(names), pieces)
        periods = np.array([self._described[n].period_s or np.nan for n in names], np.float64)
        factors = np.array([watts_per(self._described[n].unit) or 1.0 for n in names], np.float64)
        for part in _chunks(pieces, len(names)):
            read = part if hold_s is None else _extend_back(part, hold_s)
            buckets = await self._store.buckets(
                SeriesKind.SENSOR, names, read.window, read.start_ns, read.end_ns, COUNTED
            )

            def add(buckets: Buckets = buckets, read: Piece = read, part: Piece = part) -> None:
                cells = cells_of_sensors(buckets, read, periods, hold_s)
                cells = cells.clip(max(start, part.start_ns), min(end, part.end_ns)).scale(factors)
                bars.add(cells if members is None else cells.sum_members(members))

            await _compute(add, len(buckets))
        return bars


@dataclass(frozen=True, slots=True)
class _Job:
    """A valid request. `hold_s` is None for the policy NONE."""

    range: Range
    window: Window | None
    hold_s: float | None = None

    def energy(self, bars: Bars, row: int, sensor: str | None = None, node: str | None = None) -> Energy:
        total, valued = float(bars.joules[row].sum()), float(bars.valued[row].sum())
        seconds = self.range.seconds
        covered = min(float(bars.covered[row].sum()), seconds)
        energy_bars = None
        if self.window is not None:
            energy_bars = EnergyBars(self.window, bars.starts, bars.kwh(row), bars.coverage(row))
        return Energy(
            sensor=sensor,
            node=node,
            range=self.range,
            policy=GapPolicy.NONE if self.hold_s is None else GapPolicy.HOLD,
            hold_s=self.hold_s,
            kwh=total / JOULES_PER_KWH if valued > 0 else None,
            mean_watts=total / valued if valued > 0 else None,
            covered_s=covered,
            held_s=min(float(bars.held[row].sum()), seconds),
            coverage=covered / seconds if seconds > 0 else 0.0,
            bars=energy_bars,
            missing=() if sensor is None or covered > 0 else (sensor,),
        )


def _power_sensors(sensors: Sequence[Sensor]) -> list[str]:
    """Return the names. Raises `UserError` for a sensor whose unit is not one of power."""
    others = [f"{s.name} ({s.unit})" for s in sensors if watts_per(s.unit) is None]
    if others:
        raise UserError(
            f"energy(sensors:): not in a unit of power: {', '.join(others[:5])}{' and others' if len(others) > 5 else ''}: "
            "energy is the integral of W, kW or MW over time. Read energy counters with `series`."
        )
    return [s.name for s in sensors]


def _chunks(pieces: Iterable[Piece], series: int) -> Iterator[Piece]:
    """Split pieces into parts that fit in memory, at whole hours, or at edges of the window if it is longer."""
    for piece in pieces:
        edge = max(piece.window.ns, Window.H1.ns)
        step = max(_CHUNK_ROWS // series * piece.window.ns // edge, _MIN_CHUNK_EDGES) * edge
        for start, end in slices(piece.start_ns, piece.end_ns, step):
            yield Piece(piece.window, start, end)


def _extend_back(piece: Piece, hold_s: float) -> Piece:
    """Return the piece with the earlier windows whose values may be held into it, from the start of an hour."""
    first = piece.start_ns - round(hold_s * NS_PER_SECOND) - piece.window.ns
    return Piece(piece.window, Window.H1.floor(first), piece.end_ns)


async def _compute(work: Callable[[], None], rows: int) -> None:
    """Run the work, on a thread if it is long, so that it does not block the event loop."""
    if rows > _MAX_LOOP_ROWS:
        await asyncio.to_thread(work)
    else:
        work()
