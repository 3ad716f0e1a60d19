"""What is wrong now, in words an operator can act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from backend.core.quantity import PLAUSIBLE, unit_symbol
from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import Sensor
from backend.queries.energy import EnergyService
from backend.queries.live import Live
from backend.queries.sensors import SensorService

_NAMED = 3


class ProblemKind(StrEnum):
    SILENT = "SILENT"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    PARTIAL = "PARTIAL"


@dataclass(frozen=True, slots=True)
class Problem:
    """`since_ns` is when it began, None where that is not known."""

    kind: ProblemKind
    message: str
    sensors: tuple[str, ...]
    since_ns: int | None


class Problems:
    """Looks at last values only: cheap enough to ask every second."""

    def __init__(self, live: Live, sensors: SensorService, energy: EnergyService) -> None:
        self._live = live
        self._sensors = sensors
        self._energy = energy

    def find(self, now_ns: int) -> list[Problem]:
        """Silent sensors, values that cannot be true, trees that are not whole; empty when all is well."""
        return [*self._silent(now_ns), *self._out_of_range(now_ns), *self._partial()]

    def _silent(self, now_ns: int) -> list[Problem]:
        """One problem for all silent sensors of one parent: a card or a PDU goes silent as a whole."""
        sensors = self._sensors.all()
        names = tuple(s.name for s in sensors)
        values, times = self._live.of(names, now_ns), self._live.times(names)
        groups: dict[tuple[str, bool], list[tuple[Sensor, int]]] = {}
        for sensor, value, time in zip(sensors, values.tolist(), times.tolist(), strict=True):
            if value != value:
                key = (sensor.parent or sensor.group, time > 0)
                groups.setdefault(key, []).append((sensor, time))
        return [_silence(source, heard, group, now_ns) for (source, heard), group in sorted(groups.items())]

    def _out_of_range(self, now_ns: int) -> list[Problem]:
        sensors = [s for s in self._sensors.all() if unit_symbol(s.unit) in PLAUSIBLE]
        values = self._live.of(tuple(s.name for s in sensors), now_ns).tolist()
        found = []
        for sensor, value in zip(sensors, values, strict=True):
            unit = unit_symbol(sensor.unit)
            if value == value and value not in PLAUSIBLE[unit]:
                bounds = PLAUSIBLE[unit]
                message = (
                    f"{sensor.name} says {value:g} {unit}; "
                    f"between {bounds.low:g} and {bounds.high:g} {unit} is plausible."
                )
                found.append(Problem(ProblemKind.OUT_OF_RANGE, message, (sensor.name,), None))
        return found

    def _partial(self) -> list[Problem]:
        found = []
        for tree in ("consumption", "production"):
            root = self._energy.now(tree).nodes[0]
            if root.missing:
                message = (
                    f"{root.name} is a sum of {root.sensors_reporting} of {root.sensors_expected} sensors: "
                    f"the true {tree} differs by what {_names(root.missing)} would add."
                )
                since = self._live.times(root.missing)
                oldest = int(since.max()) if np.all(since > 0) else None
                found.append(Problem(ProblemKind.PARTIAL, message, root.missing, oldest))
        return found


def _silence(source: str, heard: bool, group: Sequence[tuple[Sensor, int]], now_ns: int) -> Problem:
    names = tuple(sensor.name for sensor, _ in group)
    many = len(names) > 1
    verb = "have" if many else "has"
    if not heard:
        return Problem(ProblemKind.SILENT, f"{_names(names)} ({source}) {verb} never reported.", names, None)
    since = min(time for _, time in group)
    newest = max(time for _, time in group)
    quiet = _duration((now_ns - newest) / NS_PER_SECOND)
    return Problem(
        ProblemKind.SILENT, f"{_names(names)} ({source}) {verb} been silent for {quiet}.", names, since
    )


def _names(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} others"


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
