"""Reads a YAML file into plain values that keep their line. Texts stay as written and merge keys are resolved.

libyaml reads the file as YAML 1.1 where it is installed. Only its node graph is used: a 1-wire address of digits stays a
text, a repeated key is a fault, and no tag can build an object.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from backend.core.errors import Fault

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG: Final = "tag:yaml.org,2002:"
_MAX_DEPTH: Final = 50
_MERGE: Final = _TAG + "merge"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar: `text` as written, and `tag`, its type in YAML 1.1 (`str`, `int`, `float`, `bool`, `null`, ...)."""

    text: str
    tag: str
    line: int


@dataclass(frozen=True, slots=True)
class Seq:
    """A list."""

    items: tuple[Value, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Map:
    """A map: its own entries in the order of the file, then the merged ones."""

    entries: Mapping[str, Value]
    line: int


Value: TypeAlias = Leaf | Seq | Map


def describe(value: Value | None) -> str:
    """Return a few words on a value, for a fault."""
    if value is None or (isinstance(value, Leaf) and value.tag == "null"):
        return "nothing"
    if isinstance(value, Leaf):
        short = value.text if len(value.text) <= 60 else value.text[:57] + "..."
        return repr(short) if value.tag == "str" else short
    return "a map" if isinstance(value, Map) else "a list"


def read(folder: Path, name: str, required: bool, faults: list[Fault]) -> Map:
    """Return the top map of a file. A file that cannot be read adds to `faults` and gives an empty map."""
    empty = Map({}, 1)
    try:
        text = _decode((folder / name).read_bytes())
        _refuse_depth(text)
        node = yaml.compose(text, Loader=_Loader)
    except FileNotFoundError:
        if required:
            faults.append(Fault(name, "", "no such file", f"a file {name} in {folder}"))
        return empty
    except OSError as error:
        faults.append(Fault(name, "", (error.strerror or "an error").lower(), "a file that can be read"))
        return empty
    except yaml.YAMLError as error:
        faults.append(_syntax(name, error))
        return empty
    except UnicodeError as error:
        faults.append(Fault(name, "", f"bytes that are not text ({error})", "a text in UTF-8"))
        return empty
    except ValueError as error:
        faults.append(Fault(name, "", f"unreadable content ({error})", "YAML"))
        return empty
    if node is None or node.tag == _TAG + "null":
        if required:
            faults.append(Fault(name, "", "an empty file", "a map"))
        return empty
    return _top(name, node, faults)


def _top(name: str, node: yaml.Node, faults: list[Fault]) -> Map:
    builder = _Builder(name, faults)
    try:
        value = builder.build(node, "")
    except RecursionError:
        faults.append(Fault(name, "", "maps or lists nested too deeply", "the keys of the description"))
        return Map({}, 1)
    if isinstance(value, Map):
        return value
    faults.append(Fault(name, "", describe(value), "a map", value.line))
    return Map({}, 1)


def _decode(data: bytes) -> str:
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if data.startswith(mark):
            return data.decode("utf-16")
    return data.decode("utf-8-sig")


def _refuse_depth(text: str) -> None:
    """Raise ValueError for maps and lists nested deeper than any description. libyaml would overrun the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise ValueError(f"maps or lists nested more than {_MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _syntax(name: str, error: yaml.YAMLError) -> Fault:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(p for p in (error.context, error.problem) if p)
        return Fault(name, "", f"a mistake in the YAML ({problem})", "YAML", mark.line + 1 if mark else None)
    reason = getattr(error, "reason", None) or "not readable"
    return Fault(name, "", f"a mistake in the YAML ({reason})", "YAML")


def join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


@dataclass(slots=True)
class _Builder:
    """Turns nodes into values, each node once, however many aliases lead to it."""

    file: str
    faults: list[Fault]
    built: dict[int, Value] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)

    def build(self, node: yaml.Node, path: str) -> Value:
        built = self.built.get(id(node))
        if built is not None:
            return built
        line = node.start_mark.line + 1 if node.start_mark else 1
        if isinstance(node, yaml.ScalarNode):
            value: Value = Leaf(node.value, node.tag.removeprefix(_TAG), line)
        elif id(node) in self.open:
            self._fault(path, "a circular alias", "no circular alias", line)
            return Leaf("", "null", line)
        else:
            self.open.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                items = (self.build(n, f"{path}[{i}]") for i, n in enumerate(node.value))
                value = Seq(tuple(items), line)
            else:
                value = Map(self._entries(node, path), line)
            self.open.discard(id(node))
        self.built[id(node)] = value
        return value

    def _entries(self, node: yaml.Node, path: str) -> dict[str, Value]:
        own: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1 if key_node.start_mark else 1
            if key_node.tag == _MERGE:
                # Of two merge keys the later wins, of a list of maps the earlier, as YAML readers do.
                merged = {**merged, **self._merged(value_node, path, line)}
            elif not isinstance(key_node, yaml.ScalarNode):
                kind = "a list" if isinstance(key_node, yaml.SequenceNode) else "a map"
                self._fault(path, f"{kind} as a key", "a text as a key", line)
            elif key_node.value in own:
                duplicate = f"duplicate key (first at line {own[key_node.value].line})"
                self._fault(join(path, key_node.value), duplicate, "a unique key", line)
            else:
                own[key_node.value] = self.build(value_node, join(path, key_node.value))
        return own | {k: v for k, v in merged.items() if k not in own}

    def _merged(self, node: yaml.Node, path: str, line: int) -> dict[str, Value]:
        value = self.build(node, join(path, "<<"))
        entries: dict[str, Value] = {}
        for part in value.items if isinstance(value, Seq) else (value,):
            if isinstance(part, Map):
                entries = {**part.entries, **entries}
            else:
                self._fault(join(path, "<<"), describe(part), "a map, or a list of maps, to merge", line)
        return entries

    def _fault(self, path: str, actual: str, expected: str, line: int) -> None:
        self.faults.append(Fault(self.file, path, actual, expected, line))
