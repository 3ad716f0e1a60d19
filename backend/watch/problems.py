"""Lists the active problems, in words that an operator can act on. Pure: states of sensors and trees in, problems out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from backend.core.quantity import PLAUSIBLE
from backend.core.windows import NS_PER_SECOND
from backend.watch.messages import describe_out_of_range, format_duration

_MAX_NAMES = 3
"""Names that a message lists before it only counts the others."""


class ProblemKind(StrEnum):
    """The kinds of problems."""

    SILENT = "SILENT"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    PARTIAL = "PARTIAL"


@dataclass(frozen=True, slots=True)
class Problem:
    """One active problem. `since_ns` is its start; None if it is unknown."""

    kind: ProblemKind
    message: str
    sensors: tuple[str, ...]
    since_ns: int | None


@dataclass(frozen=True, slots=True)
class SensorState:
    """The last value of a sensor.

    title    name of the sensor in messages
    source   the device of the sensor, or its group
    unit     symbol of the unit
    value    None if the sensor is silent
    time_ns  time of the newest reading; 0 if there is none
    """

    name: str
    title: str
    source: str
    unit: str
    value: float | None
    time_ns: int


@dataclass(frozen=True, slots=True)
class TreeCoverage:
    """The coverage of an energy tree. `since_ns` is the start of the newest silence; None if it is unknown.

    `missing_titles` are the names of the missing sensors in messages, in the same order.
    """

    tree: str
    root_name: str
    sensors_expected: int
    sensors_reporting: int
    missing: tuple[str, ...]
    missing_titles: tuple[str, ...]
    since_ns: int | None


def find_problems(
    sensors: Sequence[SensorState], trees: Iterable[TreeCoverage], now_ns: int
) -> list[Problem]:
    """Return the problems: silent sensors, implausible values, incomplete trees."""
    return [*_silent(sensors, now_ns), *_out_of_range(sensors), *_partial(trees)]


def _silent(sensors: Sequence[SensorState], now_ns: int) -> Iterator[Problem]:
    """Yield one problem per device, because a card or a PDU usually fails as a whole."""
    groups: dict[tuple[str, bool], list[SensorState]] = {}
    for sensor in sensors:
        if sensor.value is None:
            groups.setdefault((sensor.source, sensor.time_ns > 0), []).append(sensor)
    for (source, has_reported), group in sorted(groups.items()):
        names = tuple(sensor.name for sensor in group)
        verb = "has" if len(names) == 1 else "have"
        titles = [sensor.title for sensor in group]
        subject, since_ns = f"{_list_names(titles)} ({source}) {verb}", None
        message = f"{subject} never reported."
        if has_reported:
            since_ns = min(sensor.time_ns for sensor in group)
            newest_ns = max(sensor.time_ns for sensor in group)
            message = f"{subject} not reported for {format_duration((now_ns - newest_ns) / NS_PER_SECOND)}."
        yield Problem(ProblemKind.SILENT, message, names, since_ns)


def _out_of_range(sensors: Sequence[SensorState]) -> Iterator[Problem]:
    for sensor in sensors:
        plausible = PLAUSIBLE.get(sensor.unit)
        if plausible is not None and sensor.value is not None and sensor.value not in plausible:
            message = f"{sensor.title} {describe_out_of_range(sensor.value, sensor.unit, plausible)}."
            yield Problem(ProblemKind.OUT_OF_RANGE, message, (sensor.name,), None)


def _partial(trees: Iterable[TreeCoverage]) -> Iterator[Problem]:
    for tree in trees:
        if tree.missing:
            message = (
                f"{tree.root_name}: {tree.sensors_reporting} of {tree.sensors_expected} sensors are reporting. "
                f"The {tree.tree} shown does not include {_list_names(tree.missing_titles)}."
            )
            yield Problem(ProblemKind.PARTIAL, message, tree.missing, tree.since_ns)


def _list_names(names: Sequence[str]) -> str:
    # A label may have a comma of its own.
    separator = "; " if any("," in name for name in names[:_MAX_NAMES]) else ", "
    listed = separator.join(names[:_MAX_NAMES])
    return listed if len(names) <= _MAX_NAMES else f"{listed} and {len(names) - _MAX_NAMES} others"
