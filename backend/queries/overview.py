"""The figures of the first page. A figure that cannot be trusted is withheld, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.clock import Clock
from backend.core.reading import Int64
from backend.inventory.model import Inventory
from backend.queries.energy import EnergyService
from backend.queries.history import HOUR_OF_MINUTES, WEEK_OF_HOURS, History, Line, Past
from backend.queries.live import Live
from backend.queries.problems import Problem, Problems
from backend.queries.ratios import ratio
from backend.queries.sensors import SensorService
from backend.settings import Settings

INSIDE_TAG, OUTSIDE_TAG = "inside_temperature", "outside_temperature"


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """One number: `value` is None where it is withheld, and `withheld` says why. `line` is its recent past."""

    value: float | None
    unit: str
    coverage: float
    sensors_expected: int
    sensors_reporting: int
    withheld: str | None
    line: Line


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
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
    """Puts the figures together from last values and roll-ups."""

    def __init__(
        self,
        inventory: Inventory,
        live: Live,
        sensors: SensorService,
        energy: EnergyService,
        history: History,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._live = live
        self._sensors = sensors
        self._energy = energy
        self._history = history
        self._clock = clock
        self._settings = settings
        self._problems = Problems(live, sensors, energy)
        self._nodes = inventory.consumption.leaves
        self._roots = (inventory.consumption.root, inventory.production.root)
        self._inside = _tagged(inventory, INSIDE_TAG) or _front_probes(inventory)
        self._outside = _tagged(inventory, OUTSIDE_TAG)

    async def read(self) -> Overview:
        now_ns = self._clock.now_ns()
        nodes = await self._history.nodes(self._roots, HOUR_OF_MINUTES)
        temperatures = tuple(dict.fromkeys(self._inside + self._outside))
        lines = await self._history.sensors(temperatures, HOUR_OF_MINUTES)
        consumption = self._node_figure("consumption", nodes.line(self._roots[0]))
        production = self._node_figure("production", nodes.line(self._roots[1]))
        names = tuple(s.name for s in self._sensors.all())
        return Overview(
            at_ns=now_ns,
            consumption=consumption,
            production=production,
            renewable_share=self._share(production, consumption, nodes),
            pue=await self._pue(),
            inside_temperature=self._mean_figure(
                self._inside,
                lines.mean(self._inside),
                f"No sensor is tagged {INSIDE_TAG} and no rack has front probes.",
                now_ns,
            ),
            outside_temperature=self._mean_figure(
                self._outside, lines.mean(self._outside), f"No sensor is tagged {OUTSIDE_TAG}.", now_ns
            ),
            sensors_total=len(names),
            sensors_reporting=int(np.count_nonzero(~np.isnan(self._live.of(names, now_ns)))),
            problems=self._problems.find(now_ns),
        )

    def _node_figure(self, tree: str, line: Line) -> Figure:
        root = self._energy.now(tree).nodes[0]
        reason = None
        if root.watts is None:
            reason = f"None of the {root.sensors_expected} sensors of {root.name} is reporting."
        return Figure(
            root.watts, "W", root.coverage, root.sensors_expected, root.sensors_reporting, reason, line
        )

    def _mean_figure(self, names: tuple[str, ...], line: Line, none: str, now_ns: int) -> Figure:
        values = self._live.of(names, now_ns)
        known = values[~np.isnan(values)]
        if not names:
            return Figure(None, "°C", 0.0, 0, 0, none, line)
        reason = None if len(known) else f"None of the {len(names)} thermometers is reporting."
        mean = float(known.mean()) if len(known) else None
        return Figure(mean, "°C", len(known) / len(names), len(names), len(known), reason, line)

    async def _pue(self) -> Figure:
        """Energy of everything over energy of the computing equipment, over the hours in which both are measured."""
        total, it = self._settings.pue_total_node, self._settings.pue_it_node
        unknown = [n for n in (total, it) if n not in self._nodes]
        if unknown:
            line = Line(np.empty(0, np.int64), np.empty(0))
            return Figure(
                None, "", 0.0, 0, 0, f"The consumption tree has no node {', '.join(unknown)}.", line
            )
        week = await self._history.nodes((total, it), WEEK_OF_HOURS)
        least = self._settings.pue_min_coverage
        found = ratio(week, WEEK_OF_HOURS.window, total, it, least, "the last 7 days")
        reason = found.reason if found.value is None else None
        if not week.reachable:
            reason = "The history cannot be reached now; nothing is lost."
        state = self._energy.now("consumption", total).nodes[0]
        return Figure(
            found.value,
            "",
            found.share,
            state.sensors_expected,
            state.sensors_reporting,
            reason,
            Line(found.starts, found.values),
        )

    def _share(self, production: Figure, consumption: Figure, hour: Past) -> Figure:
        """Production over consumption, in percent."""
        given, drawn = production.value, consumption.value
        value, reason = None, None
        if given is None or drawn is None:
            reason = production.withheld or consumption.withheld
        elif drawn <= 0:
            reason = "Nothing is drawn now, so there is nothing to share."
        else:
            value = 100 * given / drawn
        consumer, producer = self._roots
        least = self._settings.pue_min_coverage
        past = ratio(hour, HOUR_OF_MINUTES.window, producer, consumer, least, scale=100.0)
        return Figure(
            value,
            "%",
            min(production.coverage, consumption.coverage),
            production.sensors_expected + consumption.sensors_expected,
            production.sensors_reporting + consumption.sensors_reporting,
            reason,
            Line(past.starts, past.values),
        )


def _tagged(inventory: Inventory, tag: str) -> tuple[str, ...]:
    return tuple(s.name for s in inventory.sensors.values() if tag in s.tags)


def _front_probes(inventory: Inventory) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p.sensor for p in inventory.probes if p.side == "front"))


__all__ = ["Figure", "Int64", "Overview", "OverviewService"]
