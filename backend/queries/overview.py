"""The figures of the start page. A figure without enough data is withheld, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.clock import Clock
from backend.core.quantity import unit_symbol
from backend.inventory.model import Inventory
from backend.queries.energy import EnergyService
from backend.queries.history import HOUR_OF_MINUTES, WEEK_OF_HOURS, HistoryReader, RecentHistory, TrendLine
from backend.queries.live import LiveValues
from backend.queries.ratios import compute_ratio
from backend.queries.sensors import SensorService
from backend.settings import Settings
from backend.watch.problems import Problem, SensorState, TreeCoverage, find_problems

INSIDE_TAG, OUTSIDE_TAG = "inside_temperature", "outside_temperature"


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """One number with its recent history. `value` is None if it is withheld; `withheld` is then the reason."""

    value: float | None
    unit: str
    coverage: float
    sensors_expected: int
    sensors_reporting: int
    withheld: str | None
    line: TrendLine


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """All figures and active problems at `at_ns`."""

    at_ns: int
    consumption: Figure
    production: Figure
    renewable_share: Figure
    pue: Figure
    inside_temperature: Figure
    outside_temperature: Figure
    sensors_total: int
    sensors_reporting: int
    problems: Sequence[Problem]


class OverviewService:
    """Computes the figures from last values and roll-ups."""

    def __init__(
        self,
        inventory: Inventory,
        live: LiveValues,
        sensors: SensorService,
        energy: EnergyService,
        history: HistoryReader,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._live = live
        self._sensors = sensors
        self._energy = energy
        self._history = history
        self._clock = clock
        self._settings = settings
        self._nodes = inventory.consumption.leaves
        self._roots = (inventory.consumption.root, inventory.production.root)
        self._inside = _tagged(inventory, INSIDE_TAG) or _front_probes(inventory)
        self._outside = _tagged(inventory, OUTSIDE_TAG)

    async def read(self) -> Overview:
        """Return the overview. An unreachable store leaves the live figures as they are, without their history."""
        now_ns = self._clock.now_ns()
        nodes = await self._history.nodes(self._roots, HOUR_OF_MINUTES)
        temperatures = tuple(dict.fromkeys(self._inside + self._outside))
        lines = await self._history.sensors(temperatures, HOUR_OF_MINUTES)
        consumption = self._node_figure("consumption", nodes.line(self._roots[0]))
        production = self._node_figure("production", nodes.line(self._roots[1]))
        states = self._sensor_states(now_ns)
        return Overview(
            at_ns=now_ns,
            consumption=consumption,
            production=production,
            renewable_share=self._renewable_share(production, consumption, nodes),
            pue=await self._pue(),
            inside_temperature=self._mean_figure(
                self._inside,
                lines.mean(self._inside),
                f"No sensor has the tag {INSIDE_TAG}, and no rack has front probes.",
                now_ns,
            ),
            outside_temperature=self._mean_figure(
                self._outside, lines.mean(self._outside), f"No sensor has the tag {OUTSIDE_TAG}.", now_ns
            ),
            sensors_total=len(states),
            sensors_reporting=sum(state.value is not None for state in states),
            problems=find_problems(states, self._tree_coverages(), now_ns),
        )

    def problems(self) -> list[Problem]:
        """Return the active problems. Reads last values only."""
        now_ns = self._clock.now_ns()
        return find_problems(self._sensor_states(now_ns), self._tree_coverages(), now_ns)

    def _sensor_states(self, now_ns: int) -> list[SensorState]:
        sensors = self._sensors.all()
        names = tuple(sensor.name for sensor in sensors)
        values, times = self._live.values(names, now_ns).tolist(), self._live.times(names).tolist()
        return [
            SensorState(
                name=sensor.name,
                title=sensor.title,
                source=sensor.parent or sensor.group,
                unit=unit_symbol(sensor.unit),
                value=None if np.isnan(value) else value,
                time_ns=time_ns,
            )
            for sensor, value, time_ns in zip(sensors, values, times, strict=True)
        ]

    def _tree_coverages(self) -> Iterator[TreeCoverage]:
        for tree in ("consumption", "production"):
            root = self._energy.now(tree).nodes[0]
            times = self._live.times(root.missing)
            yield TreeCoverage(
                tree=tree,
                root_name=root.name,
                sensors_expected=root.sensors_expected,
                sensors_reporting=root.sensors_reporting,
                missing=root.missing,
                missing_titles=tuple(s.title for s in self._sensors.require(root.missing)),
                since_ns=int(times.max()) if len(times) and np.all(times > 0) else None,
            )

    def _node_figure(self, tree: str, line: TrendLine) -> Figure:
        root = self._energy.now(tree).nodes[0]
        reason = None
        if root.watts is None:
            reason = f"None of the {root.sensors_expected} sensors of {root.name} is reporting."
        return Figure(
            root.watts, "W", root.coverage, root.sensors_expected, root.sensors_reporting, reason, line
        )

    def _mean_figure(
        self, names: tuple[str, ...], line: TrendLine, reason_without_sensors: str, now_ns: int
    ) -> Figure:
        if not names:
            return Figure(None, "°C", 0.0, 0, 0, reason_without_sensors, line)
        values = self._live.values(names, now_ns)
        reporting = values[~np.isnan(values)]
        if not len(reporting):
            reason = f"None of the {len(names)} temperature sensors is reporting."
            return Figure(None, "°C", 0.0, len(names), 0, reason, line)
        coverage = len(reporting) / len(names)
        return Figure(float(reporting.mean()), "°C", coverage, len(names), len(reporting), None, line)

    async def _pue(self) -> Figure:
        """Return the energy of the data centre over the energy of its computing equipment.

        Only hours in which both are measured count.
        """
        total, it = self._settings.pue_total_node, self._settings.pue_it_node
        unknown = [node for node in (total, it) if node not in self._nodes]
        if unknown:
            line = TrendLine(np.empty(0, np.int64), np.empty(0))
            fault = f"The consumption tree has no node {', '.join(unknown)}."
            return Figure(None, "", 0.0, 0, 0, fault, line)
        week = await self._history.nodes((total, it), WEEK_OF_HOURS)
        min_coverage = self._settings.pue_min_coverage
        ratio = compute_ratio(week, WEEK_OF_HOURS.window, total, it, min_coverage, "the last 7 days")
        reason = ratio.reason if ratio.value is None else None
        if not week.reachable:
            reason = "The history is unavailable now. No data is lost."
        state = self._energy.now("consumption", total).nodes[0]
        return Figure(
            ratio.value,
            "",
            ratio.share,
            state.sensors_expected,
            state.sensors_reporting,
            reason,
            TrendLine(ratio.starts, ratio.values),
        )

    def _renewable_share(self, production: Figure, consumption: Figure, hour: RecentHistory) -> Figure:
        """Return production over consumption, in percent."""
        value, reason = None, None
        if production.value is None or consumption.value is None:
            reason = production.withheld or consumption.withheld
        elif consumption.value <= 0:
            reason = "The consumption is not above 0 W, so there is no share to compute."
        else:
            value = 100 * production.value / consumption.value
        consumer, producer = self._roots
        min_coverage = self._settings.pue_min_coverage
        ratio = compute_ratio(hour, HOUR_OF_MINUTES.window, producer, consumer, min_coverage, scale=100.0)
        return Figure(
            value,
            "%",
            min(production.coverage, consumption.coverage),
            production.sensors_expected + consumption.sensors_expected,
            production.sensors_reporting + consumption.sensors_reporting,
            reason,
            TrendLine(ratio.starts, ratio.values),
        )


def _tagged(inventory: Inventory, tag: str) -> tuple[str, ...]:
    return tuple(s.name for s in inventory.sensors.values() if tag in s.tags)


def _front_probes(inventory: Inventory) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p.sensor for p in inventory.probes if p.side == "front"))
