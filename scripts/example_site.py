"""The facts of the example data centre: the places of its equipment and the sensors of each device."""

from __future__ import annotations

from collections.abc import Iterator

RACKS = {"Z1.1": range(37, 49), "Z1.2": range(25, 37), "Z1.4": range(13, 25), "Z1.5": range(1, 13)}
SWITCHES = {"switch-prod-1": "Z1.5", "switch-prod-2": "Z1.2", "switch-mgmt": "Z1.4"}
PDUS = [f"pdu-{rack}{feed}" for rack in RACKS for feed in "01"]
SERVER_UNITS = range(32, 8, -2)
"""Heights in U of a rack's twelve servers, the first at the top."""
PROBE_UNITS = (1, 5, *sorted(SERVER_UNITS), 37, 42)
NETWORKS = range(1, 9)
ROOM_PROBE = "28b8fb2909000003"


def one_wire(number: int) -> str:
    """Return the address of a DS18B20 with this serial number: family, serial (low byte first), checksum."""
    body = bytes([0x28]) + (0x0909000000 + number * 0x01F3B7 + 0xA1C4).to_bytes(6, "little")
    crc = 0
    for byte in body:
        for bit in range(8):
            crc = (crc >> 1) ^ (0x8C if (crc ^ byte >> bit) & 1 else 0)
    return (body + bytes([crc])).hex()


def rack_probes() -> list[tuple[str, str, int, str]]:
    """Return (rack, side, U, 1-wire address) of every probe in a rack."""
    places = [
        (rack, side, unit)
        for rack in RACKS
        for side, units in (("front", PROBE_UNITS), ("back", PROBE_UNITS), ("top", (41, 42)))
        for unit in units
    ]
    return [(*place, one_wire(i)) for i, place in enumerate(places)]


EXTRA_PROBES = {one_wire(900 + i): place for i, place in enumerate(("aisle door", "window", "ceiling"))}


def outlets() -> Iterator[tuple[str, int, str]]:
    """Yield (PDU, outlet, equipment) of every metered outlet."""
    for pdu in PDUS:
        rack = pdu[len("pdu-") : -1]
        names = [f"ecotype-{n}" for n in RACKS[rack]] + [s for s, r in SWITCHES.items() if r == rack]
        yield from ((pdu, outlet, name) for outlet, name in enumerate(names, 1))


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
    "cool_setpoint": (1005, "int16", 10, 1, "temperature", "celsius", False, "Rack inlet setpoint"),
    "supply_air_setpoint": (1006, "int16", 10, 1, "temperature", "celsius", False, "Supply air setpoint"),
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
    "cool_output": (1018, "int32", 1, 100, "thermal_power", "W", False, "Heat removed from the air"),
    "cool_demand": (1020, "int32", 1, 100, "thermal_power", "W", False, "Cooling demand"),
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
POE_GROUPS = (
    "access points",
    "cameras",
    "door locks",
    "1-wire cards, Z1.1",
    "1-wire cards, Z1.2",
    "1-wire cards, Z1.4",
    "1-wire cards, Z1.5",
    "badge readers",
    "telephones",
    "screens",
    "lights",
    "spare",
)


# The sensors of one solar network: (key, sensor type, unit, info)
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
