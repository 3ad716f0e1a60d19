"""A small YAML writer with anchors and merge keys, which PyYAML cannot write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

Scalar = str | int | float | bool
Fields = Mapping[str, "Scalar | Sequence[str]"]

HEADER = """\
# yaml-language-server: $schema=../../docs/schema/{name}.schema.json
# Written by scripts/make_example.py; change the script, not this file.
"""
WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def plain(value: Scalar) -> str:
    """Return a scalar as YAML. Strings are quoted unless YAML certainly reads them as strings."""
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
    """Yield the lines of one map under a key, with its merge keys first."""
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
    path.write_text(HEADER.format(name=path.stem) + "\n".join(lines) + "\n", encoding="utf-8")


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", name.lower())
