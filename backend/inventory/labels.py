"""Human-readable labels for sensors.

A sensor's id may be a 1-wire address or a register's name. The label is a name for people, in a few words. The first of
these rules that fits gives it:

1. `label` in sensors.yaml.
2. A probe in a rack: rack, height in U, side and server, such as `Z1.1 U30 back, ecotype-38`. Above a rack: `Z1.1 top 42`.
3. A PDU outlet, named `<server>_pdu-<feed>`: `ecotype-1, Z1.50 outlet 8`, or `ecotype-1, Z1.50` where the outlet is not known.
4. The target of a leaf in an energy tree: the node's `name`, where it is more than the node's id.
5. `info`, where it is short enough for a label.
6. `location` and type, such as `electrical room, wattmeter`.
7. The id.

Labels are unique. Sensors that would share one get their location, their `parent` or their id appended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from backend.core.tree import Tree
from backend.inventory.model import Probe, PushSource, Sensor, Site, SnmpSource

MAX_INFO_LENGTH: Final = 60
"""A longer `info` is a note, not a name."""

Qualifier: TypeAlias = Callable[[Sensor], str]

_OUTLET: Final = re.compile(r"(?P<server>.+?)_pdu-(?P<feed>.+)")
_QUALIFIERS: Final[tuple[Qualifier, ...]] = (lambda s: s.location, lambda s: s.parent or "")


def derive_labels(
    sensors: Mapping[str, Sensor],
    explicit: Mapping[str, str],
    trees: Iterable[Tree],
    site: Site,
    probes: Iterable[Probe],
) -> dict[str, str]:
    """Return the label of every sensor by its name. `explicit` are the labels that the description gives."""
    places = _ProbePlaces(site, probes)
    node_names = _target_names(trees)
    derived = {
        sensor.name: _one_line(
            places.label(sensor)
            or _outlet_label(sensor)
            or node_names.get(sensor.name)
            or _info_label(sensor)
            or _location_label(sensor)
            or sensor.name
        )
        for sensor in sensors.values()
        if sensor.name not in explicit
    }
    return _make_unique(sensors, explicit, derived)


class _ProbePlaces:
    """The places of probes in racks, and the servers beside them."""

    def __init__(self, site: Site, probes: Iterable[Probe]) -> None:
        self._probes = {probe.sensor: probe for probe in probes}
        self._equipment = {e.name for rack in site.racks for e in rack.equipment}
        self._at = {(rack.id, e.position): e.name for rack in site.racks for e in rack.equipment}

    def label(self, sensor: Sensor) -> str | None:
        """Return the label of a probe in a rack. temperature.yaml wins over the place in sensors.yaml."""
        probe = self._probes.get(sensor.name) or _place_in_sensors_file(sensor)
        if probe is None:
            return None
        if probe.side == "top":
            return f"{probe.rack} top {probe.position}"
        place = f"{probe.rack} U{probe.position} {probe.side}"
        return ", ".join([place, *self._servers(probe)])

    def _servers(self, probe: Probe) -> Sequence[str]:
        """Return the probe's tags that name equipment, else the equipment at its height."""
        tagged = [name for name in probe.servers if name in self._equipment]
        if tagged:
            return tagged
        beside = self._at.get((probe.rack, probe.position))
        return [] if beside is None else [beside]


def _place_in_sensors_file(sensor: Sensor) -> Probe | None:
    source = sensor.source
    if not isinstance(source, PushSource) or source.rack is None:
        return None
    if source.side is None or source.position is None:
        return None
    return Probe(source.rack, source.side, source.position, sensor.name)


def _outlet_label(sensor: Sensor) -> str | None:
    match = _OUTLET.fullmatch(sensor.name)
    if match is None:
        return None
    index = sensor.source.index if isinstance(sensor.source, SnmpSource) else None
    outlet = "" if index is None else f" outlet {index}"
    return f"{match['server']}, {match['feed']}{outlet}"


def _target_names(trees: Iterable[Tree]) -> dict[str, str]:
    """Return the names of the leaves by their target sensor. A name that only repeats the node's id counts as none."""
    names: dict[str, str] = {}
    for tree in trees:
        for node in (*tree.nodes, *tree.detached):
            if node.target is not None and node.name != node.id:
                names.setdefault(node.target, node.name)
    return names


def _info_label(sensor: Sensor) -> str | None:
    return sensor.info if sensor.info and len(sensor.info) <= MAX_INFO_LENGTH else None


def _location_label(sensor: Sensor) -> str | None:
    return None if sensor.location == sensor.name else f"{sensor.location}, {sensor.sensor_type}"


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _make_unique(
    sensors: Mapping[str, Sensor], explicit: Mapping[str, str], derived: Mapping[str, str]
) -> dict[str, str]:
    """Return all labels in the order of the sensors. Labels that several sensors share get a qualifier."""
    labels = {name: explicit.get(name) or derived[name] for name in sensors}
    choose = _distinguishing
    while True:
        shared = _shared(labels, sensors.values())
        if not shared:
            return labels
        for label, members in shared.items():
            explicit_members = [s for s in members if explicit.get(s.name) == label]
            # An explicit label that only one sensor has stays as it is.
            ambiguous = (
                [s for s in members if s not in explicit_members] if len(explicit_members) == 1 else members
            )
            qualifier = choose(ambiguous)
            labels |= {s.name: f"{label}, {qualifier(s)}" for s in ambiguous}
        # A qualified label may equal another one. Ids end that.
        choose = _by_id


def _shared(labels: Mapping[str, str], sensors: Iterable[Sensor]) -> dict[str, list[Sensor]]:
    """Return the sensors of each label that several have."""
    members: dict[str, list[Sensor]] = {}
    for sensor in sensors:
        members.setdefault(labels[sensor.name], []).append(sensor)
    return {label: group for label, group in members.items() if len(group) > 1}


def _distinguishing(members: Sequence[Sensor]) -> Qualifier:
    """Return the first qualifier that has another value for each of the sensors."""
    for qualifier in _QUALIFIERS:
        values = {qualifier(s) for s in members}
        if len(values) == len(members) and "" not in values:
            return qualifier
    return _id


def _by_id(members: Sequence[Sensor]) -> Qualifier:
    return _id


def _id(sensor: Sensor) -> str:
    return sensor.name
