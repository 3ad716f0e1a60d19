"""From a folder of YAML files to an `Inventory`, or to all that is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from backend.core.errors import DescriptionError, Fault
from backend.inventory import commands, document, labels, places, plan, sensors, trees
from backend.inventory.model import Inventory

REQUIRED: Final = (sensors.FILE, trees.CONSUMPTION)
FILES: Final = (
    *REQUIRED,
    trees.PRODUCTION,
    places.RACKS,
    places.TEMPERATURE,
    places.ROOM,
    commands.FILE,
)
"""The files of a description; those that are not required may be absent."""


def load(folder: Path) -> Inventory:
    """Read the description in `folder`.

    Raises `DescriptionError` with every fault of every file; nothing else, whatever the files hold.
    """
    faults: list[Fault] = []
    if not folder.is_dir():
        raise DescriptionError([Fault(str(folder), "", "no such folder", "a folder of YAML files")])
    tops = {name: document.read(folder, name, name in REQUIRED, faults) for name in FILES}
    units = places.rack_units(tops[places.RACKS], faults)
    # Where sensors.yaml cannot be read at all, that is the fault, and not every name of a sensor elsewhere.
    unreadable = any(f.file == sensors.FILE and not f.path for f in faults)
    found = sensors.sensors(tops[sensors.FILE], units, faults)
    known = None if unreadable else found
    consumption = trees.tree("consumption", trees.CONSUMPTION, tops[trees.CONSUMPTION], known, faults)
    production = trees.empty("production", "overall_production")
    if tops[trees.PRODUCTION].entries:
        described = trees.tree("production", trees.PRODUCTION, tops[trees.PRODUCTION], known, faults)
        production = described or production
    if consumption is not None:
        trees.check_shared(consumption, production, faults)
    site = places.site(tops[places.RACKS], units, faults)
    probes = places.probes(tops[places.TEMPERATURE], known, units, faults)
    room = places.room(tops[places.ROOM], known, faults)
    drawn = plan.picture(folder, faults)
    targets = commands.commands(tops[commands.FILE], faults)
    if faults or consumption is None:
        raise DescriptionError(_in_order(faults))
    explicit = {name: s.label for name, s in found.items() if s.label != name}
    texts = labels.derive_labels(found, explicit, (consumption, production), site, probes)
    labelled = {name: replace(s, label=texts[name]) for name, s in found.items()}
    return Inventory(MappingProxyType(labelled), consumption, production, site, probes, room, targets, drawn)


def _in_order(faults: list[Fault]) -> list[Fault]:
    """By file, then by line; each fault once, though an alias may lead to it often, and on one line."""
    rank = {name: i for i, name in enumerate(FILES)}
    unique = dict.fromkeys(
        replace(f, path=_one_line(f.path), actual=_one_line(f.actual), expected=_one_line(f.expected))
        for f in faults
    )
    return sorted(unique, key=lambda f: (rank.get(f.file, len(rank)), f.line or 0))


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
