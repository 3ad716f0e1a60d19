"""Loads a folder of YAML files into an `Inventory`, or reports all faults in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from backend.core.errors import DescriptionError, Fault
from backend.inventory import commands, document, labels, places, room_plan, sensors, trees
from backend.inventory.model import Inventory
from backend.inventory.validation import SourceFile

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
    """Return the description in `folder`.

    Raises `DescriptionError` with every fault of every file, and no other error, whatever the files hold.
    """
    if not folder.is_dir():
        raise DescriptionError([Fault(str(folder), "", "no such folder", "a folder of YAML files")])
    faults: list[Fault] = []
    files = {name: _open(folder, name, faults) for name in FILES}
    units = places.rack_units(files[places.RACKS])
    # If sensors.yaml cannot be read at all, the names of sensors in other files are no faults of their own.
    unreadable = any(f.file == sensors.FILE and not f.path for f in faults)
    names = None if unreadable else sensors.names(files[sensors.FILE])
    unlabelled, explicit = sensors.sensors(files[sensors.FILE], units)
    consumption = trees.tree("consumption", files[trees.CONSUMPTION], names)
    production = trees.empty("production", "overall_production")
    if files[trees.PRODUCTION].top.entries:
        production = trees.tree("production", files[trees.PRODUCTION], names) or production
    if consumption is not None:
        faults += trees.shared_id_faults(consumption, production)
    site = places.site(files[places.RACKS], units)
    probes = places.probes(files[places.TEMPERATURE], names, units)
    room = places.room(files[places.ROOM], names)
    picture = room_plan.picture(folder, faults)
    targets = commands.commands(files[commands.FILE])
    if faults or consumption is None:
        raise DescriptionError(_in_order(faults))
    texts = labels.derive_labels(unlabelled, explicit, (consumption, production), site, probes)
    labelled = {name: replace(sensor, label=texts[name]) for name, sensor in unlabelled.items()}
    return Inventory(
        MappingProxyType(labelled), consumption, production, site, probes, room, targets, picture
    )


def _open(folder: Path, name: str, faults: list[Fault]) -> SourceFile:
    return SourceFile(name, document.read(folder, name, name in REQUIRED, faults), faults)


def _in_order(faults: Sequence[Fault]) -> list[Fault]:
    """Return the faults by file and line, each once, though several aliases may lead to it."""
    rank = {name: i for i, name in enumerate(FILES)}
    unique = dict.fromkeys(
        replace(f, path=_one_line(f.path), actual=_one_line(f.actual), expected=_one_line(f.expected))
        for f in faults
    )
    return sorted(unique, key=lambda f: (rank.get(f.file, len(rank)), f.line or 0))


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
