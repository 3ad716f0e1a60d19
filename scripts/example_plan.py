"""Draws the floor plan of the example: walls, aisles and racks at the places of room_map.yaml."""

from __future__ import annotations

from collections.abc import Iterator

WIDTH, HEIGHT = 1200, 800
RACK_COLUMNS = {"Z1.1": 82, "Z1.2": 70, "Z1.4": 48, "Z1.5": 36}
"""Middle of each rack, in percent of the width."""

# One grey that is visible on light and on dark backgrounds.
_STYLE = (
    ".wall{fill:none;stroke:#87919b;stroke-width:5}.thin{fill:none;stroke:#87919b;stroke-opacity:.7;stroke-width:2}"
    ".rack{fill:#87919b;fill-opacity:.16;stroke:#87919b;stroke-width:2}.cold{fill:#3a8fd0;fill-opacity:.09}"
    ".warm{fill:#d07a3a;fill-opacity:.09}.way{fill:none;stroke:#87919b;stroke-width:2;stroke-dasharray:7 6}"
    "text{fill:#87919b;font:500 17px system-ui,sans-serif;text-anchor:middle}"
)


def plan() -> Iterator[str]:
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
    yield "<!-- Written by scripts/make_example.py; change the script, not this file. -->"
    yield f"<style>{_STYLE}</style>"
    yield _box("warm", 22, 17, 66, 16)
    yield _box("cold", 22, 66, 66, 16)
    yield _box("wall", 0.5, 0.8, 99, 98.4)
    for name, center in RACK_COLUMNS.items():
        yield _box("rack", center - 5, 34, 10, 31)
        yield _text(name, center, 61)
    yield _box("rack", 55.5, 34, 7, 31)
    for x, y, way in ((17, 5, 90), (88, 5, 90)):
        yield _line("thin", x, y, x, y + way)
    for x in (17, 88):
        yield _line("way", x, 86, x, 96)
    yield _box("thin", 4, 9, 12, 22)
    yield _line("thin", 4, 20, 16, 20)
    yield _box("thin", 4, 43, 12, 14)
    yield _box("thin", 89.5, 58, 7, 34)
    yield _box("thin", 43, 7, 10, 7)
    labels: tuple[tuple[str, float, float], ...] = (
        ("Roof", 10, 5.5),
        ("Batteries", 10, 62),
        ("Weather", 10, 88),
        ("Warm aisle", 28, 20.5),
        ("Cold aisle", 28, 80.5),
        ("Server room", 59, 94),
        ("Power", 93, 55),
    )
    for text, left, top in labels:
        yield _text(text, left, top)
    yield "</svg>"


def _box(kind: str, x: float, y: float, width: float, height: float) -> str:
    left, top, wide, high = x * WIDTH / 100, y * HEIGHT / 100, width * WIDTH / 100, height * HEIGHT / 100
    return f'<rect class="{kind}" x="{left:g}" y="{top:g}" width="{wide:g}" height="{high:g}" rx="3"/>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    points = (x1 * WIDTH / 100, y1 * HEIGHT / 100, x2 * WIDTH / 100, y2 * HEIGHT / 100)
    return '<line class="{}" x1="{:g}" y1="{:g}" x2="{:g}" y2="{:g}"/>'.format(kind, *points)


def _text(text: str, x: float, y: float) -> str:
    return f'<text x="{x * WIDTH / 100:g}" y="{y * HEIGHT / 100:g}">{text}</text>'
