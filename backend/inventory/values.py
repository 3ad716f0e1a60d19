"""Types of single values in the description: how to read each, and what to say where it is wrong.

Values are read from the text as written. A 1-wire address of digits alone thus stays a text, and a port may be quoted.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated, Any, Final, Generic, TypeAlias, TypeVar

import yaml
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from yaml.constructor import SafeConstructor

from backend.inventory.document import Leaf

MAX_NAME_LENGTH: Final = 200

_YAML: Final = SafeConstructor()
_FLAGS: Final = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(
    ("false", "no", "off", "0"), False
)
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

T = TypeVar("T")
JsonSchema: TypeAlias = dict[str, Any]


class Placeholder:
    """Takes the place of a faulty value, so that the rest of its map can still be checked."""


PLACEHOLDER: Final = Placeholder()

SCALAR_SCHEMA: Final[JsonSchema] = {"type": ["string", "number", "boolean"]}
"""Any scalar: YAML takes unquoted digits for a number where the description means a text."""


def wrong_value(expected: str, *, secret: bool = False) -> PydanticCustomError:
    """Return the error that becomes a `Fault`. A secret value is not shown."""
    return PydanticCustomError("description", "{expected}", {"expected": expected, "secret": secret})


def is_null(value: object) -> bool:
    return value is None or (isinstance(value, Leaf) and value.tag == "null")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """The type of a scalar, as metadata of `Annotated`.

    `read` raises ValueError where the value is not what is `expected`. A `secret` value is not shown in a fault. `substitute`
    stands for a faulty value while the rest of the file is checked.
    """

    expected: str
    read: Callable[[Leaf], T]
    substitute: T
    schema: JsonSchema = field(default_factory=lambda: SCALAR_SCHEMA, hash=False)
    secret: bool = False

    def validate(self, value: object) -> T:
        """Return what `read` makes of a scalar or a key. Raises the error of a wrong value."""
        if value is PLACEHOLDER:
            return self.substitute
        leaf = Leaf(value, "str", 0) if isinstance(value, str) else value
        if isinstance(leaf, Leaf) and not is_null(leaf):
            try:
                return self.read(leaf)
            except (ValueError, ArithmeticError, LookupError):
                pass
        raise wrong_value(self.expected, secret=self.secret and not is_null(value))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return dict(self.schema)


@dataclass(frozen=True, slots=True)
class InContext(Generic[T]):
    """A kind whose limits stand elsewhere in the description: `kind_of` makes it from the validation context.

    `widest` is the context with the widest limits, which the JSON Schema shows.
    """

    kind_of: Callable[[Mapping[str, Any]], Kind[T]]
    widest: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: object, info: ValidationInfo) -> T:
            return self.kind_of(info.context or {}).validate(value)

        return core_schema.with_info_plain_validator_function(validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return dict(self.kind_of(self.widest).schema)


def as_key(kind: Kind[Any]) -> Kind[str]:
    """Return a kind for the keys of a map. It checks a key and leaves it as written."""

    def read(leaf: Leaf) -> str:
        kind.read(leaf)
        return leaf.text

    return replace(kind, read=read, substitute="")


def integer(low: int, high: int | None = None, what: str = "a whole number") -> Kind[int]:
    """A whole number from `low` to `high`, both included. A text that spells one is read too."""
    limits = f"from {low} to {high}" if high is not None else f"of at least {low}"

    def read(leaf: Leaf) -> int:
        result = _read_int(leaf)
        if result < low or (high is not None and result > high):
            raise ValueError
        return result

    bounds: JsonSchema = {"minimum": low} if high is None else {"minimum": low, "maximum": high}
    number_schema: JsonSchema = {"type": "integer", **bounds}
    text_schema: JsonSchema = {"type": "string", "pattern": r"^\s*[-+]?[0-9_]+\s*$"}
    return Kind(f"{what} {limits}", read, low, {"anyOf": [number_schema, text_schema]})


def number(accept: Callable[[float], bool] = lambda _: True, expected: str = "a number") -> Kind[float]:
    """A finite number that `accept` takes. A text that spells one is read too."""

    def read(leaf: Leaf) -> float:
        result = _read_number(leaf)
        if not accept(result):
            raise ValueError
        return result

    return Kind(expected, read, 1.0, {"type": ["number", "string"]})


def one_of(choices: Mapping[str, T]) -> Kind[T]:
    """One of the keys, in any case. It reads to the key's value."""

    def read(leaf: Leaf) -> T:
        return choices[_read_text(leaf).lower()]

    texts: list[Any] = list(choices)
    numbers = [int(text) for text in texts if text.isdigit()]
    substitute = next(iter(choices.values()))
    return Kind("one of " + ", ".join(choices), read, substitute, {"enum": [*texts, *numbers]})


def matching(pattern: str, expected: str, secret: bool = False) -> Kind[str]:
    """A text that the pattern matches in full."""
    compiled = re.compile(pattern)

    def read(leaf: Leaf) -> str:
        text = _read_text(leaf)
        if not compiled.fullmatch(text):
            raise ValueError
        return text

    return Kind(expected, read, "", {**SCALAR_SCHEMA, "pattern": f"^(?:{pattern})$"}, secret)


def from_environment(kind: Kind[T]) -> Kind[T]:
    """A value that may be written as `${NAME}`, so that no secret stands in a file. It is then read from the environment."""

    def read(leaf: Leaf) -> T:
        match = _VARIABLE.fullmatch(leaf.text.strip())
        return kind.read(leaf if match is None else Leaf(os.environ[match[1]], "str", leaf.line))

    expected = f"{kind.expected}, or ${{NAME}} of an environment variable that holds it"
    return replace(kind, expected=expected, read=read, schema=SCALAR_SCHEMA)


def _read_text(leaf: Leaf) -> str:
    return leaf.text.strip()


def _read_name(leaf: Leaf) -> str:
    text = _read_text(leaf)
    if not text or not text.isprintable() or len(text) > MAX_NAME_LENGTH:
        raise ValueError
    return text


def _read_int(leaf: Leaf) -> int:
    if leaf.tag == "int":
        return int(_YAML.construct_yaml_int(yaml.ScalarNode(leaf.tag, leaf.text)))
    if leaf.tag == "str":
        return int(leaf.text)
    result = _read_number(leaf)
    if not result.is_integer():
        raise ValueError
    return int(result)


def _read_number(leaf: Leaf) -> float:
    if leaf.tag not in ("int", "float", "str"):
        raise ValueError
    if leaf.tag == "int":
        return float(_read_int(leaf))
    scalar = yaml.ScalarNode(leaf.tag, leaf.text)
    result = float(leaf.text) if leaf.tag == "str" else float(_YAML.construct_yaml_float(scalar))
    if not math.isfinite(result):
        raise ValueError
    return result


def _read_flag(leaf: Leaf) -> bool:
    return _FLAGS[_read_text(leaf).lower()]


def _read_host(leaf: Leaf) -> str:
    text = _read_text(leaf)
    if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.:-]*[A-Za-z0-9])?", text, re.ASCII):
        raise ValueError
    if re.fullmatch(r"[0-9.]+", text):
        try:
            IPv4Address(text)
        except AddressValueError:
            raise ValueError from None
    return text


TEXT: Final = Kind("a text", _read_text, "")
NAME: Final = Kind(f"a name (printable, at most {MAX_NAME_LENGTH} characters)", _read_name, "")
FLAG: Final = Kind(
    "true or false", _read_flag, False, {"enum": [True, False, "yes", "no", "on", "off", 1, 0]}
)
HOST: Final = Kind("an IP address or a host name", _read_host, "", {"type": "string"})
PORT: Final = integer(1, 65535, "a port")

Text: TypeAlias = Annotated[str, TEXT]
Name: TypeAlias = Annotated[str, NAME]
NameKey: TypeAlias = Annotated[str, as_key(NAME)]
Flag: TypeAlias = Annotated[bool, FLAG]
Host: TypeAlias = Annotated[str, HOST]
Port: TypeAlias = Annotated[int, PORT]
