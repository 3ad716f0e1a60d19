"""Validation of one description file with pydantic: all faults at once, each with its line and key path.

pydantic sees plain maps and lists whose scalars are still `Leaf`. An error's location leads back to the file's line.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Final, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from backend.core.errors import Fault
from backend.inventory.document import Leaf, Map, Seq, Value, describe, join
from backend.inventory.values import PLACEHOLDER, Name, is_null, wrong_value

_MAX_ROUNDS: Final = 10
_KEY: Final = "[key]"
"""The end of a location in pydantic where the key itself is wrong."""

Location: TypeAlias = Sequence[str | int]
M = TypeVar("M", bound=BaseModel)


class Entry(BaseModel):
    """A map with known keys. Unknown keys are ignored, and a key without a value counts as absent."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    expected_map: ClassVar[str] = "a map"
    """The text of the fault where something else stands in place of the map."""

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_keys(cls, data: Any) -> Any:
        if data is PLACEHOLDER:
            data = {}
        if not isinstance(data, dict):
            raise wrong_value(cls.expected_map)
        # A required key without a value fails in its own type, which has the text of the fault.
        required = {f.alias or name: None for name, f in cls.model_fields.items() if f.is_required()}
        return required | {key: value for key, value in data.items() if not is_null(value)}


def map_of(expected: str, ignored_keys: Collection[str] = ()) -> BeforeValidator:
    """Return metadata of a `dict` type. Nothing counts as an empty map, and anything else is a fault."""

    def accept(value: object) -> object:
        if is_null(value) or value is PLACEHOLDER:
            return {}
        if not isinstance(value, dict):
            raise wrong_value(expected)
        return {key: member for key, member in value.items() if key not in ignored_keys}

    return BeforeValidator(accept)


def _accept_list(value: object) -> object:
    if isinstance(value, list):
        return value
    if isinstance(value, Leaf):
        return [value]
    if value is PLACEHOLDER:
        return []
    raise wrong_value("a list of texts")


Names: TypeAlias = Annotated[tuple[Name, ...], BeforeValidator(_accept_list)]
"""A list of names. A single scalar counts as a list of one."""


@dataclass(slots=True)
class SourceFile:
    """A file of the description while it is read; `faults` collects all that is wrong in it."""

    name: str
    top: Map
    faults: list[Fault] = field(default_factory=list)

    def validate(self, model: type[M], context: dict[str, Any] | None = None) -> M:
        """Return the content as the model. Each wrong value becomes a fault.

        The result has a default or a substitute in its place, so that later checks find the faults beside it.
        """
        data = _plain(self.top, {})
        for attempt in range(_MAX_ROUNDS):
            try:
                return model.model_validate(data, context=context)
            except ValidationError as error:
                for details in error.errors(include_url=False, include_input=False):
                    location = details["loc"]
                    if attempt == 0:
                        self._add(location, details.get("ctx", {}), details["msg"])
                    _repair(data, location)
        return model.model_validate({}, context=context)

    def fault(self, location: Location, expected: str, actual: str | None = None) -> None:
        """Add a fault at a location, such as `("pdu", "server-1", "ip")`. `actual` is what stands there."""
        path, value, line = self._locate(location)
        self.faults.append(Fault(self.name, path, actual or describe(value), expected, line))

    def path(self, location: Location) -> str:
        return self._locate(location)[0]

    def _add(self, location: Location, context: dict[str, Any], message: str) -> None:
        expected = context.get("expected", message)
        if location and location[-1] == _KEY:
            self.fault(location[:-1], expected, repr(location[-2]))
        else:
            self.fault(location, expected, "something else (not shown)" if context.get("secret") else None)

    def _locate(self, location: Location) -> tuple[str, Value | None, int | None]:
        """Return path, value and line. Of a missing value, the line is that of the map that lacks it."""
        path, line = "", None
        value: Value | None = self.top
        for part in location:
            if isinstance(part, int):
                if not isinstance(value, Seq):
                    break  # a single scalar in place of a list
                path, value = f"{path}[{part}]", value.items[part]
            elif isinstance(value, Map) or value is None:
                path, value = join(path, part), None if value is None else value.entries.get(part)
            else:
                break  # a scalar in place of a map
            line = value.line if value is not None else line
        return path, value, line


def _plain(value: Value, done: dict[int, Any]) -> Any:
    """Return maps as dicts and lists as lists, each once, however many aliases lead to it. Scalars stay as they are."""
    if isinstance(value, Leaf):
        return value
    if id(value) not in done:
        if isinstance(value, Map):
            done[id(value)] = {key: _plain(member, done) for key, member in value.entries.items()}
        else:
            done[id(value)] = [_plain(member, done) for member in value.items]
    return done[id(value)]


def _repair(data: dict[str, Any], location: Location) -> None:
    """Put a placeholder at a location, or take out the entry whose key is wrong."""
    here: Any = data
    for part, following in pairwise([*location, None]):
        if isinstance(here, list) and isinstance(part, int):
            here[part] = PLACEHOLDER
            return
        if not isinstance(here, dict):
            return
        if following == _KEY:
            here.pop(part, None)
        elif following is None or isinstance(here.get(part), Leaf):
            here[part] = PLACEHOLDER
            return
        elif here.get(part) in (None, PLACEHOLDER):
            here[part] = {}
        here = here.get(part)
