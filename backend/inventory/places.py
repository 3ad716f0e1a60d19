"""racks.yaml, temperature.yaml and room_map.yaml: where things stand."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

from backend.core.errors import Fault
from backend.inventory.document import Map
from backend.inventory.fields import NAME, TEXT, Item, integer, matching, one_of
from backend.inventory.model import Equipment, Probe, Rack, RoomArray, Site
from backend.inventory.sensors import SIDES, position

RACKS: Final = "racks.yaml"
TEMPERATURE: Final = "temperature.yaml"
ROOM: Final = "room_map.yaml"

_UNITS: Final = integer(1, 100, "a number of U")
_EQUIPMENT: Final[dict[str, Literal["compute", "switch"]]] = {"compute": "compute", "switch": "switch"}
# Both end up in a page's style, so they may hold nothing else.
_LENGTH: Final = matching(r"-?[0-9]+(\.[0-9]+)?(%|px|em|rem|vw|vh)?", "a CSS length such as 82.5%")
_COLOR: Final = matching(
    r"[A-Za-z]+|#[0-9A-Fa-f]{3,8}|(rgb|hsl)a?\([0-9., %]+\)", "a CSS colour such as blue"
)


def rack_units(top: Map, faults: list[Fault]) -> int:
    """Height of the racks in U."""
    return Item(RACKS, "", top, faults)["units"].get(_UNITS, 42)


def site(top: Map, units: int, faults: list[Fault]) -> Site:
    place = Item(RACKS, "", top, faults)
    seen: dict[str, str] = {}
    racks = []
    for rack, members in place["racks"].items("a map from racks to what stands in them"):
        equipment = []
        for name, item in members.items("a map from equipment to its place"):
            if name in seen:
                item.fault(f"each equipment once (it stands in {seen[name]} too)", f"{name} again")
            seen[name] = rack
            u = item["position"].need(position(units), 1)
            equipment.append(Equipment(name, u, item["type"].get(one_of(_EQUIPMENT), "compute")))
        racks.append(Rack(rack, tuple(equipment)))
    return Site(place["name"].get(TEXT, ""), place["site"].get(TEXT, ""), tuple(racks), units)


def probes(top: Map, sensors: Collection[str] | None, units: int, faults: list[Fault]) -> tuple[Probe, ...]:
    """Probes by rack and side, sides as the file has them."""
    found: list[Probe] = []
    seen: dict[str, str] = {}
    u = position(units)
    for rack, sides in Item(TEMPERATURE, "", top, faults).items():
        for side, places in sides.items("a map from sides to positions"):
            if side.lower() not in SIDES:
                places.fault("a side: front, back or top", side)
                continue
            for key, item in places.items("a map from positions (U) to probes"):
                at = item.key(key).need(u, 1)
                sensor = _known(item["serie"], sensors)
                if sensor and sensor in seen:
                    item["serie"].fault(f"each probe once (it stands at {seen[sensor]} too)")
                seen.setdefault(sensor, item.path)
                found.append(Probe(rack, SIDES[side.lower()], at, sensor, item["tags"].texts()))
    return tuple(found)


def _known(item: Item, sensors: Collection[str] | None) -> str:
    name = item.need(NAME, "")
    if name and sensors is not None and name not in sensors:
        item.fault("a sensor of sensors.yaml")
    return name


def room(top: Map, sensors: Collection[str] | None, faults: list[Fault]) -> tuple[RoomArray, ...]:
    arrays = []
    for key, item in Item(ROOM, "", top, faults).items():
        if not isinstance(item.value, Map):
            item.fault("a map that describes an array")
            continue
        names = [_known(member, sensors) for member in item["sensors"].list("a list of sensors")]
        arrays.append(
            RoomArray(
                id=key,
                name=item["name"].get(TEXT, key),
                info=item["info"].get(TEXT, ""),
                location=item["location"].get(TEXT, ""),
                color=item["color"].get(_COLOR, "blue"),
                x=_percent(item["coordinates"]["x"].need(_LENGTH, "0%")),
                y=_percent(item["coordinates"]["y"].need(_LENGTH, "0%")),
                sensors=tuple(names),
            )
        )
    return tuple(arrays)


def _percent(length: str) -> str:
    """A bare number is a percentage."""
    return f"{length}%" if length[-1].isdigit() else length
