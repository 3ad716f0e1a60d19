"""The difference between two descriptions, shown before one replaces the other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from backend.inventory.model import Inventory, Sensor

_MAX_LISTED = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """Names of sensors and of tree nodes. `changed` maps a sensor to its changes. `others` are the other parts that differ."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, str]
    nodes_added: tuple[str, ...]
    nodes_removed: tuple[str, ...]
    nodes_changed: tuple[str, ...]
    others: tuple[str, ...]

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self))

    def lines(self) -> Iterable[str]:
        """Yield the difference as text. Long lists are cut short."""
        yield from _count_and_list("sensors added", self.added)
        yield from _count_and_list("sensors removed", self.removed)
        yield from _count_and_list(
            "sensors changed", [f"{name}: {text}" for name, text in self.changed.items()]
        )
        yield from _count_and_list("nodes added", self.nodes_added)
        yield from _count_and_list("nodes removed", self.nodes_removed)
        yield from _count_and_list("nodes changed", self.nodes_changed)
        if self.others:
            yield f"also changed: {', '.join(self.others)}"
        if not self:
            yield "nothing differs"


def difference(old: Inventory, new: Inventory) -> Difference:
    """Return the changes from the old description to the new one."""
    before, after = _nodes(old), _nodes(new)
    common = [name for name in new.sensors if name in old.sensors]
    parts = {
        "racks": "site",
        "temperature probes": "probes",
        "room": "room",
        "floor plan": "plan",
        "commands": "commands",
    }
    return Difference(
        added=tuple(name for name in new.sensors if name not in old.sensors),
        removed=tuple(name for name in old.sensors if name not in new.sensors),
        changed={
            n: _describe(old.sensors[n], new.sensors[n]) for n in common if old.sensors[n] != new.sensors[n]
        },
        nodes_added=tuple(name for name in after if name not in before),
        nodes_removed=tuple(name for name in before if name not in after),
        nodes_changed=tuple(name for name in after if name in before and before[name] != after[name]),
        others=tuple(text for text, name in parts.items() if getattr(old, name) != getattr(new, name)),
    )


def _nodes(inventory: Inventory) -> dict[str, object]:
    return {**inventory.consumption.by_id, **inventory.production.by_id}


def _describe(old: Sensor, new: Sensor) -> str:
    return "; ".join(_fields("", old, new))


def _fields(prefix: str, old: Any, new: Any) -> Iterable[str]:
    """Yield the fields that differ. Values that are left out of a record's `repr`, such as keys, are not shown."""
    for f in fields(new):
        a, b = getattr(old, f.name), getattr(new, f.name)
        if a == b:
            continue
        name = f"{prefix}{f.name}"
        if is_dataclass(a) and is_dataclass(b) and type(a) is type(b):
            yield from _fields(f"{name}.", a, b)
        elif not f.repr:
            yield f"{name} (not shown)"
        else:
            yield f"{name} {a!r} -> {b!r}"


def _count_and_list(title: str, names: Iterable[str]) -> Iterable[str]:
    listed = list(names)
    if listed:
        yield f"{title}: {len(listed)}"
        yield from (f"  {name}" for name in listed[:_MAX_LISTED])
        if len(listed) > _MAX_LISTED:
            yield f"  and {len(listed) - _MAX_LISTED} more"
