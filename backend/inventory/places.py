"""racks.yaml, temperature.yaml and room_map.yaml: the places of equipment, probes and sensors."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from pydantic import Field, RootModel, model_validator

from backend.inventory.model import Equipment, Probe, Rack, RoomArray, Side, Site
from backend.inventory.sensors import DEFAULT_RACK_UNITS, MAX_RACK_UNITS, POSITION, SIDE, Position
from backend.inventory.validation import Entry, Names, SourceFile, map_of
from backend.inventory.values import (
    PLACEHOLDER,
    InContext,
    Kind,
    Name,
    Text,
    as_key,
    integer,
    is_null,
    matching,
    one_of,
)

RACKS: Final = "racks.yaml"
TEMPERATURE: Final = "temperature.yaml"
ROOM: Final = "room_map.yaml"

_EQUIPMENT: Final[dict[str, Literal["compute", "switch"]]] = {"compute": "compute", "switch": "switch"}

_Units: TypeAlias = Annotated[int, integer(1, MAX_RACK_UNITS, "a number of U")]
# Lengths and colours end up in a page's style, so nothing else may be in them.
_Length: TypeAlias = Annotated[
    str, matching(r"-?[0-9]+(\.[0-9]+)?(%|px|em|rem|vw|vh)?", "a CSS length such as 82.5%")
]
_Color: TypeAlias = Annotated[
    str,
    matching(r"[A-Za-z]+|#[0-9A-Fa-f]{3,8}|(rgb|hsl)a?\([0-9., %]+\)", "a CSS colour such as blue"),
]
_SideKey: TypeAlias = Annotated[str, as_key(Kind("a side: front, back or top", SIDE.read, SIDE.substitute))]
_PositionKey: TypeAlias = Annotated[
    str, InContext(lambda context: as_key(POSITION.kind_of(context)), POSITION.widest)
]


class EquipmentEntry(Entry):
    """A server or a switch in a rack."""

    expected_map: ClassVar[str] = "a map with a position"

    position: Position = Field(description="Height in U, 1 at the bottom.")
    type: Annotated[Literal["compute", "switch"], one_of(_EQUIPMENT)] = Field(
        "compute", description="Kind of equipment."
    )


class RackUnits(Entry):
    """The height of the racks, which all positions depend on."""

    units: _Units = Field(DEFAULT_RACK_UNITS, description="Height of the racks in U.")


class RacksFile(RackUnits):
    """racks.yaml: the equipment of the racks."""

    name: Text = Field("", description="Name of the cluster.")
    site: Text = Field("", description="Name of the site.")
    racks: Annotated[
        dict[str, Annotated[dict[str, EquipmentEntry], map_of("a map from equipment to its place")]],
        map_of("a map from racks to their equipment"),
    ] = Field({}, description="Equipment by rack and name.")


class ProbeEntry(Entry):
    """A temperature probe in a rack."""

    expected_map: ClassVar[str] = "a map that names a probe"

    serie: Name = Field(description="Name of the sensor: its 1-wire address without colons.")
    tags: Names = Field((), description="Servers next to the probe.")


class TemperatureFile(
    RootModel[
        Annotated[
            dict[
                str,
                Annotated[
                    dict[
                        _SideKey,
                        Annotated[
                            dict[_PositionKey, ProbeEntry], map_of("a map from positions (U) to probes")
                        ],
                    ],
                    map_of("a map from sides to positions"),
                ],
            ],
            map_of("a map of racks"),
        ]
    ]
):
    """temperature.yaml: probes by rack, side and position."""


class Coordinates(Entry):
    """A place on the floor plan. A bare number is a percentage."""

    x: _Length = Field(description="Distance from the left.")
    y: _Length = Field(description="Distance from the top.")

    @model_validator(mode="before")
    @classmethod
    def _accept_nothing(cls, data: Any) -> Any:
        return {} if is_null(data) or data is PLACEHOLDER else data


class ArrayEntry(Entry):
    """A group of equipment on the floor plan."""

    expected_map: ClassVar[str] = "a map that describes an array"

    name: Text | None = Field(None, description="Display name.")
    info: Text = Field("", description="A note.")
    location: Text = Field("", description="Location as text.")
    color: _Color = Field("blue", description="Colour on the floor plan.")
    coordinates: Coordinates = Field(description="Position on the floor plan.")
    sensors: Names = Field((), description="Names of the sensors of the group.")


class RoomFile(RootModel[Annotated[dict[str, ArrayEntry], map_of("a map of arrays")]]):
    """room_map.yaml: groups of equipment by id."""


def rack_units(file: SourceFile) -> int:
    """Return the height of the racks in U."""
    return file.validate(RackUnits).units


def site(file: SourceFile, units: int) -> Site:
    content = file.validate(RacksFile, {"units": units})
    rack_of: dict[str, str] = {}
    racks = []
    for rack, members in content.racks.items():
        for name in members:
            if name in rack_of:
                duplicate = f"duplicate equipment {name} (also in rack {rack_of[name]})"
                file.fault(("racks", rack, name), "a unique name", duplicate)
            rack_of[name] = rack
        equipment = tuple(Equipment(name, entry.position, entry.type) for name, entry in members.items())
        racks.append(Rack(rack, equipment))
    return Site(content.name, content.site, tuple(racks), units)


def probes(file: SourceFile, sensors: Collection[str] | None, units: int) -> tuple[Probe, ...]:
    """Return the probes in the order of the file. `sensors` are the known names; None where they are not known."""
    result: list[Probe] = []
    places: dict[str, str] = {}
    for rack, sides in file.validate(TemperatureFile, {"units": units}).root.items():
        for side, positions in sides.items():
            for position, entry in positions.items():
                place = (rack, side, position)
                _check_sensor(file, (*place, "serie"), entry.serie, sensors)
                if entry.serie and entry.serie in places:
                    duplicate = f"duplicate probe {entry.serie} (also at {places[entry.serie]})"
                    file.fault((*place, "serie"), "a unique probe", duplicate)
                places.setdefault(entry.serie, file.path(place))
                height = POSITION.kind_of({"units": units}).validate(position)
                result.append(Probe(rack, _side(side), height, entry.serie, entry.tags))
    return tuple(result)


def _side(key: str) -> Side:
    return SIDE.validate(key)


def _check_sensor(
    file: SourceFile, place: tuple[str | int, ...], name: str, sensors: Collection[str] | None
) -> None:
    if name and sensors is not None and name not in sensors:
        file.fault(place, "a sensor of sensors.yaml")


def room(file: SourceFile, sensors: Collection[str] | None) -> tuple[RoomArray, ...]:
    """Return the groups of the floor plan. `sensors` are the known names; None where they are not known."""
    arrays = []
    for key, entry in file.validate(RoomFile).root.items():
        for i, name in enumerate(entry.sensors):
            _check_sensor(file, (key, "sensors", i), name, sensors)
        arrays.append(
            RoomArray(
                id=key,
                name=key if entry.name is None else entry.name,
                info=entry.info,
                location=entry.location,
                color=entry.color,
                x=_with_unit(entry.coordinates.x),
                y=_with_unit(entry.coordinates.y),
                sensors=entry.sensors,
            )
        )
    return tuple(arrays)


def _with_unit(length: str) -> str:
    return f"{length}%" if length[-1:].isdigit() else length
