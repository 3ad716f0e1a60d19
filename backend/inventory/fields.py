"""Readers of single values, and a cursor over a file that collects what is wrong instead of stopping at it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Address
from typing import Final, Generic, TypeVar

import yaml
from yaml.constructor import SafeConstructor

from backend.core.errors import Fault
from backend.inventory.document import Leaf, Map, Seq, Value, describe, join

_YAML: Final = SafeConstructor()

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """How to read a value; `read` raises ValueError where it is not what is `expected`.

    What is `secret` is not shown when it is wrong.
    """

    expected: str
    read: Callable[[Value], T_co]
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A value of a file, or the place where one is missing (`value` None), with its path.

    `line` is the value's, or that of the map it is missing from.
    """

    file: str
    path: str
    value: Value | None
    faults: list[Fault]
    line: int | None = None

    def __getitem__(self, key: str) -> Item:
        """What stands under a key; the place is missing where this is no map or has no such key."""
        value = self.value.entries.get(key) if isinstance(self.value, Map) else None
        line = value.line if value is not None else self.line
        return Item(self.file, join(self.path, key), value, self.faults, line)

    @property
    def missing(self) -> bool:
        """Nothing here: no key, or a key without a value."""
        return self.value is None or (isinstance(self.value, Leaf) and self.value.tag == "null")

    def fault(self, expected: str, found: str | None = None) -> None:
        self.faults.append(Fault(self.file, self.path, found or describe(self.value), expected, self.line))

    def get(self, kind: Kind[T], default: T) -> T:
        """The value; `default` where there is none, and where it is wrong, which is a fault."""
        return default if self.missing else self.need(kind, default)

    def need(self, kind: Kind[T], placeholder: T) -> T:
        """The value. A missing or wrong one is a fault, and reading goes on with the placeholder."""
        if self.value is not None and not self.missing:
            try:
                return kind.read(self.value)
            except (ValueError, ArithmeticError, LookupError):
                pass
        self.fault(kind.expected, "something else (not shown)" if kind.secret and not self.missing else None)
        return placeholder

    def items(self, expected: str = "a map") -> Iterator[tuple[str, Item]]:
        """Entries of a map; none where there is nothing; anything else is a fault."""
        if isinstance(self.value, Map):
            for key in self.value.entries:
                yield key, self[key]
        elif not self.missing:
            self.fault(expected)

    def list(self, expected: str = "a list") -> Iterator[Item]:
        """Members of a list; a single scalar counts as a list of one."""
        if isinstance(self.value, Seq):
            for i, member in enumerate(self.value.items):
                yield Item(self.file, f"{self.path}[{i}]", member, self.faults, member.line)
        elif isinstance(self.value, Leaf) and not self.missing:
            yield self
        elif not self.missing:
            self.fault(expected)

    def key(self, key: str) -> Item:
        """The same place, with its key as the value."""
        return replace(self, value=Leaf(key, "str", self.line or 1))

    def texts(self) -> tuple[str, ...]:
        return tuple(member.need(NAME, "") for member in self.list("a list of texts"))


def _text(value: Value) -> str:
    if not isinstance(value, Leaf) or value.tag == "null":
        raise ValueError
    return value.text.strip()


def _name(value: Value) -> str:
    text = _text(value)
    if not text or not text.isprintable() or len(text) > 200:
        raise ValueError
    return text


def _number(value: Value) -> float:
    if not isinstance(value, Leaf) or value.tag not in ("int", "float", "str"):
        raise ValueError
    if value.tag == "int":
        return float(_int(value))
    scalar = yaml.ScalarNode(value.tag, value.text)
    result = float(value.text) if value.tag == "str" else float(_YAML.construct_yaml_float(scalar))
    if not math.isfinite(result):
        raise ValueError
    return result


def _int(value: Value) -> int:
    if not isinstance(value, Leaf):
        raise ValueError
    if value.tag == "int":
        return int(_YAML.construct_yaml_int(yaml.ScalarNode(value.tag, value.text)))
    if value.tag == "str":
        return int(value.text)
    number = _number(value)
    if not number.is_integer():
        raise ValueError
    return int(number)


def _flag(value: Value) -> bool:
    try:
        return _FLAGS[_text(value).lower()]
    except KeyError:
        raise ValueError from None


_FLAGS: Final = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}

TEXT: Final = Kind("a text", _text)
NAME: Final = Kind("a name (printable, at most 200 characters)", _name)
FLAG: Final = Kind("true or false", _flag)


def integer(low: int, high: int | None = None, what: str = "") -> Kind[int]:
    """A whole number of [low, high]; a text that spells one will do."""
    span = f"from {low} to {high}" if high is not None else f"of at least {low}"

    def read(value: Value) -> int:
        number = _int(value)
        if number < low or (high is not None and number > high):
            raise ValueError
        return number

    return Kind(f"{what or 'a whole number'} {span}", read)


def number(accept: Callable[[float], bool] = lambda _: True, expected: str = "a number") -> Kind[float]:
    def read(value: Value) -> float:
        result = _number(value)
        if not accept(result):
            raise ValueError
        return result

    return Kind(expected, read)


def one_of(choices: dict[str, T]) -> Kind[T]:
    """One of the keys, in any case; reads to its value."""

    def read(value: Value) -> T:
        try:
            return choices[_text(value).lower()]
        except KeyError:
            raise ValueError from None

    return Kind("one of " + ", ".join(choices), read)


def matching(pattern: str, expected: str, secret: bool = False) -> Kind[str]:
    compiled = re.compile(pattern)

    def read(value: Value) -> str:
        text = _text(value)
        if not compiled.fullmatch(text):
            raise ValueError
        return text

    return Kind(expected, read, secret)


_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def from_environment(kind: Kind[T]) -> Kind[T]:
    """What may be written as `${NAME}`: the environment variable of that name, so that no secret stands in the file."""

    def read(value: Value) -> T:
        match = _VARIABLE.fullmatch(value.text.strip()) if isinstance(value, Leaf) else None
        if match is None:
            return kind.read(value)
        return kind.read(Leaf(os.environ[match[1]], "str", value.line))

    return Kind(f"{kind.expected}, or ${{NAME}} of an environment variable that holds it", read, kind.secret)


def _host(value: Value) -> str:
    text = _text(value)
    if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.:-]*[A-Za-z0-9])?", text, re.ASCII):
        raise ValueError
    if re.fullmatch(r"[0-9.]+", text):
        try:
            IPv4Address(text)
        except AddressValueError:
            raise ValueError from None
    return text


HOST: Final = Kind("an IP address or a host name", _host)
PORT: Final = integer(1, 65535, "a port")
