"""Writes sensors.yaml of the example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scripts.example_site import (
    BATTERY,
    BOARD,
    EXTRA_PROBES,
    FLUKSO,
    INROW,
    INROW_CARD,
    NETWORK,
    NETWORKS,
    PDUS,
    POE_GROUPS,
    RACKS,
    ROOM_PROBE,
    SOCOMEC,
    WEATHER,
    outlets,
    rack_probes,
)
from scripts.example_yaml import Fields, Scalar, entry, slug

LOOPBACK = "127.0.0.1"
PDU_OID = "1.3.6.1.4.1.318.1.1.26.9.4.3.1.7"
INROW_OID = "1.3.6.1.4.1.318.1.1.27.1.4.1.2.1.3.1"
DEVICE_NAMES = {"battery1": "Battery 1", "weather": "Weather station", "board": "Control board"}
POE_OID = "1.3.6.1.2.1.105.1.3.1.1.4"


def classes() -> Iterator[str]:
    snmp: Fields = {"method": "snmp", "ip": LOOPBACK, "array": True}
    yield "classes:"
    yield from entry("wattmeter", {"sensor_type": "wattmeter", "unit": "W"}, anchor="wattmeter")
    yield from entry("temperature", {"sensor_type": "temperature", "unit": "celsius"}, anchor="temperature")
    yield from entry("snmp", snmp, anchor="snmp")
    yield from entry("pdu", {"oid": PDU_OID}, ("wattmeter", "snmp"), "pdu")
    for i, pdu in enumerate(PDUS):
        yield from entry(slug(pdu), {"port": 16110 + i, "parent": pdu}, ("pdu",), slug(pdu))
    yield from entry(
        "snmp_inrow",
        {"port": 16120, "oid": INROW_OID, "parent": "snmp_inrow", "location": "in-row cooler", "period": 2},
        ("snmp",),
        "snmp_inrow",
    )
    yield from entry(
        "poe",
        {"port": 16121, "oid": POE_OID, "parent": "poe", "location": "Z1.4"},
        ("wattmeter", "snmp"),
        "poe",
    )
    yield from entry("big_endian", {"byteorder": ">", "wordorder": ">"}, anchor="big_endian")
    yield from entry("little_endian", {"byteorder": "<", "wordorder": "<"}, anchor="little_endian")
    yield from entry(
        "modbus_inrow",
        {
            "method": "modbus",
            "ip": LOOPBACK,
            "port": 15021,
            "parent": "modbus_inrow",
            "period": 2,
            "location": "in-row cooler",
        },
        ("big_endian",),
        "modbus_inrow",
    )
    yield from entry(
        "modbus_entech",
        {
            "method": "modbus",
            "ip": LOOPBACK,
            "port": 15022,
            "parent": "modbus_entech",
            "period": 5,
            "location": "roof",
        },
        ("little_endian",),
        "modbus_entech",
    )
    yield from entry("float32", {"type": "float32"}, anchor="float32")
    yield from entry(
        "socomec",
        {
            "method": "socomec",
            "ip": LOOPBACK,
            "port": 15023,
            "parent": "socomec",
            "location": "electrical room",
        },
        ("wattmeter",),
        "socomec",
    )
    yield from entry(
        "flukso",
        {
            "method": "flukso",
            "ip": LOOPBACK,
            "port": 15080,
            "parent": "flukso",
            "location": "electrical room",
        },
        ("wattmeter",),
        "flukso",
    )
    yield from entry("probe", {"method": "temperature_push", "period": 10}, ("temperature",), "probe")
    for rack in RACKS:
        for side in ("front", "back", "top"):
            name = f"probe_{slug(rack)}_{side}"
            fields = {"parent": f"temp.{rack.lower()}.{side}", "rack": rack, "side": side, "location": rack}
            tags: Fields = {"tags": ["inside_temperature"]} if side == "front" else {}
            yield from entry(name, {**fields, **tags}, ("probe",), name)


def plugs() -> Iterator[str]:
    yield "pdu:"
    for pdu, outlet, name in outlets():
        sensor = f"{name}_{pdu}"
        info = f"{name}, outlet {outlet} of {pdu}"
        yield from entry(sensor, {"name": sensor, "index": outlet, "info": info}, (slug(pdu),))


def probes() -> Iterator[str]:
    yield "temperature:"
    for rack, side, unit, address in rack_probes():
        yield from entry(address, {"name": address, "position": unit}, (f"probe_{slug(rack)}_{side}",))
    room: Fields = {
        "name": ROOM_PROBE,
        "parent": "temp.room.top",
        "rack": "room",
        "side": "top",
        "position": 1,
    }
    yield from entry(ROOM_PROBE, room, ("probe",))
    for address, place in EXTRA_PROBES.items():
        fields: Fields = {
            "name": address,
            "parent": "temp.room.top",
            "location": place,
            "info": f"Room, {place}",
        }
        yield from entry(address, fields, ("probe",))


def cooler() -> Iterator[str]:
    yield "inrow:"
    for key, (register, kind, divisor, factor, sensor_type, unit, counted, info) in INROW.items():
        fields: dict[str, Scalar] = {"name": f"inrow_{key}", "register": register, "type": kind}
        fields |= {"modbus_divide_by": divisor} if divisor != 1 else {}
        fields |= {"modbus_multiply_by": factor} if factor != 1 else {}
        fields |= {"modbus_length": 2} if kind.endswith("32") else {}
        fields |= {"sensor_type": sensor_type, "unit": unit, "info": info}
        fields |= {"steady": True} if key.endswith("_setpoint") else {}
        fields |= (
            {"label": label("In-row cooler", "running" if key == "running" else info)}
            if key != "power"
            else {}
        )
        yield from entry(
            f"inrow_{key}",
            fields | ({} if counted else {"exclude_from_aggregation": True}),
            ("modbus_inrow",),
        )
    for index, (key, info) in enumerate(INROW_CARD.items(), 1):
        name = f"inrow_card_{key}"
        card: Fields = {
            "name": name,
            "index": index,
            "info": info,
            "label": label("In-row cooler card", info),
        }
        yield from entry(name, {**card, "exclude_from_aggregation": True}, ("snmp_inrow", "temperature"))


def poe() -> Iterator[str]:
    yield "poe:"
    for group, use in enumerate(POE_GROUPS, 1):
        yield from entry(
            f"poe_{group}", {"name": f"poe_{group}", "index": group, "info": f"PoE, {use}"}, ("poe",)
        )


def entech() -> Iterator[str]:
    """Float32 in consecutive registers: networks from 2000 (20 each), battery 2200, weather 2300, board 2400."""
    blocks: list[tuple[str, int, Sequence[tuple[str, str, str, str]]]]
    blocks = [(f"network{n}", 2000 + 20 * (n - 1), NETWORK) for n in NETWORKS]
    blocks += [("battery1", 2200, BATTERY), ("weather", 2300, WEATHER), ("board", 2400, BOARD)]
    yield "entech_sensors:"
    for block, first, quantities in blocks:
        for i, (key, sensor_type, unit, info) in enumerate(quantities):
            name = f"{block}_{key}"
            fields: dict[str, Scalar | Sequence[str]] = {"name": name, "register": first + 2 * i}
            fields |= {"sensor_type": sensor_type, "unit": unit, "info": f"{block}: {info}"}
            # The leaves of production.yaml name the sensors of power.
            fields |= {"label": label(device_name(block), info)} if key != "power" else {}
            if name == "weather_temperature":
                fields["tags"] = ["outside_temperature"]
            # Produced power and roof temperatures would distort the figures of the room.
            if unit in ("W", "celsius"):
                fields["exclude_from_aggregation"] = True
            yield from entry(name, fields, ("modbus_entech", "float32"))


def meters() -> Iterator[str]:
    yield "socomec:"
    for name, (unit_id, address, info) in SOCOMEC.items():
        fields: dict[str, Scalar] = {"name": name, "unit_id": unit_id, "address": address, "info": info}
        counted: Fields = {"exclude_from_aggregation": True} if name == "socomec_servers" else {}
        yield from entry(name, {**fields, **counted}, ("socomec",))
    yield "flukso:"
    for i, (name, info) in enumerate(FLUKSO.items(), 1):
        sensor_id = f"{i:02d}5edce".ljust(32, "a")
        yield from entry(name, {"name": name, "sensor_id": sensor_id, "info": info}, ("flukso",))


def device_name(block: str) -> str:
    """Return the name of a device behind the control board: `Solar network 1` for `network1`."""
    number = block.removeprefix("network")
    return f"Solar network {number}" if number != block else DEVICE_NAMES[block]


def label(device: str, info: str) -> str:
    """Return device and quantity, without the note behind some of them."""
    quantity = info.removesuffix(", negative while it charges").removesuffix(", 0 is north")
    return f"{device}: {quantity[0].lower()}{quantity[1:]}"


def sensors() -> Iterator[str]:
    for group in (classes, plugs, probes, cooler, poe, entech, meters):
        yield from group()
