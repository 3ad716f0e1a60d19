"""room_plan.svg or room_plan.png: a picture of the room from above, the background of the floor plan."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from xml.parsers import expat

from backend.core.errors import Fault
from backend.inventory.model import RoomPlan

SVG: Final = "room_plan.svg"
PNG: Final = "room_plan.png"
PICTURES: Final = (SVG, PNG)
MAX_BYTES: Final = 4 * 1024 * 1024

_NAMESPACE: Final = "http://www.w3.org/2000/svg"
_NUMBER: Final = r"\d+(?:\.\d+)?"
_LENGTH: Final = re.compile(rf"\s*({_NUMBER})(?:px|pt|mm|cm|in|em)?\s*")
_PNG_HEAD: Final = struct.Struct(">8s4x4sII")


def picture(folder: Path, faults: list[Fault]) -> RoomPlan | None:
    """Return the picture in `folder`, or None where there is none or it has faults, which are added to `faults`."""
    names = [name for name in PICTURES if (folder / name).is_file()]
    if len(names) > 1:
        faults.append(Fault(names[0], "", " and ".join(names), "one picture of the room"))
    if len(names) != 1:
        return None
    name = names[0]
    try:
        size = (folder / name).stat().st_size
        content = (folder / name).read_bytes() if size <= MAX_BYTES else b""
    except OSError as cause:
        faults.append(Fault(name, "", cause.strerror or "unreadable", "a file that can be read"))
        return None
    if not content:
        faults.append(Fault(name, "", f"{size} bytes", f"a picture of 1 to {MAX_BYTES} bytes"))
        return None
    sides, expected = (
        (_svg(content), "an SVG drawing without a DOCTYPE, with a viewBox or a width and a height")
        if name == SVG
        else (_png(content), "a PNG picture")
    )
    if sides is None:
        faults.append(Fault(name, "", "another format", expected))
        return None
    kind = "image/svg+xml" if name == SVG else "image/png"
    return RoomPlan(kind, sides[0] / sides[1], content, hashlib.sha256(content).hexdigest()[:16])


def _png(content: bytes) -> tuple[float, float] | None:
    """Return width and height in pixels, or None where it is no PNG picture."""
    if len(content) < _PNG_HEAD.size:
        return None
    magic, chunk, width, height = _PNG_HEAD.unpack_from(content)
    return (
        (width, height) if magic == b"\x89PNG\r\n\x1a\n" and chunk == b"IHDR" and width and height else None
    )


def _svg(content: bytes) -> tuple[float, float] | None:
    """Return width and height in units of the drawing, or None where it is no such drawing.

    A DOCTYPE is refused, because it can define entities that grow without bounds.
    """
    roots: list[tuple[str, Mapping[str, str]]] = []
    parser = expat.ParserCreate(namespace_separator=" ")

    def doctype(*_: object) -> None:
        raise ValueError("DOCTYPE")

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        if not roots:
            roots.append((tag, attributes))

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = start
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError):
        return None
    tag, attributes = roots[0]
    return _sides(attributes) if tag == f"{_NAMESPACE} svg" else None


def _sides(attributes: Mapping[str, str]) -> tuple[float, float] | None:
    box = re.findall(_NUMBER, attributes.get("viewBox", ""))
    lengths = [_LENGTH.fullmatch(attributes.get(side, "")) for side in ("width", "height")]
    sides = box[2:] if len(box) == 4 else [length[1] for length in lengths if length]
    if len(sides) != 2 or not all(float(side) > 0 for side in sides):
        return None
    return float(sides[0]), float(sides[1])
