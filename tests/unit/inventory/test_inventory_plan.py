"""The picture of the room: accepted formats, and faults."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from backend.core.errors import Fault
from backend.inventory.room_plan import MAX_BYTES, picture

SVG = '<svg xmlns="http://www.w3.org/2000/svg" {}><rect width="1" height="1"/></svg>'


def png(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + b"\0" * 8
    )


def read(folder: Path, name: str, content: bytes | str) -> tuple[float | None, list[Fault]]:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    faults: list[Fault] = []
    plan = picture(folder, faults)
    return (plan.aspect if plan else None), faults


def test_a_folder_without_a_picture_has_none(tmp_path: Path) -> None:
    faults: list[Fault] = []
    assert picture(tmp_path, faults) is None
    assert faults == []


@pytest.mark.parametrize(
    ("name", "content", "aspect"),
    [
        ("room_plan.svg", SVG.format('viewBox="0 0 300 200"'), 1.5),
        ("room_plan.svg", SVG.format('viewBox="-5,-5,300.5,150.25" width="100%"'), 2.0),
        ("room_plan.svg", SVG.format('width="40mm" height="20mm"'), 2.0),
        ("room_plan.png", png(640, 480), 640 / 480),
    ],
)
def test_the_picture_has_its_aspect_ratio(
    tmp_path: Path, name: str, content: bytes | str, aspect: float
) -> None:
    assert read(tmp_path, name, content) == (pytest.approx(aspect), [])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("room_plan.svg", ""),
        ("room_plan.svg", "<html><body/></html>"),
        ("room_plan.svg", '<svg viewBox="0 0 3 2"/>'),
        ("room_plan.svg", SVG.format('width="100%"')),
        ("room_plan.svg", SVG.format('viewBox="0 0 0 2"')),
        ("room_plan.svg", SVG.format('viewBox="0 0 3 2"')[:-3]),
        ("room_plan.svg", '<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG.format('viewBox="0 0 3 2"')),
        ("room_plan.png", b"\x89PNG\r\n\x1a\n"),
        ("room_plan.png", b"GIF89a" + b"\0" * 40),
        ("room_plan.png", png(0, 5)),
        ("room_plan.png", png(5, 5) + b"\0" * MAX_BYTES),
    ],
)
def test_any_other_file_is_a_fault(tmp_path: Path, name: str, content: bytes | str) -> None:
    aspect, faults = read(tmp_path, name, content)
    assert aspect is None
    assert [f.file for f in faults] == [name]


def test_two_pictures_are_a_fault(tmp_path: Path) -> None:
    (tmp_path / "room_plan.png").write_bytes(png(3, 2))
    aspect, faults = read(tmp_path, "room_plan.svg", SVG.format('viewBox="0 0 3 2"'))
    assert aspect is None
    assert [f.expected for f in faults] == ["one picture of the room"]
