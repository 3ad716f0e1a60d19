"""Write examples/datacenter: the description of a believable data centre, the same files at every run.

    python scripts/make_example.py [FOLDER]

Every device listens on loopback, on a port of its own, so that simulators can stand in for all of them:

    SNMP    127.0.0.1:16110 .. 16117   pdu-Z1.10 .11 .20 .21 .40 .41 .50 .51, in this order
    SNMP    127.0.0.1:16120            management card of the in-row cooler
    SNMP    127.0.0.1:16121            PoE switch
    Modbus  127.0.0.1:15021            in-row cooler, unit id 1
    Modbus  127.0.0.1:15022            Entech's control board, unit id 1
    Modbus  127.0.0.1:15023            gateway of the Socomec meters, unit ids 3, 4, 5
    HTTP    127.0.0.1:15080            Flukso meter
    push                               Arduino cards, one per `parent` of the temperature sensors
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "datacenter"
LOOPBACK = "127.0.0.1"
PDU_OID = "1.3.6.1.4.1.318.1.1.26.9.4.3.1.7"
INROW_OID = "1.3.6.1.4.1.318.1.1.27.1.4.1.2.1.3.1"
POE_OID = "1.3.6.1.2.1.105.1.3.1.1.4"

RACKS = {"Z1.1": range(37, 49), "Z1.2": range(25, 37), "Z1.4": range(13, 25), "Z1.5": range(1, 13)}
SWITCHES = {"switch-prod-1": "Z1.5", "switch-prod-2": "Z1.2", "switch-mgmt": "Z1.4"}
PDUS = [f"pdu-{rack}{feed}" for rack in RACKS for feed in "01"]
SERVER_UNITS = range(32, 8, -2)
"""U of a rack's twelve servers, the first at the top."""
PROBE_UNITS = (1, 5, *sorted(SERVER_UNITS), 37, 42)
NETWORKS = range(1, 9)
ROOM_PROBE = "28b8fb2909000003"

Scalar = str | int | float | bool
Fields = Mapping[str, "Scalar | Sequence[str]"]

HEADER = "# Made by scripts/make_example.py; change the script, not this file.\n"
WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


# --- a small YAML writer: the standard one has no merge keys -----------------------------------------------------


def plain(value: Scalar) -> str:
    """A scalar as YAML; strings are quoted unless they are certain to be read as strings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    if re.fullmatch(r"[A-Za-z]([A-Za-z0-9 ()_./-]*[A-Za-z0-9)])?", value) and value.lower() not in WORDS:
        return value
    return "'" + value.replace("'", "''") + "'"


def entry(
    key: str, fields: Fields, merge: Sequence[str] = (), anchor: str = "", indent: int = 2
) -> Iterator[str]:
    """One map under a key, with merged anchors first."""
    margin = " " * indent
    yield f"{margin}{plain(key)}:{' &' + anchor if anchor else ''}"
    if merge:
        refs = ", ".join(f"*{m}" for m in merge)
        yield f"{margin}  <<: {refs if len(merge) == 1 else f'[{refs}]'}"
    for name, value in fields.items():
        if isinstance(value, (list, tuple)):
            yield f"{margin}  {name}: [{', '.join(plain(v) for v in value)}]"
        else:
            assert isinstance(value, (str, int, float))
            yield f"{margin}  {name}: {plain(value)}"


def write(path: Path, lines: Iterable[str]) -> None:
    path.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", name.lower())


# --- sensors.yaml ---------------------------------------------------------------------------------------------


def one_wire(number: int) -> str:
    """The address of a DS18B20 with this serial number: family, serial (low byte first), checksum."""
    body = bytes([0x28]) + (0x0909000000 + number * 0x01F3B7 + 0xA1C4).to_bytes(6, "little")
    crc = 0
    for byte in body:
        for bit in range(8):
            crc = (crc >> 1) ^ (0x8C if (crc ^ byte >> bit) & 1 else 0)
    return (body + bytes([crc])).hex()


def rack_probes() -> list[tuple[str, str, int, str]]:
    """(rack, side, U, 1-wire address) of every probe in a rack."""
    places = [
        (rack, side, unit)
        for rack in RACKS
        for side, units in (("front", PROBE_UNITS), ("back", PROBE_UNITS), ("top", (41, 42)))
        for unit in units
    ]
    return [(*place, one_wire(i)) for i, place in enumerate(places)]


EXTRA_PROBES = {one_wire(900 + i): place for i, place in enumerate(("aisle door", "window", "ceiling"))}


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
        {"method": "modbus", "ip": LOOPBACK, "port": 15021, "parent": "modbus_inrow", "period": 2}
        | {"location": "in-row cooler"},
        ("big_endian",),
        "modbus_inrow",
    )
    yield from entry(
        "modbus_entech",
        {"method": "modbus", "ip": LOOPBACK, "port": 15022, "parent": "modbus_entech", "period": 5}
        | {"location": "roof"},
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


def outlets() -> Iterator[tuple[str, int, str]]:
    """(PDU, outlet, equipment) of every metered plug."""
    for pdu in PDUS:
        rack = pdu[len("pdu-") : -1]
        names = [f"ecotype-{n}" for n in RACKS[rack]] + [s for s, r in SWITCHES.items() if r == rack]
        yield from ((pdu, outlet, name) for outlet, name in enumerate(names, 1))


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
    room = {"name": ROOM_PROBE, "parent": "temp.room.top", "rack": "room", "side": "top", "position": 1}
    yield from entry(ROOM_PROBE, room, ("probe",))
    for address, place in EXTRA_PROBES.items():
        fields = {"name": address, "parent": "temp.room.top", "location": place, "info": f"Room, {place}"}
        yield from entry(address, fields, ("probe",))


# name: (register, type, divisor, multiplier, sensor type, unit, counted in its type's aggregate, info)
INROW = {
    "water_in_temperature": (1000, "int16", 10, 1, "temperature", "celsius", False, "Chilled water, inlet"),
    "water_out_temperature": (1001, "int16", 10, 1, "temperature", "celsius", False, "Chilled water, outlet"),
    "air_return_temperature": (
        1002,
        "int16",
        10,
        1,
        "temperature",
        "celsius",
        False,
        "Air from the hot aisle",
    ),
    "air_supply_temperature": (
        1003,
        "int16",
        10,
        1,
        "temperature",
        "celsius",
        False,
        "Air to the cold aisle",
    ),
    "rack_inlet_temperature": (1004, "int16", 10, 1, "temperature", "celsius", False, "Hottest rack inlet"),
    "cool_setpoint": (1005, "int16", 10, 1, "temperature", "celsius", False, "Wanted rack inlet temperature"),
    "supply_air_setpoint": (1006, "int16", 10, 1, "temperature", "celsius", False, "Wanted supply air"),
    "fan_speed": (1010, "uint16", 10, 1, "fanspeed", "%", True, "Fan speed"),
    "valve_position": (1011, "uint16", 1, 1, "valve", "%", True, "Chilled water valve"),
    "air_humidity": (
        1012,
        "uint16",
        10,
        1,
        "humidity_meter",
        "%",
        True,
        "Relative humidity of the return air",
    ),
    "air_flow": (1014, "int32", 10, 1, "airflow_meter", "L/s", True, "Air flow"),
    "water_flow": (1016, "uint32", 100, 1, "waterflow_meter", "L/s", True, "Chilled water flow"),
    "cool_output": (1018, "int32", 1, 100, "thermal_power", "W", False, "Heat taken from the air"),
    "cool_demand": (1020, "int32", 1, 100, "thermal_power", "W", False, "Heat that should be taken"),
    "power": (1022, "uint32", 1, 1, "wattmeter", "W", True, "Electric power of the in-row cooler"),
    "filter_pressure": (1024, "int16", 1, 1, "pressure", "Pa", True, "Pressure drop over the air filter"),
    "fan_1_speed": (1025, "uint16", 10, 1, "fanspeed", "%", False, "Fan 1"),
    "fan_2_speed": (1026, "uint16", 10, 1, "fanspeed", "%", False, "Fan 2"),
    "fan_3_speed": (1027, "uint16", 10, 1, "fanspeed", "%", False, "Fan 3"),
    "running": (1030, "bool", 1, 1, "state", "state", True, "1 while the cooler runs"),
}
INROW_CARD = {
    "rack_inlet": "Hottest rack inlet",
    "supply_air": "Air to the cold aisle",
    "return_air": "Air from the hot aisle",
    "water_in": "Chilled water, inlet",
}
POE_GROUPS = ("access points", "cameras", "door locks", "1-wire cards, Z1.1", "1-wire cards, Z1.2")
POE_GROUPS += (
    "1-wire cards, Z1.4",
    "1-wire cards, Z1.5",
    "badge readers",
    "telephones",
    "screens",
    "lights",
    "spare",
)


def cooler() -> Iterator[str]:
    yield "inrow:"
    for key, (register, kind, divisor, factor, sensor_type, unit, counted, info) in INROW.items():
        fields: dict[str, Scalar] = {"name": f"inrow_{key}", "register": register, "type": kind}
        fields |= {"modbus_divide_by": divisor} if divisor != 1 else {}
        fields |= {"modbus_multiply_by": factor} if factor != 1 else {}
        fields |= {"modbus_length": 2} if kind.endswith("32") else {}
        fields |= {"sensor_type": sensor_type, "unit": unit, "info": info}
        yield from entry(
            f"inrow_{key}",
            fields | ({} if counted else {"exclude_from_aggregation": True}),
            ("modbus_inrow",),
        )
    for index, (key, info) in enumerate(INROW_CARD.items(), 1):
        name = f"inrow_card_{key}"
        fields = {"name": name, "index": index, "info": info, "exclude_from_aggregation": True}
        yield from entry(name, fields, ("snmp_inrow", "temperature"))


def poe() -> Iterator[str]:
    yield "poe:"
    for group, use in enumerate(POE_GROUPS, 1):
        yield from entry(
            f"poe_{group}", {"name": f"poe_{group}", "index": group, "info": f"PoE, {use}"}, ("poe",)
        )


# what one solar network reports: (key, sensor type, unit, info)
NETWORK = (
    ("power", "wattmeter", "W", "power to the bus"),
    ("string_a_voltage", "voltmeter", "V", "string A, voltage"),
    ("string_a_current", "ammeter", "A", "string A, current"),
    ("string_b_voltage", "voltmeter", "V", "string B, voltage"),
    ("string_b_current", "ammeter", "A", "string B, current"),
    ("panel_temperature", "temperature", "celsius", "temperature of the panels"),
    ("energy", "energy_meter", "kWh", "energy since the counter was reset"),
)
BATTERY = (
    ("power", "wattmeter", "W", "power to the bus, negative while it charges"),
    ("charge", "charge_meter", "%", "state of charge"),
    ("voltage", "voltmeter", "V", "voltage"),
    ("current", "ammeter", "A", "current, negative while it charges"),
    ("temperature", "temperature", "celsius", "temperature of the cells"),
)
WEATHER = (
    ("temperature", "temperature", "celsius", "air temperature outside"),
    ("irradiance", "irradiance", "W/m2", "global irradiance"),
    ("wind_speed", "anemometer", "m/s", "wind speed"),
    ("wind_direction", "wind_vane", "deg", "wind direction, 0 is north"),
    ("humidity", "humidity_meter", "%", "relative humidity outside"),
    ("pressure", "pressure", "hPa", "air pressure"),
    ("rain", "rain_gauge", "mm/h", "rain"),
)
BOARD = (
    ("grid_voltage", "voltmeter", "V", "grid voltage"),
    ("grid_frequency", "frequency", "Hz", "grid frequency"),
    ("cabinet_temperature", "temperature", "celsius", "inside the cabinet"),
)


def entech() -> Iterator[str]:
    """Float32 in consecutive registers: networks from 2000 (20 each), battery 2200, weather 2300, board 2400."""
    blocks = [(f"network{n}", 2000 + 20 * (n - 1), NETWORK) for n in NETWORKS]
    blocks += [("battery1", 2200, BATTERY), ("weather", 2300, WEATHER), ("board", 2400, BOARD)]
    yield "entech_sensors:"
    for block, first, quantities in blocks:
        for i, (key, sensor_type, unit, info) in enumerate(quantities):
            name = f"{block}_{key}"
            fields: dict[str, Scalar | Sequence[str]] = {"name": name, "register": first + 2 * i}
            fields |= {"sensor_type": sensor_type, "unit": unit, "info": f"{block}: {info}"}
            if name == "weather_temperature":
                fields["tags"] = ["outside_temperature"]
            if unit in (
                "W",
                "celsius",
            ):  # produced power and roof temperatures would blur the room's aggregates
                fields["exclude_from_aggregation"] = True
            yield from entry(name, fields, ("modbus_entech", "float32"))


# name: (unit id, address, info) and name: info
SOCOMEC = {
    "socomec_condenser": (3, 18476, "Condenser and chiller"),
    "socomec_servers": (4, 18476, "Feed of all racks (the plugs are below it)"),
    "socomec_pumps": (5, 20524, "Chilled water pumps"),
}
FLUKSO = {
    "flukso_roof_fan_1": "Roof fan 1",
    "flukso_roof_fan_2": "Roof fan 2",
    "flukso_lighting": "Lighting",
    "flukso_sockets": "Wall sockets",
    "flukso_security": "Fire detection and access control",
}


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


# --- the trees ------------------------------------------------------------------------------------------------


def node(
    key: str, name: str, children: Sequence[str] = (), target: str = "", more: Fields | None = None
) -> Iterator[str]:
    fields: dict[str, Scalar | Sequence[str]] = {"id": key, "name": name}
    fields |= {"children": children} if children else {}
    fields |= {"target": target} if target else {}
    yield from entry(key, fields | dict(more or {}), indent=0)


def equipment_nodes(name: str, rack: str) -> Iterator[str]:
    feeds = [f"{rack}{feed}" for feed in "01"]
    yield from node(slug(name), name, [f"{slug(name)}_{feed.replace('.', '_')}" for feed in feeds])
    for feed in feeds:
        key = f"{slug(name)}_{feed.replace('.', '_')}"
        yield from node(key, f"{name}, pdu-{feed}", target=f"{name}_pdu-{feed}")


def consumption() -> Iterator[str]:
    yield from node(
        "datacenter", "Data centre", ["hardware_cluster", "cooling", "auxiliary"], more={"root": True}
    )
    simplified: Fields = {"simplified_children": ["servers_feed"]}
    yield from node("hardware_cluster", "Servers and network", ["servers", "network"], more=simplified)
    yield from node("servers_feed", "Feed of all racks", target="socomec_servers")
    yield from node("servers", "Servers", [f"rack_{slug(rack)}" for rack in RACKS])
    for rack, numbers in RACKS.items():
        # Servers are written with a hyphen here and an underscore below, as deployments do.
        yield from node(f"rack_{slug(rack)}", f"Rack {rack}", [f"ecotype-{n}" for n in numbers])
        for n in numbers:
            yield from equipment_nodes(f"ecotype-{n}", rack)
    yield from node("network", "Network", list(SWITCHES))
    for name, rack in SWITCHES.items():
        yield from equipment_nodes(name, rack)
    cooling = {"inrow": ("In-row cooler", "inrow_power")}
    cooling |= {
        f"cooling_{k.split('_', 1)[1]}": (v[2], k) for k, v in SOCOMEC.items() if k != "socomec_servers"
    }
    cooling |= {f"cooling_{k.split('_', 1)[1]}": (FLUKSO[k], k) for k in list(FLUKSO)[:2]}
    yield from node("cooling", "Cooling", list(cooling))
    auxiliary = {f"auxiliary_{k.split('_', 1)[1]}": (FLUKSO[k], k) for k in list(FLUKSO)[2:]}
    yield from node("auxiliary", "Auxiliary", [*auxiliary, "poe"])
    for key, (title, sensor) in (cooling | auxiliary).items():
        yield from node(key, title, target=sensor)
    yield from node("poe", "PoE switch", [f"poe_{i}" for i in range(1, len(POE_GROUPS) + 1)])
    for i, use in enumerate(POE_GROUPS, 1):
        yield from node(f"poe_{i}", f"PoE, {use}", target=f"poe_{i}")


def production() -> Iterator[str]:
    yield from node(
        "overall_production", "Overall production", ["solar_panels", "battery1"], more={"root": True}
    )
    yield from node("solar_panels", "Solar panels", [f"network{n}" for n in NETWORKS])
    for n in NETWORKS:
        yield from node(f"network{n}", f"Solar network {n}", target=f"network{n}_power")
    yield from node("battery1", "Battery 1", target="battery1_power")


# --- racks, probes, room, commands ------------------------------------------------------------------------------


def racks() -> Iterator[str]:
    yield from ("name: ecotype", "site: example", "racks:")
    for rack, numbers in RACKS.items():
        yield f"  {rack}:"
        for n, unit in zip(numbers, SERVER_UNITS, strict=True):
            yield from entry(f"ecotype-{n}", {"position": unit, "type": "compute"}, indent=4)
        for name in (s for s, r in SWITCHES.items() if r == rack):
            yield from entry(name, {"position": 42, "type": "switch"}, indent=4)


def temperature() -> Iterator[str]:
    rack_now, side_now = "", ""
    for rack, side, unit, address in rack_probes():
        if rack != rack_now:
            yield f"{rack}:"
        if (rack, side) != (rack_now, side_now):
            yield f"  {side}:"
        rack_now, side_now = rack, side
        at = [f"ecotype-{n}" for n, u in zip(RACKS[rack], SERVER_UNITS, strict=True) if u == unit]
        tags = at if side != "top" else []
        yield from entry(str(unit), {"serie": address, "tags": tags}, indent=4)
    yield from ("room:", "  top:")
    yield from entry("1", {"serie": ROOM_PROBE, "tags": []}, indent=4)


def room() -> Iterator[str]:
    columns = {"Z1.1": 82, "Z1.2": 70, "Z1.4": 48, "Z1.5": 36}
    arrays: list[tuple[str, str, str, float, float, list[str]]] = []
    board = [f"battery1_{q[0]}" for q in BATTERY] + [f"board_{q[0]}" for q in BOARD]
    for rack, x in columns.items():
        for feed in "01":
            sensors = [f"{name}_{pdu}" for pdu, _, name in outlets() if pdu == f"pdu-{rack}{feed}"]
            info = f"Plugs of rack {rack}, feed {feed}"
            arrays.append((f"pdu-{rack}{feed}", info, "blue", x + 3 - 6 * int(feed), 25, sensors))
        for side, y in (("back", 25), ("front", 74), ("top", 50)):
            sensors = [a for r, s, _, a in rack_probes() if (r, s) == (rack, side)]
            arrays.append(
                (f"temp.{rack.lower()}.{side}", f"Probes of rack {rack}, {side}", "yellow", x, y, sensors)
            )
    arrays += [
        ("temp.room", "Probes of the room", "yellow", 24, 45, [ROOM_PROBE, *EXTRA_PROBES]),
        ("inrow", "In-row cooler", "green", 59, 50, [f"inrow_{k}" for k in INROW]),
        (
            "inrow_card",
            "Management card of the in-row cooler",
            "green",
            59,
            62,
            [f"inrow_card_{k}" for k in INROW_CARD],
        ),
        ("poe", "PoE switch", "blue", 48, 12, [f"poe_{i}" for i in range(1, len(POE_GROUPS) + 1)]),
        ("socomec", "Socomec meters", "blue", 93, 85, list(SOCOMEC)),
        ("flukso", "Flukso meter", "blue", 93, 65, list(FLUKSO)),
        ("solar", "Solar panels", "green", 10, 20, [f"network{n}_{q[0]}" for n in NETWORKS for q in NETWORK]),
        ("battery1", "Battery and control board", "green", 10, 50, board),
        ("weather", "Weather station", "yellow", 10, 80, [f"weather_{q[0]}" for q in WEATHER]),
    ]
    outside = {"solar", "weather"}
    for key, info, color, x, y, sensors in arrays:
        location = "roof" if key in outside else "server room"
        yield from entry(key, {"name": key, "info": info, "location": location, "color": color}, indent=0)
        yield f"  coordinates: {{x: '{x:g}%', y: '{y:g}%'}}"
        yield "  sensors:"
        yield from (f"  - {plain(s)}" for s in sensors)


def command(
    indent_key: str, merge: Sequence[str], fields: Fields, values: Mapping[str, int] | None = None
) -> Iterator[str]:
    yield f"    {indent_key}:"
    yield from entry("how", fields, merge, indent=6)
    if values:
        yield "        values:"
        for state, number in values.items():
            yield f"          {state}: {{expected_value: {number}}}"


def commands() -> Iterator[str]:
    boolean: Fields = {"type": "bool"}
    yield "classes:"
    yield from entry("little_endian", {"byteorder": "<", "wordorder": "<"}, anchor="little_endian")
    yield from entry("big_endian", {"byteorder": ">", "wordorder": ">"}, anchor="big_endian")
    yield from entry("inrow", {"ip": LOOPBACK, "port": 15021}, ("big_endian",), "inrow")
    yield from entry("entech", {"ip": LOOPBACK, "port": 15022}, ("little_endian",), "entech")
    yield from ("inrow:", "  name: In-row cooler", "  actions:")
    for title, register, value in (
        ("start", 1030, 1),
        ("stop", 1030, 0),
        ("fans_auto", 1031, 0),
        ("fans_full", 1031, 1),
    ):
        yield from command(
            title, ("inrow",), {"action": "write", "register": register, "value": value, **boolean}
        )
    yield "  properties:"
    yield from command(
        "status", ("inrow",), {"action": "read", "register": 1030, **boolean}, {"active": 1, "inactive": 0}
    )
    yield from command(
        "fans", ("inrow",), {"action": "read", "register": 1031, **boolean}, {"auto": 0, "full": 1}
    )
    yield from command("cool_setpoint", ("inrow",), {"action": "read", "register": 1005, "type": "int16"})
    for n in NETWORKS:
        yield from (f"network{n}:", f"  name: Solar network {n}", "  actions:")
        for title, register, value in (
            ("activate", 3100, 1),
            ("deactivate", 3100, 0),
            ("reset_energy_counter", 3102, 1),
        ):
            where = {"action": "write", "register": register + 10 * n, "value": value, **boolean}
            yield from command(title, ("entech",), where)
        yield "  properties:"
        where = {"action": "read", "register": 3100 + 10 * n, **boolean}
        yield from command("status", ("entech",), where, {"active": 1, "inactive": 0})


def main(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    groups = (classes(), plugs(), probes(), cooler(), poe(), entech(), meters())
    write(folder / "sensors.yaml", (line for group in groups for line in group))
    files = {"multitree": consumption, "production": production, "racks": racks}
    files |= {"temperature": temperature, "room_map": room, "commands": commands}
    for name, lines in files.items():
        write(folder / f"{name}.yaml", lines())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
