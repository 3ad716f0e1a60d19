"""Roll-ups of a range, of any length, a piece at a time: every window of every series, none merged or left out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from backend.core.clock import Clock
from backend.core.windows import Window
from backend.inventory.model import Inventory, Sensor
from backend.queries.export import MOST_ROWS, ExportRefused, iso
from backend.queries.ranges import MAX_POINTS
from backend.queries.sensors import SensorService
from backend.queries.series import SeriesColumns, SeriesRequest, SeriesService, WindowChoice

STATISTICS: Final = ("mean", "min", "max", "sum", "count", "stddev", "median")
LARGEST_ROWS: Final = 400_000_000
"""Rows of one export: every sensor of a large site for a year by half minutes is fewer."""


@dataclass(frozen=True, slots=True)
class RolledRequest:
    """Windows that [start_ns, end_ns) touches; `end_ns` None is now. Without sensors, types and nodes: all described sensors."""

    window: Window
    start_ns: int | None
    end_ns: int | None = None
    sensors: Sequence[str] = ()
    types: Sequence[str] = ()
    nodes: Sequence[str] = ()
    statistics: Sequence[str] = STATISTICS


@dataclass(frozen=True, slots=True)
class RolledPlan:
    """A request that can be answered; `sensors` and `nodes` map to their units, `start_ns` and `end_ns` are window edges."""

    sensors: Mapping[str, str]
    nodes: Mapping[str, str]
    window: Window
    statistics: Sequence[str]
    start_ns: int
    end_ns: int


class RolledExportService:
    """Reads what `series` reads, in pieces short enough that no two windows are merged."""

    def __init__(
        self, inventory: Inventory, sensors: SensorService, series: SeriesService, clock: Clock
    ) -> None:
        self._nodes = {**inventory.production.leaves, **inventory.consumption.leaves}
        self._sensors = sensors
        self._series = series
        self._clock = clock

    def plan(self, request: RolledRequest) -> RolledPlan:
        """Raises `ExportRefused` for what cannot be answered."""
        window, now = request.window, self._clock.now_ns()
        if request.start_ns is None:
            raise ExportRefused("from", "it is not there", "with `window`, say where to begin")
        wanted = now if request.end_ns is None else request.end_ns
        if request.start_ns >= wanted:
            raise ExportRefused(
                "from",
                f"{iso(request.start_ns)} is not before `to`, {iso(wanted)}",
                "give an earlier `from` or a later `to`",
            )
        nodes = dict.fromkeys(self._known_nodes(request.nodes), "W")
        some = request.sensors or request.types or request.nodes
        sensors = self._chosen(request) if request.sensors or request.types or not some else []
        start = window.floor(request.start_ns)
        end = max(start, window.ceil(min(wanted, now)))
        rows = (len(sensors) + len(nodes)) * (end - start) // window.ns
        if rows > LARGEST_ROWS:
            raise ExportRefused(
                "from",
                f"{rows:,} rows would be sent, and {LARGEST_ROWS:,} is the limit",
                "give a later `from`, name fewer series, or take a longer `window`",
            )
        return RolledPlan({s.name: s.unit for s in sensors}, nodes, window, request.statistics, start, end)

    async def pieces(self, plan: RolledPlan) -> AsyncGenerator[Sequence[SeriesColumns], None]:
        """All series over one piece of the range after the other, none longer than memory allows."""
        each = max(1, min(MAX_POINTS, MOST_ROWS // max(1, len(plan.sensors) + len(plan.nodes))))
        at = plan.start_ns
        while at < plan.end_ns:
            end = min(plan.end_ns, at + each * plan.window.ns)
            request = SeriesRequest(
                tuple(plan.sensors),
                tuple(plan.nodes),
                at,
                end,
                WindowChoice(plan.window.value),
                each,
                (*plan.statistics, "coverage"),
            )
            yield await self._series.read(request)
            at = end

    def _chosen(self, request: RolledRequest) -> list[Sensor]:
        described = [s for s in self._sensors.all() if self._sensors.is_described(s.name)]
        names, types = {s.name for s in described}, {s.sensor_type for s in described}
        unknown = sorted(set(request.sensors) - names)
        if unknown:
            raise ExportRefused(
                "sensors",
                f"there are no roll-ups of {', '.join(map(repr, unknown[:5]))}{' and others' if unknown[5:] else ''}",
                "take names of the description, or leave `window` out for readings",
            )
        missing = sorted(set(request.types) - types)
        if missing:
            raise ExportRefused(
                "types",
                f"there is no sensor of type {', '.join(map(repr, missing[:5]))}",
                f"there are {', '.join(sorted(types - {''})) or 'none'}",
            )
        if not request.sensors and not request.types:
            return described
        return [s for s in described if s.name in request.sensors or s.sensor_type in request.types]

    def _known_nodes(self, names: Sequence[str]) -> list[str]:
        """Ids; a node may be written with `-` where its id has `_`."""
        ids = [n if n in self._nodes else n.replace("-", "_") for n in names]
        unknown = [n for n in ids if n not in self._nodes]
        if unknown:
            raise ExportRefused(
                "nodes",
                f"there is no node {', '.join(map(repr, unknown[:5]))}",
                "take ids from the query `energyTree`",
            )
        return list(dict.fromkeys(ids))
