"""What has befallen sensors since the last look. Pure: readings and lasting events in, beginnings and ends out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from backend.core.events import EventKind, SensorEvent
from backend.core.quantity import Range
from backend.core.reading import Reading
from backend.core.windows import NS_PER_SECOND

ALL_SILENT_NS: Final = 40 * NS_PER_SECOND
"""Where no sensor at all was heard for so long, it is not the sensors that are silent."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A sensor: after how long it counts as silent, its unit's symbol, and what it can say, None for anything.

    A `steady` one is never stuck.
    """

    name: str
    silent_after_ns: int
    unit: str = ""
    range: Range | None = None
    steady: bool = False


@dataclass(frozen=True, slots=True)
class Same:
    """A value that a sensor has said, and no other, for hours: at least since `since_ns`."""

    value: float
    since_ns: int
    hours: int


@dataclass(frozen=True, slots=True)
class Findings:
    begun: Sequence[SensorEvent] = ()
    ended: Sequence[SensorEvent] = ()


def judge(
    watched: Iterable[Watched],
    newest: Mapping[str, Reading],
    stuck: Mapping[str, Same],
    lasting: Iterable[SensorEvent],
    since_ns: int,
    now_ns: int,
) -> Findings:
    """`since_ns` is when somebody began to look: what was silent before that has not been noticed to be.

    A sensor that never reported befalls nothing: it is not connected yet.
    """
    if max((reading.time_ns for reading in newest.values()), default=0) < now_ns - ALL_SILENT_NS:
        return Findings()
    kept = {(event.sensor, event.kind): event for event in lasting}
    begun: list[SensorEvent] = []
    ended: list[SensorEvent] = []
    known = set()
    for sensor in watched:
        known.add(sensor.name)
        reading = newest.get(sensor.name)
        if reading is None:
            continue
        silent = now_ns - max(reading.time_ns, since_ns) > sensor.silent_after_ns
        before = kept.get((sensor.name, EventKind.SILENT))
        if silent and before is None:
            begun.append(_event(EventKind.SILENT, reading.time_ns, sensor, reading, "fell silent"))
        elif before is not None and now_ns - reading.time_ns <= sensor.silent_after_ns:
            end, back = _back(before, sensor, reading)
            ended.append(end)
            begun.append(back)
        if not silent:
            _values(sensor, reading, stuck.get(sensor.name), kept, begun, ended)
    # Of a sensor that is described no longer nothing lasts.
    ended += [replace(event, ended_ns=now_ns) for event in kept.values() if event.sensor not in known]
    return Findings(begun, ended)


def _values(
    sensor: Watched,
    reading: Reading,
    same: Same | None,
    kept: Mapping[tuple[str, EventKind], SensorEvent],
    begun: list[SensorEvent],
    ended: list[SensorEvent],
) -> None:
    """What the newest value of a sensor that reports tells."""
    odd = kept.get((sensor.name, EventKind.OUT_OF_RANGE))
    bounds = sensor.range
    outside = bounds is not None and reading.value not in bounds
    if outside and odd is None and bounds is not None:
        plausible = f"between {bounds.low:g} and {bounds.high:g} {sensor.unit} is plausible"
        said = f"says {reading.value:g} {sensor.unit}; {plausible}"
        begun.append(_event(EventKind.OUT_OF_RANGE, reading.time_ns, sensor, reading, said))
    elif odd is not None and not outside:
        ended.append(replace(odd, ended_ns=reading.time_ns))
    held = kept.get((sensor.name, EventKind.STUCK))
    if held is not None and (sensor.steady or reading.value != held.value):
        ended.append(replace(held, ended_ns=reading.time_ns))
    elif held is None and same is not None and reading.value == same.value:
        said = f"has said {same.value:g} {sensor.unit} and nothing else for {same.hours} hours"
        begun.append(_event(EventKind.STUCK, same.since_ns, sensor, reading, said))


def _event(kind: EventKind, at_ns: int, sensor: Watched, reading: Reading, said: str) -> SensorEvent:
    return SensorEvent(0, sensor.name, kind, at_ns, f"{sensor.name} {said}.", reading.value)


def _back(before: SensorEvent, sensor: Watched, reading: Reading) -> tuple[SensorEvent, SensorEvent]:
    at = reading.time_ns
    quiet = (at - before.at_ns) / NS_PER_SECOND
    said = f"is heard again after {_duration(quiet)}"
    back = replace(_event(EventKind.BACK, at, sensor, reading, said), ended_ns=at)
    return replace(before, ended_ns=at), back


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
