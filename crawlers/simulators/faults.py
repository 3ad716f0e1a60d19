"""Permanent faults of the simulated data centre, such as a real one has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import Inventory, PushSource, Sensor
from crawlers.simulators.noise import fraction

HOUR_NS = 3_600 * NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Faults:
    """The faulty probes and cards:

    silent   probe -> the time (ns) since which it has not reported
    nan      probes whose card prints `nan` in one push of four
    late     card -> the delay of its pushes in seconds
    """

    silent: Mapping[str, int] = field(default_factory=dict)
    nan: frozenset[str] = frozenset()
    late: Mapping[str, float] = field(default_factory=dict)


def card_name(sensor: Sensor) -> str:
    """Return the name of the Arduino card that pushes a probe."""
    source = sensor.source
    assert isinstance(source, PushSource)
    return sensor.parent or f"card {source.rack or 'room'} {source.side or ''}".strip()


def probes_by_card(inventory: Inventory) -> dict[str, list[Sensor]]:
    """Return the probes of each card, in the order of the site description."""
    probes: dict[str, list[Sensor]] = {}
    for sensor in inventory.sensors.values():
        if isinstance(sensor.source, PushSource):
            probes.setdefault(card_name(sensor), []).append(sensor)
    return probes


def typical_faults(inventory: Inventory, seed: int, now_ns: int, silent_hours: float = 3.0) -> Faults:
    """Return one silent probe, one probe that prints `nan` and one late card, on three different cards in racks."""
    racks = {
        card: probes
        for card, probes in probes_by_card(inventory).items()
        if any(isinstance(p.source, PushSource) and p.source.side in ("front", "back") for p in probes)
    }
    order = sorted(racks, key=lambda card: fraction(seed, f"fault/{card}"))
    if len(order) < 3:
        return Faults()
    faulty = [racks[card][len(racks[card]) // 2].name for card in order[:2]]
    return Faults(
        silent={faulty[0]: now_ns - round(silent_hours * HOUR_NS)},
        nan=frozenset({faulty[1]}),
        late={order[2]: 12.0},
    )
