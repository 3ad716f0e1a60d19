"""What is wrong in the simulated data centre, as it is in a real one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import Inventory, PushSource, Sensor
from crawlers.simulators.noise import fraction

HOUR_NS = 3_600 * NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Faults:
    """silent   probe -> since when (ns) it says nothing
    nan      probes that make their card print `nan` in one push of four
    late     card -> seconds its pushes come late
    """

    silent: Mapping[str, int] = field(default_factory=dict)
    nan: frozenset[str] = frozenset()
    late: Mapping[str, float] = field(default_factory=dict)


def card_of(sensor: Sensor) -> str:
    """The Arduino card that pushes a probe."""
    source = sensor.source
    assert isinstance(source, PushSource)
    return sensor.parent or f"card {source.rack or 'room'} {source.side or ''}".strip()


def cards(inventory: Inventory) -> dict[str, list[Sensor]]:
    """Cards and their probes, in the description's order."""
    found: dict[str, list[Sensor]] = {}
    for sensor in inventory.sensors.values():
        if isinstance(sensor.source, PushSource):
            found.setdefault(card_of(sensor), []).append(sensor)
    return found


def usual_faults(inventory: Inventory, seed: int, now_ns: int, silent_hours: float = 3.0) -> Faults:
    """One silent probe, one that prints `nan` and one late card, on three different cards of racks."""
    racks = {
        card: probes
        for card, probes in cards(inventory).items()
        if any(isinstance(p.source, PushSource) and p.source.side in ("front", "back") for p in probes)
    }
    order = sorted(racks, key=lambda card: fraction(seed, f"fault/{card}"))
    if len(order) < 3:
        return Faults()
    pick = [racks[card][len(racks[card]) // 2].name for card in order[:2]]
    return Faults(
        silent={pick[0]: now_ns - round(silent_hours * HOUR_NS)},
        nan=frozenset({pick[1]}),
        late={order[2]: 12.0},
    )
