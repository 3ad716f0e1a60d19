"""sensors.yaml: groups of sensors, each read by the method it names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from backend.core.errors import Fault
from backend.core.quantity import is_energy
from backend.inventory.document import Map
from backend.inventory.fields import (
    FLAG,
    HOST,
    NAME,
    PORT,
    TEXT,
    Item,
    Kind,
    from_environment,
    integer,
    matching,
    number,
    one_of,
)
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

FILE: Final = "sensors.yaml"

OID: Final = matching(r"\.?[0-9]+(\.[0-9]+)+", "an OID such as 1.3.6.1.4.1.318")
REGISTER: Final = integer(0, 65535, "a register")
UNIT_ID: Final = integer(0, 255, "a Modbus unit id")
SIDES: Final[dict[str, Side]] = {"front": "front", "back": "back", "top": "top"}
SIDE: Final = one_of(SIDES)
_TYPES: Final[tuple[RegisterType, ...]] = ("int16", "uint16", "int32", "uint32", "float32", "bool")
TYPE: Final = one_of({name: name for name in _TYPES})
_ORDERS: Final[dict[str, Order]] = {"<": "<", ">": ">"}
ORDER: Final = one_of(_ORDERS)
_VERSIONS: Final[dict[str, Literal["1", "2c", "3"]]] = {"1": "1", "2c": "2c", "3": "3"}
VERSION: Final = one_of(_VERSIONS | {"v1": "1", "2": "2c", "v2c": "2c", "v3": "3"})
_AUTH: Final[tuple[AuthProtocol, ...]] = ("md5", "sha", "sha224", "sha256", "sha384", "sha512")
_PRIV: Final[tuple[PrivProtocol, ...]] = ("des", "3des", "aes", "aes192", "aes256")
AUTH: Final = one_of({name: name for name in _AUTH})
PRIV: Final = one_of({name: name for name in _PRIV})
KEY: Final = from_environment(matching(r".{8,}", "a key of at least 8 characters", secret=True))
SECRET: Final = from_environment(TEXT)
USER: Final = from_environment(NAME)
POSITIVE: Final = number(lambda n: n > 0, "a number of seconds above 0")
FACTOR: Final = number(lambda n: n != 0, "a number other than 0")


def _snmp(item: Item, units: int) -> SnmpSource:
    version = item["version"].get(VERSION, "2c")
    return SnmpSource(
        ip=item["ip"].need(HOST, ""),
        oid=item["oid"].need(OID, "").removeprefix("."),
        index=item["index"].get(integer(0), None),
        port=item["port"].get(PORT, 161),
        version=version,
        community=item["community"].get(SECRET, "public"),
        user=_user(item) if version == "3" else None,
        rate=item["rate"].get(FLAG, False),
    )


def _user(item: Item) -> SnmpUser:
    auth_key = item["auth_key"].get(KEY, None)
    priv_key = item["priv_key"].get(KEY, None)
    if priv_key is not None and auth_key is None:
        item["auth_key"].fault("a key, for there is a priv_key", "none")
    return SnmpUser(
        name=item["user"].need(USER, ""),
        auth_key=auth_key,
        auth_protocol=item["auth_protocol"].get(AUTH, "sha"),
        priv_key=priv_key,
        priv_protocol=item["priv_protocol"].get(PRIV, "aes"),
    )


def _modbus(item: Item, units: int) -> ModbusSource:
    return ModbusSource(
        ip=item["ip"].need(HOST, ""),
        register=item["register"].need(REGISTER, 0),
        type=item["type"].need(TYPE, "int16"),
        port=item["port"].get(PORT, 502),
        unit_id=item["unit_id"].get(UNIT_ID, 1),
        byteorder=item["byteorder"].get(ORDER, "<"),
        wordorder=item["wordorder"].get(ORDER, "<"),
        divide_by=item["modbus_divide_by"].get(FACTOR, 1.0),
        multiply_by=item["modbus_multiply_by"].get(FACTOR, 1.0),
        length=item["modbus_length"].get(integer(1, 125), None),
    )


def _socomec(item: Item, units: int) -> SocomecSource:
    return SocomecSource(
        ip=item["ip"].need(HOST, ""),
        address=item["address"].need(REGISTER, 0),
        unit_id=item["unit_id"].need(UNIT_ID, 1),
        port=item["port"].get(PORT, 502),
    )


def _flukso(item: Item, units: int) -> FluksoSource:
    return FluksoSource(
        ip=item["ip"].need(HOST, ""),
        sensor_id=item["sensor_id"].need(NAME, ""),
        port=item["port"].get(PORT, 8080),
    )


def _push(item: Item, units: int) -> PushSource:
    return PushSource(
        rack=item["rack"].get(NAME, None),
        side=item["side"].get(SIDE, None),
        position=item["position"].get(position(units), None),
        exclude_from_rack_temperature_overview=item["exclude_from_rack_temperature_overview"].get(
            FLAG, False
        ),
    )


METHODS: Final[dict[str, Callable[[Item, int], Source]]] = {
    "snmp": _snmp,
    "modbus": _modbus,
    "socomec": _socomec,
    "flukso": _flukso,
    "temperature_push": _push,
}
_METHOD: Final = one_of({name: name for name in METHODS})

_WATTS: Final = ("wattmeter", "W")
_DEFAULTS: Final = {"socomec": _WATTS, "flukso": _WATTS, "temperature_push": ("temperature", "celsius")}
"""Sensor type and unit where the method leaves no doubt."""


def position(units: int) -> Kind[int]:
    return integer(1, units, "a position (U)")


def sensors(top: Map, units: int, faults: list[Fault]) -> dict[str, Sensor]:
    """All sensors of the file by name; `units` is the height of a rack in U."""
    found: dict[str, Sensor] = {}
    for group, members in Item(FILE, "", top, faults).items():
        if group == "classes":
            continue
        for key, item in members.items("a map from sensor names to sensors"):
            if not isinstance(item.value, Map):
                item.fault("a map that describes a sensor")
                continue
            if key in found:
                item.fault(f"each sensor once (it stands in {found[key].group} too)", f"{key} again")
                continue
            found[key] = _sensor(key, group, item, units)
    return found


def _sensor(key: str, group: str, item: Item, units: int) -> Sensor:
    item.key(key).need(NAME, key)
    if item["name"].get(NAME, key) != key:
        item["name"].fault(f"the key, {key}")
    method = item["method"].need(_METHOD, "")
    read = METHODS.get(method)
    if method == "temperature_push" and ":" in key:
        item.fault("the 1-wire address without ':'", key)
    # Without a method nobody can say whether type and unit are missing.
    default, unit = _DEFAULTS.get(method, ("", "")) if read else _WATTS
    sensor_type = item["sensor_type"].get(NAME, default) if default else item["sensor_type"].need(NAME, "")
    unit = _unit(item, method, unit)
    return Sensor(
        name=key,
        sensor_type=sensor_type,
        unit=unit,
        method=method,
        group=group,
        source=read(item, units) if read else PushSource(),
        location=item["location"].get(NAME, _default_location(key, method)),
        parent=item["parent"].get(NAME, None),
        info=item["info"].get(TEXT, ""),
        tags=item["tags"].texts(),
        exclude_from_aggregation=item["exclude_from_aggregation"].get(FLAG, False),
        period_s=item["period"].get(POSITIVE, None),
        steady=item["steady"].get(FLAG, sensor_type == "state" or is_energy(unit)),
        label=item["label"].get(NAME, ""),
    )


def _unit(item: Item, method: str, default: str) -> str:
    unit = item["unit"].get(NAME, default) if default else item["unit"].need(NAME, "")
    # Deployments spell the probes' unit `T`, and have always stored `celsius`.
    return "celsius" if method == "temperature_push" and unit == "T" else unit


def _default_location(name: str, method: str) -> str:
    if method == "temperature_push":
        return "room exterior"
    return name.partition("_pdu-")[0] or name
