"""sensors.yaml: groups of sensors, each read by the method it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from pydantic import (
    Field,
    RootModel,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)

from backend.core.quantity import is_energy
from backend.inventory.document import Leaf, Map
from backend.inventory.model import (
    AuthProtocol,
    FluksoSource,
    ModbusSource,
    Order,
    PrivProtocol,
    PushSource,
    RegisterType,
    Sensor,
    Side,
    SnmpSource,
    SnmpUser,
    SocomecSource,
    Source,
)
from backend.inventory.validation import Entry, Names, SourceFile, map_of
from backend.inventory.values import (
    NAME,
    TEXT,
    Flag,
    Host,
    InContext,
    Kind,
    Name,
    NameKey,
    Port,
    Text,
    from_environment,
    integer,
    matching,
    number,
    one_of,
    wrong_value,
)

FILE: Final = "sensors.yaml"
IGNORED: Final = ("classes",)
"""The key that holds anchors for the rest of a file."""
DEFAULT_RACK_UNITS: Final = 42
MAX_RACK_UNITS: Final = 100
METHODS: Final = ("snmp", "modbus", "socomec", "flukso", "temperature_push")

_SIDES: Final[dict[str, Side]] = {"front": "front", "back": "back", "top": "top"}
_TYPES: Final[tuple[RegisterType, ...]] = ("int16", "uint16", "int32", "uint32", "float32", "bool")
_ORDERS: Final[dict[str, Order]] = {"<": "<", ">": ">"}
_VERSIONS: Final[dict[str, Literal["1", "2c", "3"]]] = {"1": "1", "2c": "2c", "3": "3"}
_AUTH: Final[tuple[AuthProtocol, ...]] = ("md5", "sha", "sha224", "sha256", "sha384", "sha512")
_PRIV: Final[tuple[PrivProtocol, ...]] = ("des", "3des", "aes", "aes192", "aes256")
_KEY: Final = from_environment(matching(r".{8,}", "a key of at least 8 characters", secret=True))


def _position(context: Mapping[str, Any]) -> Kind[int]:
    return integer(1, context.get("units", DEFAULT_RACK_UNITS), "a position (U)")


SIDE: Final = one_of(_SIDES)
POSITION: Final = InContext(_position, {"units": MAX_RACK_UNITS})
"""A height in a rack. The validation context has the height of the racks as `units`."""

Register: TypeAlias = Annotated[int, integer(0, 65535, "a register")]
UnitId: TypeAlias = Annotated[int, integer(0, 255, "a Modbus unit id")]
DataType: TypeAlias = Annotated[RegisterType, one_of({name: name for name in _TYPES})]
WordOrder: TypeAlias = Annotated[Order, one_of(_ORDERS)]
Position: TypeAlias = Annotated[int, POSITION]
_Factor: TypeAlias = Annotated[float, number(lambda n: n != 0, "a number other than 0")]
_Seconds: TypeAlias = Annotated[float, number(lambda n: n > 0, "a number of seconds above 0")]
_Secret: TypeAlias = Annotated[str, _KEY]


class SensorEntry(Entry):
    """The keys that every sensor may have. By itself it is the model of a sensor whose method is missing or wrong."""

    expected_map: ClassVar[str] = "a map that describes a sensor"

    method: Annotated[str, one_of({name: name for name in METHODS})] = Field(description="Protocol.")
    sensor_type: Name | None = Field(None, description="Quantity, such as wattmeter or temperature.")
    unit: Name | None = Field(None, description="Unit of the values, such as W or celsius.")
    name: Name | None = Field(None, description="Must equal the key.")
    label: Name | None = Field(None, description="Display name. Derived if omitted.")
    location: Name | None = Field(None, description="Location: a server, a room or a device.")
    parent: Name | None = Field(None, description="Device of the sensor.")
    info: Text = Field("", description="A note.")
    tags: Names = Field(
        (), description="Free tags; inside_temperature and outside_temperature have a meaning."
    )
    exclude_from_aggregation: Flag = Field(False, description="Exclude from type totals.")
    period: _Seconds | None = Field(None, description="Seconds between two readings (default: 1).")
    steady: Flag | None = Field(None, description="True if a constant value is normal (setpoint).")

    @property
    def source(self) -> Source:
        """The place that the sensor is read from; without a method, any."""
        return PushSource()


class _Typed(SensorEntry):
    """A sensor of a method that fixes neither type nor unit."""

    sensor_type: Name = Field(description="Quantity, such as wattmeter or temperature.")
    unit: Name = Field(description="Unit of the values, such as W or celsius.")


class _Wattmeter(SensorEntry):
    """A sensor of a method that reads wattmeters."""

    sensor_type: Name = Field("wattmeter", description="Quantity.")
    unit: Name = Field("W", description="Unit of the values.")


class SnmpEntry(_Typed):
    """A sensor read by SNMP."""

    method: Annotated[str, one_of({"snmp": "snmp"})]
    ip: Host = Field(description="Address of the agent.")
    oid: Annotated[str, matching(r"\.?[0-9]+(\.[0-9]+)+", "an OID such as 1.3.6.1.4.1.318")] = Field(
        description="Object to read. With `index`: the column of the object."
    )
    index: Annotated[int, integer(0)] | None = Field(None, description="Row of the column: a PDU's outlet.")
    port: Port = Field(161, description="UDP port.")
    version: Annotated[
        Literal["1", "2c", "3"], one_of(_VERSIONS | {"v1": "1", "2": "2c", "v2c": "2c", "v3": "3"})
    ] = Field("2c", description="Version of SNMP.")
    community: Annotated[str, from_environment(TEXT)] = Field("public", description="Community, or ${NAME}.")
    rate: Flag = Field(False, description="Counter: use its rate per second.")

    @property
    def source(self) -> SnmpSource:
        return SnmpSource(
            ip=self.ip,
            oid=self.oid.removeprefix("."),
            index=self.index,
            port=self.port,
            version=self.version,
            community=self.community,
            user=self._user(),
            rate=self.rate,
        )

    def _user(self) -> SnmpUser | None:
        return None


class SnmpV3Entry(SnmpEntry):
    """A sensor read by SNMP version 3."""

    user: Annotated[str, from_environment(NAME)] = Field(description="User name, or ${NAME}.")
    priv_key: _Secret | None = Field(None, description="Encryption key, or ${NAME}. It needs an `auth_key`.")
    priv_protocol: Annotated[PrivProtocol, one_of({name: name for name in _PRIV})] = "aes"
    auth_key: _Secret | None = Field(
        None, description="Authentication key, or ${NAME}.", validate_default=True
    )
    auth_protocol: Annotated[AuthProtocol, one_of({name: name for name in _AUTH})] = "sha"

    @field_validator("auth_key")
    @classmethod
    def _require_with_priv_key(cls, auth_key: str | None, info: ValidationInfo) -> str | None:
        if auth_key is None and info.data.get("priv_key") is not None:
            raise wrong_value("a key, because there is a priv_key")
        return auth_key

    def _user(self) -> SnmpUser:
        return SnmpUser(self.user, self.auth_key, self.auth_protocol, self.priv_key, self.priv_protocol)


class ModbusEntry(_Typed):
    """A sensor read from Modbus holding registers."""

    method: Annotated[str, one_of({"modbus": "modbus"})]
    ip: Host = Field(description="Address of the device.")
    register_: Register = Field(alias="register", description="First register.")
    type: DataType = Field(description="Type of the number in the registers.")
    port: Port = Field(502, description="TCP port.")
    unit_id: UnitId = Field(1, description="Modbus unit id.")
    byteorder: WordOrder = Field("<", description="Byte order within a register.")
    wordorder: WordOrder = Field("<", description="Order of the registers.")
    modbus_divide_by: _Factor = Field(1.0, description="Divisor of the raw number.")
    modbus_multiply_by: _Factor = Field(1.0, description="Factor of the raw number.")
    modbus_length: Annotated[int, integer(1, 125)] | None = Field(None, description="Number of registers.")

    @property
    def source(self) -> ModbusSource:
        return ModbusSource(
            ip=self.ip,
            register=self.register_,
            type=self.type,
            port=self.port,
            unit_id=self.unit_id,
            byteorder=self.byteorder,
            wordorder=self.wordorder,
            divide_by=self.modbus_divide_by,
            multiply_by=self.modbus_multiply_by,
            length=self.modbus_length,
        )


class SocomecEntry(_Wattmeter):
    """A Socomec meter behind a Modbus gateway."""

    method: Annotated[str, one_of({"socomec": "socomec"})]
    ip: Host = Field(description="Address of the gateway.")
    address: Register = Field(description="First register.")
    unit_id: UnitId = Field(description="Modbus unit id.")
    port: Port = Field(502, description="TCP port.")

    @property
    def source(self) -> SocomecSource:
        return SocomecSource(self.ip, self.address, self.unit_id, self.port)


class FluksoEntry(_Wattmeter):
    """A sensor of a Flukso meter."""

    method: Annotated[str, one_of({"flukso": "flukso"})]
    ip: Host = Field(description="Address of the meter.")
    sensor_id: Name = Field(description="Id of the sensor in the meter.")
    port: Port = Field(8080, description="TCP port.")

    @property
    def source(self) -> FluksoSource:
        return FluksoSource(self.ip, self.sensor_id, self.port)


class PushEntry(SensorEntry):
    """A temperature probe that an Arduino card pushes."""

    method: Annotated[str, one_of({"temperature_push": "temperature_push"})]
    sensor_type: Name = Field("temperature", description="Quantity.")
    unit: Name = Field("celsius", description="Unit of the values. `T` means celsius.")
    rack: Name | None = Field(None, description="Rack of the probe.")
    side: Annotated[Side, SIDE] | None = Field(None, description="Side of the rack.")
    position: Position | None = Field(None, description="Height in U, 1 at the bottom.")
    exclude_from_rack_temperature_overview: Flag = Field(
        False, description="Exclude from the figures of the rack."
    )

    @property
    def source(self) -> PushSource:
        return PushSource(self.rack, self.side, self.position, self.exclude_from_rack_temperature_overview)


def _model_of(data: Mapping[str, Any]) -> type[SensorEntry]:
    method = _text(data, "method")
    if method == "snmp":
        return SnmpV3Entry if _text(data, "version") in ("3", "v3") else SnmpEntry
    models: dict[str, type[SensorEntry]] = {
        "modbus": ModbusEntry,
        "socomec": SocomecEntry,
        "flukso": FluksoEntry,
        "temperature_push": PushEntry,
    }
    return models.get(method, SensorEntry)


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value.text.strip().lower() if isinstance(value, Leaf) else ""


def _by_method(data: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> SensorEntry:
    """Validate a sensor with the model of its method."""
    model = _model_of(data) if isinstance(data, dict) else SensorEntry
    return model.model_validate(data, context=info.context)


AnySensor: TypeAlias = Annotated[
    SnmpEntry | SnmpV3Entry | ModbusEntry | SocomecEntry | FluksoEntry | PushEntry, WrapValidator(_by_method)
]
Group: TypeAlias = Annotated[dict[NameKey, AnySensor], map_of("a map from sensor names to sensors")]


class SensorsFile(RootModel[Annotated[dict[str, Group], map_of("a map of groups of sensors", IGNORED)]]):
    """sensors.yaml: sensors by group and name. The group `classes` holds anchors and is ignored."""


def names(file: SourceFile) -> set[str]:
    """Return the names of all sensors, those with faults included."""
    groups = (group for key, group in file.top.entries.items() if key != "classes")
    return {name for group in groups if isinstance(group, Map) for name in group.entries}


def sensors(file: SourceFile, units: int) -> tuple[dict[str, Sensor], dict[str, str]]:
    """Return the sensors by name, and the labels that the file gives. `units` is the height of the racks in U."""
    result: dict[str, Sensor] = {}
    labels: dict[str, str] = {}
    for group, members in file.validate(SensorsFile, {"units": units}).root.items():
        for key, entry in members.items():
            place = (group, key)
            if key in result:
                duplicate = f"duplicate sensor {key} (also in group {result[key].group})"
                file.fault(place, "a unique name", duplicate)
                continue
            _check(file, place, key, entry)
            result[key] = _sensor(key, group, entry)
            if entry.label is not None:
                labels[key] = entry.label
    return result, labels


def _check(file: SourceFile, place: tuple[str, str], key: str, entry: SensorEntry) -> None:
    if entry.name and entry.name != key:
        file.fault((*place, "name"), f"the key, {key}")
    if isinstance(entry, PushEntry) and ":" in key:
        file.fault(place, "the 1-wire address without ':'", key)


def _sensor(key: str, group: str, entry: SensorEntry) -> Sensor:
    sensor_type, unit = entry.sensor_type or "", entry.unit or ""
    if isinstance(entry, PushEntry) and unit == "T":
        unit = "celsius"  # Deployments spell the unit `T`, and have always stored `celsius`.
    return Sensor(
        name=key,
        sensor_type=sensor_type,
        unit=unit,
        method=entry.method,
        group=group,
        source=entry.source,
        location=entry.location or _default_location(key, entry),
        parent=entry.parent,
        info=entry.info,
        tags=entry.tags,
        exclude_from_aggregation=entry.exclude_from_aggregation,
        period_s=entry.period,
        steady=(sensor_type == "state" or is_energy(unit)) if entry.steady is None else entry.steady,
    )


def _default_location(name: str, entry: SensorEntry) -> str:
    if isinstance(entry, PushEntry):
        return "room exterior"
    return name.partition("_pdu-")[0] or name
