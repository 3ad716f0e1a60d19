"""commands.yaml: what may be written to equipment, and what shows its state."""

from __future__ import annotations

from typing import Final

from backend.core.errors import Fault
from backend.inventory.document import Leaf, Map
from backend.inventory.fields import HOST, PORT, TEXT, Item, integer, number, one_of
from backend.inventory.model import CommandAction, CommandProperty, CommandTarget
from backend.inventory.sensors import ORDER, REGISTER, TYPE, UNIT_ID

FILE: Final = "commands.yaml"

_VALUE: Final = integer(-(2**31), 2**32 - 1, "a register's value")


def commands(top: Map, faults: list[Fault]) -> tuple[CommandTarget, ...]:
    targets = []
    for key, item in Item(FILE, "", top, faults).items():
        if key == "classes":
            continue
        if not isinstance(item.value, Map):
            item.fault("a map with actions and properties")
            continue
        actions = dict(item["actions"].items("a map from actions to how they are done"))
        properties = dict(item["properties"].items("a map from properties to how they are read"))
        ip, port, unit_id = _device([entry["how"] for entry in (*actions.values(), *properties.values())])
        targets.append(
            CommandTarget(
                id=key,
                name=item["name"].get(TEXT, key),
                ip=ip,
                port=port,
                unit_id=unit_id,
                actions=tuple(_action(name, entry) for name, entry in actions.items()),
                properties=tuple(_property(name, entry) for name, entry in properties.items()),
            )
        )
    return tuple(targets)


def _device(hows: list[Item]) -> tuple[str, int, int]:
    """The one device that all of an equipment's commands go to."""
    device: tuple[str, int, int] | None = None
    for how in hows:
        if not isinstance(how.value, Map):
            how.fault("a map that says how")
            continue
        mine = how["ip"].need(HOST, ""), how["port"].get(PORT, 502), how["unit_id"].get(UNIT_ID, 1)
        if device is None:
            device = mine
        elif mine != device and mine[0]:
            found = f"{mine[0]}:{mine[1]}, unit {mine[2]}"
            how.fault(f"the device of the equipment's other commands, {device[0]}:{device[1]}", found)
    return device or ("", 502, 1)


def _action(name: str, item: Item) -> CommandAction:
    how = item["how"]
    if not isinstance(how.value, Map):
        return CommandAction(name, 0, 0)
    how["action"].get(one_of({"write": "write"}), "write")
    value = how["value"]
    flag = value.value
    if isinstance(flag, Leaf) and flag.tag == "bool":
        number_of = int(flag.text.lower() in ("true", "yes", "on"))
    else:
        number_of = value.need(_VALUE, 0)
    return CommandAction(name, how["register"].need(REGISTER, 0), number_of, item["title"].get(TEXT, ""))


def _property(name: str, item: Item) -> CommandProperty:
    how = item["how"]
    if not isinstance(how.value, Map):
        return CommandProperty(name, 0, "int16")
    how["action"].get(one_of({"read": "read"}), "read")
    values = {
        state: (entry["expected_value"] if isinstance(entry.value, Map) else entry).need(number(), 0.0)
        for state, entry in how["values"].items("a map from states to expected values")
    }
    return CommandProperty(
        name=name,
        register=how["register"].need(REGISTER, 0),
        type=how["type"].get(TYPE, "int16"),
        byteorder=how["byteorder"].get(ORDER, "<"),
        wordorder=how["wordorder"].get(ORDER, "<"),
        values=values,
        title=item["title"].get(TEXT, ""),
    )
