"""Exports roll-ups of a range of any length: every window of every series, none merged or left out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from backend.core.clock import Clock
from backend.core.windows import Window
from backend.inventory.model import Inventory, Sensor
from backend.queries.export import MAX_ROWS, ExportRefused, iso
from backend.queries.labels import Labels
from backend.queries.ranges import MAX_POINTS
from backend.queries.sensors import SensorService
from backend.queries.series import SeriesColumns, SeriesRequest, SeriesService, WindowChoice

STATISTICS: Final = ("mean", "min", "max", "sum", "count", "stddev", "median")
MAX_EXPORT_ROWS: Final = 400_000_000
"""Rows of one export. A year of 30 s windows of every sensor of a large site is below it."""


@dataclass(frozen=True, slots=True)
class RollupExportRequest:
    """A request for the windows that overlap [start_ns, end_ns); `end_ns` None is now.

    Without sensors, types and nodes, all described sensors are exported.
    """

    window: Window
    start_ns: int | None
    end_ns: int | None = None
    sensors: Sequence[str] = ()
    types: Sequence[str] = ()
    nodes: Sequence[str] = ()
    statistics: Sequence[str] = STATISTICS


@dataclass(frozen=True, slots=True)
class RollupExportPlan:
    """A valid request. `sensors` and `nodes` map to their units; `start_ns` and `end_ns` are window edges.

    `labels` maps the names of both to their labels.
    """

    sensors: Mapping[str, str]
    nodes: Mapping[str, str]
    window: Window
    statistics: Sequence[str]
    start_ns: int
    end_ns: int
    labels: Mapping[str, str]


class RollupExportService:
    """Reads the same as `series`, in pieces that are short enough that no windows are merged."""

    def __init__(
        self, inventory: Inventory, sensors: SensorService, series: SeriesService, clock: Clock
    ) -> None:
        self._nodes = {**inventory.production.leaves, **inventory.consumption.leaves}
        self._labels = Labels(inventory)
        self._sensors = sensors
        self._series = series
        self._clock = clock

    def plan(self, request: RollupExportRequest) -> RollupExportPlan:
        """Return the plan of a request. Raises `ExportRefused` for an invalid one."""
        window, now_ns = request.window, self._clock.now_ns()
        if request.start_ns is None:
            raise ExportRefused("from", "it is missing", "give a start time together with `window`")
        until_ns = now_ns if request.end_ns is None else request.end_ns
        if request.start_ns >= until_ns:
            raise ExportRefused(
                "from",
                f"{iso(request.start_ns)} is not before `to`, {iso(until_ns)}",
                "give an earlier `from` or a later `to`",
            )
        nodes = dict.fromkeys(self._require_nodes(request.nodes), "W")
        only_nodes = bool(request.nodes) and not request.sensors and not request.types
        sensors = [] if only_nodes else self._select_sensors(request)
        start = window.floor(request.start_ns)
        end = max(start, window.ceil(min(until_ns, now_ns)))
        rows = (len(sensors) + len(nodes)) * (end - start) // window.ns
        if rows > MAX_EXPORT_ROWS:
            raise ExportRefused(
                "from",
                f"the export would have {rows:,} rows; the limit is {MAX_EXPORT_ROWS:,}",
                "give a later `from`, name fewer series, or use a longer `window`",
            )
        units = {s.name: s.unit for s in sensors}
        labels = {s.name: s.label for s in sensors} | {node: self._labels.node(node) for node in nodes}
        return RollupExportPlan(units, nodes, window, request.statistics, start, end, labels)

    async def pieces(self, plan: RollupExportPlan) -> AsyncGenerator[Sequence[SeriesColumns], None]:
        """Yield all series over one piece of the range after the other. A piece fits in memory."""
        windows = max(1, min(MAX_POINTS, MAX_ROWS // max(1, len(plan.sensors) + len(plan.nodes))))
        start = plan.start_ns
        while start < plan.end_ns:
            end = min(plan.end_ns, start + windows * plan.window.ns)
            request = SeriesRequest(
                tuple(plan.sensors),
                tuple(plan.nodes),
                start,
                end,
                WindowChoice(plan.window.value),
                windows,
                (*plan.statistics, "coverage"),
            )
            yield await self._series.read(request)
            start = end

    def _select_sensors(self, request: RollupExportRequest) -> list[Sensor]:
        described = [s for s in self._sensors.all() if self._sensors.is_described(s.name)]
        names, types = {s.name for s in described}, {s.sensor_type for s in described}
        unknown = sorted(set(request.sensors) - names)
        if unknown:
            raise ExportRefused(
                "sensors",
                f"no roll-ups of {', '.join(map(repr, unknown[:5]))}{' and others' if unknown[5:] else ''}",
                "use names from the site description, or omit `window` to export readings",
            )
        unknown_types = sorted(set(request.types) - types)
        if unknown_types:
            raise ExportRefused(
                "types",
                f"unknown sensor type {', '.join(map(repr, unknown_types[:5]))}",
                f"available types: {', '.join(sorted(types - {''})) or 'none'}",
            )
        if not request.sensors and not request.types:
            return described
        return [s for s in described if s.name in request.sensors or s.sensor_type in request.types]

    def _require_nodes(self, names: Sequence[str]) -> list[str]:
        """Return the ids; a name may have `-` where the id has `_`. Raises `ExportRefused` for unknown nodes."""
        ids = [n if n in self._nodes else n.replace("-", "_") for n in names]
        unknown = [n for n in ids if n not in self._nodes]
        if unknown:
            raise ExportRefused(
                "nodes",
                f"unknown node {', '.join(map(repr, unknown[:5]))}",
                "use ids from the query `energyTree`",
            )
        return list(dict.fromkeys(ids))
