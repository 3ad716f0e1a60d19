"""Energy over a range: of sensors, of nodes, and of a whole tree. What it means: docs/decisions/0005."""

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
from backend.queries import joules
from backend.queries.energy import EnergyService, require_nodes
from backend.queries.joules import Bars
from backend.queries.marks import Marks
from backend.queries.ranges import COUNTED, Piece, Range, bars, check_points, check_rows, cut, known
from backend.queries.sensors import SensorService

MAX_HOLD_S: Final = 86_400.0
_CHUNK_ROWS: Final = 500_000
_IN_LOOP_ROWS: Final = 100_000
_LEAST_EDGES: Final = 24
_OF_NODES: Final = {
    Window.S30: (Window.S30,),
    Window.M1: (Window.M1, Window.S30),
    Window.H1: (Window.H1, Window.S30),
    Window.D1: (Window.D1, Window.H1, Window.S30),
}


class GapPolicy(StrEnum):
    """What becomes of time that no reading covers."""

    NONE = "none"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class EnergyRequest:
    """Energy over [start_ns, end_ns); `end_ns` None is now.

    `window` is the value of a `Window`, or auto; None asks for no bars. `hold_s` is the limit of the policy HOLD.
    `missing` asks which sensors were silent all the time.
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
    """`starts` int64 (n,) ns; `kwh` float64 (n,), NaN where nothing is known; `coverage` float64 (n,), 0 to 1."""

    window: Window
    starts: Int64
    kwh: Float64
    coverage: Float64


@dataclass(frozen=True, slots=True, eq=False)
class Energy:
    """Energy of one sensor or node. `kwh` and `mean_watts` are None where nothing is known.

    covered_s  seconds that are measured; of a node, times the share of its sensors that reported
    held_s     seconds for which a value was held
    missing    sensors of which nothing was read in the range; of a node, where that was asked for
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
    """A node of a tree with its energy; `parent` is None for the root of the answer.

    `sensors` are at or below it, `reporting` of them were read at all in the range; `missing` are the others.
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
    """Reads roll-ups of a range and integrates them."""

    def __init__(
        self,
        inventory: Inventory,
        sensors: SensorService,
        store: TimeSeriesStore,
        marks: Marks,
        clock: Clock,
        energy: EnergyService,
    ) -> None:
        self._energy = energy
        self._sensors = sensors
        self._described = inventory.sensors
        self._leaves = {**inventory.production.leaves, **inventory.consumption.leaves}
        # A node has a sensor or children, never both: every sensor below a node is that of a leaf below it.
        trees = (inventory.production, inventory.consumption)
        self._leaf_of = {n.target: n.id for tree in trees for n in tree.by_id.values() if n.target}
        self._store = store
        self._marks = marks
        self._clock = clock

    async def read(self, request: EnergyRequest) -> list[Energy]:
        """The sensors in the order asked for, then the nodes. Raises `UserError` for what cannot be answered."""
        names = _powers(self._sensors.require(request.sensors))
        nodes = require_nodes("energy", request.nodes, self._leaves)
        if not names and not nodes:
            raise UserError("energy: neither `sensors` nor `nodes` are given: name at least one.")
        if request.policy is GapPolicy.HOLD and not 0 < request.hold_s <= MAX_HOLD_S:
            raise UserError(
                f"energy(holdSeconds: {request.hold_s:g}): expected above 0 and up to {MAX_HOLD_S:g}."
            )
        asked = await known("energy", request.start_ns, request.end_ns, self._clock.now_ns(), self._marks)
        window = None
        if request.window is not None:
            window = bars("energy", request.window, asked.end_ns - asked.start_ns)
            check_points("energy", len(names) + len(nodes), asked.start_ns, asked.until_ns, window)
        job = _Job(asked, window, request.hold_s if request.policy is GapPolicy.HOLD else None)
        answer = []
        if names:
            found = await self._of_sensors(names, None, job)
            answer += [job.energy(found, row, sensor=name) for row, name in enumerate(names)]
        if nodes:
            if job.hold_s is None:
                found = await self.of_nodes(nodes, asked, window)
            else:
                # A value is held where it was measured: sums of what each sensor held, not of what its sum did.
                leaves = list(dict.fromkeys(s for node in nodes for s in self._leaves[node]))
                row = {name: i for i, name in enumerate(leaves)}
                found = await self._of_sensors(
                    leaves, [[row[s] for s in self._leaves[node]] for node in nodes], job
                )
            silent = await self.silent(nodes, asked, "energy") if request.missing else frozenset()
            for at, node in enumerate(nodes):
                missing = tuple(name for name in self._leaves[node] if name in silent)
                answer.append(replace(job.energy(found, at, node=node), missing=missing))
        return answer

    async def tree(
        self, tree: str, root: str | None, start_ns: int, end_ns: int | None
    ) -> tuple[Range, list[NodeEnergy]]:
        """Every node of a tree, or of the part below a node, over a range; parents first. Raises `UserError`."""
        nodes = self._energy.nodes(tree, root)
        asked = await known("energyTreeOver", start_ns, end_ns, self._clock.now_ns(), self._marks)
        job = _Job(asked, None)
        summed = [node.id for node in nodes if self._leaves[node.id]]
        found = await self.of_nodes(summed, asked, None, "energyTreeOver")
        row = {name: i for i, name in enumerate(summed)}
        nothing = Bars.of(1, asked.start_ns, asked.until_ns, None)
        heard = {n.target for n in nodes if n.target and found.covered[row[n.id]].any()}
        answer = []
        for node in nodes:
            at = row.get(node.id)
            energy = job.energy(nothing if at is None else found, at or 0, node=node.id)
            parent = None if node.id == nodes[0].id else node.parent
            below = self._leaves[node.id]
            missing = tuple(name for name in below if name not in heard)
            reporting = len(below) - len(missing)
            answer.append(
                NodeEnergy(node.id, node.name, parent, node.target, len(below), reporting, missing, energy)
            )
        return asked, answer

    async def silent(self, nodes: Sequence[str], asked: Range, what: str) -> frozenset[str]:
        """The sensors at or below any of the nodes of which nothing was read in the range. Costs what the energy of each does."""
        sensors = list(dict.fromkeys(name for node in nodes for name in self._leaves[node]))
        if not sensors:
            return frozenset()
        found = await self.of_nodes([self._leaf_of[name] for name in sensors], asked, None, what)
        return frozenset(
            name for name, covered in zip(sensors, found.covered, strict=True) if not covered.any()
        )

    async def of_nodes(
        self, nodes: Sequence[str], asked: Range, window: Window | None, what: str = "energy"
    ) -> Bars:
        """Bars of nodes, from their own roll-ups; one bar for the range where no window is given."""
        start, end = asked.start_ns, asked.until_ns
        found = Bars.of(len(nodes), start, end, window)
        pieces = await cut(start, end, _OF_NODES[window or Window.D1], self._marks)
        check_rows(what, len(nodes), pieces)
        sizes = np.array([len(self._leaves[node]) for node in nodes], np.float64)
        for part in _chunks(pieces, len(nodes)):
            kept = await self._store.buckets(
                SeriesKind.NODE, nodes, part.window, part.start_ns, part.end_ns, COUNTED
            )

            def count(kept: Buckets = kept, part: Piece = part) -> None:
                found.add(joules.of_nodes(kept, part, sizes).within(start, end))

            await _compute(count, len(kept))
        return found

    async def _of_sensors(
        self, names: Sequence[str], members: Sequence[Sequence[int]] | None, job: _Job
    ) -> Bars:
        """Bars of sensors, or of sums of them: `members` are rows of `names`, one list a sum."""
        start, end = job.range.start_ns, job.range.until_ns
        found = Bars.of(len(names if members is None else members), start, end, job.window)
        hold_s = job.hold_s
        fine = hold_s is not None or job.window in (Window.S30, Window.M1)
        tiers = (Window.S30,) if fine else (Window.H1, Window.S30)
        pieces = await cut(start, end, tiers, self._marks, widen=Window.H1)
        check_rows("energy", len(names), pieces)
        periods = np.array([self._described[n].period_s or np.nan for n in names], np.float64)
        weights = np.array([watts_per(self._described[n].unit) or 1.0 for n in names], np.float64)
        for part in _chunks(pieces, len(names)):
            read = part if hold_s is None else _earlier(part, hold_s)
            kept = await self._store.buckets(
                SeriesKind.SENSOR, names, read.window, read.start_ns, read.end_ns, COUNTED
            )

            def count(kept: Buckets = kept, read: Piece = read, part: Piece = part) -> None:
                cells = joules.of_sensors(kept, read, periods, hold_s)
                cells = cells.within(max(start, part.start_ns), min(end, part.end_ns)).weighted(weights)
                found.add(cells if members is None else cells.summed(members))

            await _compute(count, len(kept))
        return found


@dataclass(frozen=True, slots=True)
class _Job:
    """What is asked, once it is known to make sense. `hold_s` is None for the policy NONE."""

    range: Range
    window: Window | None
    hold_s: float | None = None

    def energy(self, found: Bars, row: int, sensor: str | None = None, node: str | None = None) -> Energy:
        total, valued = float(found.joules[row].sum()), float(found.valued[row].sum())
        seconds = self.range.seconds
        covered = min(float(found.covered[row].sum()), seconds)
        return Energy(
            sensor=sensor,
            node=node,
            range=self.range,
            policy=GapPolicy.NONE if self.hold_s is None else GapPolicy.HOLD,
            hold_s=self.hold_s,
            kwh=total / joules.JOULES_PER_KWH if valued > 0 else None,
            mean_watts=total / valued if valued > 0 else None,
            covered_s=covered,
            held_s=min(float(found.held[row].sum()), seconds),
            missing=() if sensor is None or covered > 0 else (sensor,),
            coverage=covered / seconds if seconds > 0 else 0.0,
            bars=None
            if self.window is None
            else EnergyBars(self.window, found.starts, found.kwh(row), found.coverage(row)),
        )


def _powers(sensors: Sequence[Sensor]) -> list[str]:
    """Names. Raises `UserError` for sensors whose readings are not watts of some size."""
    odd = [f"{s.name} ({s.unit})" for s in sensors if watts_per(s.unit) is None]
    if odd:
        raise UserError(
            f"energy(sensors:): not in a unit of power: {', '.join(odd[:5])}{' and others' if len(odd) > 5 else ''}: "
            "energy is the integral of W, kW or MW over time. What counts energy by itself is read with `series`."
        )
    return [s.name for s in sensors]


def _chunks(pieces: Iterable[Piece], series: int) -> Iterator[Piece]:
    """The pieces in parts that fit in memory, cut at whole hours (at edges of the window where it is longer)."""
    for piece in pieces:
        edge = max(piece.window.ns, Window.H1.ns)
        step = max(_CHUNK_ROWS // series * piece.window.ns // edge, _LEAST_EDGES) * edge
        for start, end in slices(piece.start_ns, piece.end_ns, step):
            yield Piece(piece.window, start, end)


def _earlier(piece: Piece, hold_s: float) -> Piece:
    """With what may be held into the piece, from the begin of an hour."""
    first = piece.start_ns - round(hold_s * NS_PER_SECOND) - piece.window.ns
    return Piece(piece.window, Window.H1.floor(first), piece.end_ns)


async def _compute(work: Callable[[], None], rows: int) -> None:
    """Much of it on a thread, so that nobody else waits."""
    if rows > _IN_LOOP_ROWS:
        await asyncio.to_thread(work)
    else:
        work()
