"""The description of a data centre as one immutable, validated model.

Field names follow the keys of the description. Optional keys have their defaults here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from backend.core.tree import Tree

RegisterType: TypeAlias = Literal["int16", "uint16", "int32", "uint32", "float32", "bool"]
Order: TypeAlias = Literal["<", ">"]
Side: TypeAlias = Literal["front", "back", "top"]
AuthProtocol: TypeAlias = Literal["md5", "sha", "sha224", "sha256", "sha384", "sha512"]
PrivProtocol: TypeAlias = Literal["des", "3des", "aes", "aes192", "aes256"]


@dataclass(frozen=True, slots=True)
class SnmpUser:
    """A user of SNMP version 3. A key that is None means no authentication, or no encryption.

    `context` names the view of an agent that has several. Most agents have one, without a name.
    """

    name: str
    auth_key: str | None = field(default=None, repr=False)
    auth_protocol: AuthProtocol = "sha"
    priv_key: str | None = field(default=None, repr=False)
    priv_protocol: PrivProtocol = "aes"
    context: str = ""


@dataclass(frozen=True, slots=True)
class SnmpSource:
    """Reads `<oid>.<index>`, or `oid` where `index` is None. `user` is set if and only if `version` is 3.

    `rate`: the value is the growth of a counter per second since the previous poll.
    """

    ip: str
    oid: str
    index: int | None
    port: int = 161
    version: Literal["1", "2c", "3"] = "2c"
    community: str = field(default="public", repr=False)
    user: SnmpUser | None = None
    rate: bool = False

    @property
    def full_oid(self) -> str:
        return self.oid if self.index is None else f"{self.oid}.{self.index}"


@dataclass(frozen=True, slots=True)
class ModbusSource:
    """Reads holding registers. `byteorder` is the order within a register, `wordorder` the order of registers."""

    ip: str
    register: int
    type: RegisterType
    port: int = 502
    unit_id: int = 1
    byteorder: Order = "<"
    wordorder: Order = "<"
    divide_by: float = 1.0
    multiply_by: float = 1.0
    length: int | None = None


@dataclass(frozen=True, slots=True)
class SocomecSource:
    """Reads two holding registers as a big-endian unsigned 32-bit number."""

    ip: str
    address: int
    unit_id: int
    port: int = 502


@dataclass(frozen=True, slots=True)
class FluksoSource:
    """Reads one sensor of a Flukso meter over HTTP."""

    ip: str
    sensor_id: str
    port: int = 8080


@dataclass(frozen=True, slots=True)
class PushSource:
    """A probe that an Arduino card pushes, with its place in a rack if it has one."""

    rack: str | None = None
    side: Side | None = None
    position: int | None = None
    exclude_from_rack_temperature_overview: bool = False


Source: TypeAlias = SnmpSource | ModbusSource | SocomecSource | FluksoSource | PushSource


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor. `group` is its map in sensors.yaml. `label` is its name for people, and the id where there is none.

    `period_s` is the time between two expected readings in seconds, None where the description has none. A `steady` sensor may
    keep one value for any time: a state, a counter of energy, a setpoint.
    """

    name: str
    sensor_type: str
    unit: str
    method: str
    group: str
    source: Source
    location: str
    parent: str | None = None
    info: str = ""
    tags: tuple[str, ...] = ()
    exclude_from_aggregation: bool = False
    period_s: float | None = None
    steady: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.name)

    @property
    def title(self) -> str:
        """The label with the id behind it, for messages: `Roof fan 1 [flukso_roof_fan_1]`."""
        return self.name if self.label == self.name else f"{self.label} [{self.name}]"

    @property
    def poll_s(self) -> float:
        """Seconds between two polls: the period of the description, else 1."""
        return 1.0 if self.period_s is None else self.period_s


@dataclass(frozen=True, slots=True)
class Equipment:
    """A server or a switch in a rack. `position` is its height in U, 1 at the bottom."""

    name: str
    position: int
    type: Literal["compute", "switch"]


@dataclass(frozen=True, slots=True)
class Rack:
    """A rack with its equipment."""

    id: str
    equipment: tuple[Equipment, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """The content of racks.yaml. `units` is the height of the racks in U."""

    name: str
    site: str
    racks: tuple[Rack, ...]
    units: int = 42


@dataclass(frozen=True, slots=True)
class Probe:
    """A temperature probe of temperature.yaml. `servers` are the servers beside it."""

    rack: str
    side: Side
    position: int
    sensor: str
    servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoomArray:
    """A group of equipment on the floor plan. `x` and `y` are CSS lengths such as `82.5%`."""

    id: str
    name: str
    info: str
    location: str
    color: str
    x: str
    y: str
    sensors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommandAction:
    """A Modbus write."""

    name: str
    register: int
    value: int
    title: str = ""


@dataclass(frozen=True, slots=True)
class CommandProperty:
    """A Modbus read. `values` maps the name of a state to its value in the register."""

    name: str
    register: int
    type: RegisterType
    byteorder: Order = "<"
    wordorder: Order = "<"
    values: Mapping[str, float] = field(default_factory=dict)
    title: str = ""


@dataclass(frozen=True, slots=True)
class CommandTarget:
    """A device of commands.yaml."""

    id: str
    name: str
    ip: str
    port: int
    unit_id: int
    actions: tuple[CommandAction, ...]
    properties: tuple[CommandProperty, ...]


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """A picture of the room from above."""

    media_type: str
    aspect: float
    """Width over height."""
    content: bytes = field(repr=False)
    digest: str
    """Of the content, as hexadecimal digits."""


@dataclass(frozen=True)
class Inventory:
    """The whole description. `consumption` and `production` are the two energy trees."""

    sensors: Mapping[str, Sensor]
    consumption: Tree
    production: Tree
    site: Site
    probes: tuple[Probe, ...]
    room: tuple[RoomArray, ...]
    commands: tuple[CommandTarget, ...]
    plan: RoomPlan | None = None
