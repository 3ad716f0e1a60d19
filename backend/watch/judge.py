"""Decides which events of sensors started and ended since the last check. Pure: readings and open events in, changes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from backend.core.events import EventKind, SensorEvent
from backend.core.quantity import Range
from backend.core.reading import Reading
from backend.core.windows import NS_PER_SECOND
from backend.watch.messages import describe_out_of_range, format_duration
from backend.watch.silence import is_silent, is_site_silent


@dataclass(frozen=True, slots=True)
class WatchedSensor:
    """The parts of a sensor's description that decide about its events.

    title            name of the sensor in messages; the name itself if empty
    silent_after_ns  age of the newest reading from which the sensor counts as silent
    unit             symbol of the unit
    range            plausible values; None if any value is
    steady           True if a constant value is normal: the sensor is then never stuck
    """

    name: str
    silent_after_ns: int
    unit: str = ""
    range: Range | None = None
    steady: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True)
class StuckValue:
    """The only value that a sensor reported for `hours` hours. `since_ns` is the start of those hours."""

    value: float
    since_ns: int
    hours: int


@dataclass(frozen=True, slots=True)
class EventChanges:
    """Events that started, and open events with their end."""

    started: Sequence[SensorEvent] = ()
    ended: Sequence[SensorEvent] = ()


def judge(
    sensors: Iterable[WatchedSensor],
    newest: Mapping[str, Reading],
    stuck: Mapping[str, StuckValue],
    open_events: Iterable[SensorEvent],
    since_ns: int,
    now_ns: int,
) -> EventChanges:
    """Return the changes between the open events and the newest readings.

    `since_ns` is the time of the first check: silence is counted from then on. A sensor that never reported is not connected
    yet and has no events. A sensor that is no longer described has no open events.
    """
    if is_site_silent((reading.time_ns for reading in newest.values()), now_ns):
        return EventChanges()
    open_by_key = {(event.sensor, event.kind): event for event in open_events}
    started: list[SensorEvent] = []
    ended: list[SensorEvent] = []
    described = set()
    for sensor in sensors:
        described.add(sensor.name)
        reading = newest.get(sensor.name)
        if reading is None:
            continue
        silent = is_silent(max(reading.time_ns, since_ns), now_ns, sensor.silent_after_ns)
        silence = open_by_key.get((sensor.name, EventKind.SILENT))
        if silent and silence is None:
            started.append(
                _event(EventKind.SILENT, reading.time_ns, sensor, reading.value, "stopped reporting")
            )
        elif silence is not None and not is_silent(reading.time_ns, now_ns, sensor.silent_after_ns):
            ended.append(replace(silence, ended_ns=reading.time_ns))
            started.append(_resumption(silence, sensor, reading))
        if not silent:
            _judge_value(sensor, reading, stuck.get(sensor.name), open_by_key, started, ended)
    ended += [
        replace(event, ended_ns=now_ns) for event in open_by_key.values() if event.sensor not in described
    ]
    return EventChanges(started, ended)


def _judge_value(
    sensor: WatchedSensor,
    reading: Reading,
    stuck: StuckValue | None,
    open_by_key: Mapping[tuple[str, EventKind], SensorEvent],
    started: list[SensorEvent],
    ended: list[SensorEvent],
) -> None:
    """Add the events that the newest value of a reporting sensor starts or ends."""
    deviation = open_by_key.get((sensor.name, EventKind.OUT_OF_RANGE))
    plausible = sensor.range
    if plausible is not None and reading.value not in plausible:
        if deviation is None:
            text = describe_out_of_range(reading.value, sensor.unit, plausible)
            started.append(_event(EventKind.OUT_OF_RANGE, reading.time_ns, sensor, reading.value, text))
    elif deviation is not None:
        ended.append(replace(deviation, ended_ns=reading.time_ns))
    standstill = open_by_key.get((sensor.name, EventKind.STUCK))
    if standstill is not None and (sensor.steady or reading.value != standstill.value):
        ended.append(replace(standstill, ended_ns=reading.time_ns))
    elif standstill is None and stuck is not None and reading.value == stuck.value:
        text = f"has read {stuck.value:g} {sensor.unit} without change for {stuck.hours} hours"
        started.append(_event(EventKind.STUCK, stuck.since_ns, sensor, reading.value, text))


def _event(kind: EventKind, at_ns: int, sensor: WatchedSensor, value: float, text: str) -> SensorEvent:
    return SensorEvent(0, sensor.name, kind, at_ns, f"{sensor.title or sensor.name} {text}.", value)


def _resumption(silence: SensorEvent, sensor: WatchedSensor, reading: Reading) -> SensorEvent:
    """Return the event `back` that follows a silence."""
    duration = format_duration((reading.time_ns - silence.at_ns) / NS_PER_SECOND)
    text = f"resumed reporting after {duration}"
    event = _event(EventKind.BACK, reading.time_ns, sensor, reading.value, text)
    return replace(event, ended_ns=reading.time_ns)
