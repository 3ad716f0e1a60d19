"""Writes examples/datacenter, the description of a realistic data centre. Every run writes the same files.

    python -m scripts.make_example [FOLDER]

Every device listens on loopback, on its own port, so that simulators can replace all of them:

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

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from scripts.example_plan import RACK_COLUMNS, plan
from scripts.example_sensors import LOOPBACK, sensors
from scripts.example_site import (
    BATTERY,
    BOARD,
    EXTRA_PROBES,
    FLUKSO,
    INROW,
    INROW_CARD,
    NETWORK,
    NETWORKS,
    POE_GROUPS,
    RACKS,
    ROOM_PROBE,
    SERVER_UNITS,
    SOCOMEC,
    SWITCHES,
    WEATHER,
    outlets,
    rack_probes,
)
from scripts.example_trees import consumption, production
from scripts.example_yaml import Fields, entry, plain, write

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "datacenter"


def racks() -> Iterator[str]:
    yield from ("name: ecotype", "site: example", "racks:")
    for rack, numbers in RACKS.items():
        yield f"  {rack}:"
        for n, unit in zip(numbers, SERVER_UNITS, strict=True):
            yield from entry(f"ecotype-{n}", {"position": unit, "type": "compute"}, indent=4)
        for name in (s for s, r in SWITCHES.items() if r == rack):
            yield from entry(name, {"position": 42, "type": "switch"}, indent=4)


def temperature() -> Iterator[str]:
    last_rack, last_side = "", ""
    for rack, side, unit, address in rack_probes():
        if rack != last_rack:
            yield f"{rack}:"
        if (rack, side) != (last_rack, last_side):
            yield f"  {side}:"
        last_rack, last_side = rack, side
        servers = [f"ecotype-{n}" for n, u in zip(RACKS[rack], SERVER_UNITS, strict=True) if u == unit]
        tags = servers if side != "top" else []
        yield from entry(str(unit), {"serie": address, "tags": tags}, indent=4)
    yield from ("room:", "  top:")
    yield from entry("1", {"serie": ROOM_PROBE, "tags": []}, indent=4)


def room() -> Iterator[str]:
    arrays: list[tuple[str, str, str, float, float, list[str]]] = []
    board = [f"battery1_{q[0]}" for q in BATTERY] + [f"board_{q[0]}" for q in BOARD]
    for rack, x in RACK_COLUMNS.items():
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
    for key, info, color, left, top, sensors in arrays:
        location = "roof" if key in outside else "server room"
        yield from entry(key, {"name": key, "info": info, "location": location, "color": color}, indent=0)
        yield f"  coordinates: {{x: '{left:g}%', y: '{top:g}%'}}"
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
            fields = {"action": "write", "register": register + 10 * n, "value": value, **boolean}
            yield from command(title, ("entech",), fields)
        yield "  properties:"
        fields = {"action": "read", "register": 3100 + 10 * n, **boolean}
        yield from command("status", ("entech",), fields, {"active": 1, "inactive": 0})


def main(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = {"sensors": sensors, "multitree": consumption, "production": production, "racks": racks}
    files |= {"temperature": temperature, "room_map": room, "commands": commands}
    for name, lines in files.items():
        write(folder / f"{name}.yaml", lines())
    (folder / "room_plan.svg").write_text("\n".join(plan()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
