"""Commands to equipment: reading its properties and running its actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class PropertyValue:
    """The value of a property.

    value  the number; None if it could not be read
    state  the name of the state that the number stands for; None if it has none
    error  the reason why there is no number
    """

    name: str
    value: float | None
    state: str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ActionResult:
    """An acknowledged write, and the properties that were read back.

    confirmed  whether the read-back values match the written one; None if no property reads this register
    read_back  the properties that read this register
    """

    target: str
    action: str
    confirmed: bool | None
    read_back: Sequence[PropertyValue] = field(default_factory=tuple)


class CommandPort(Protocol):
    """Equipment that accepts commands. Raises `UserError`, `TransientError`, `PermanentError`."""

    @property
    def targets(self) -> Mapping[str, Any]:
        """The targets of the description by id: `id, name, actions, properties`."""
        ...

    async def read_properties(self, target: str) -> Sequence[PropertyValue]:
        """Read all properties, in the order of the description."""
        ...

    async def run_action(self, target: str, action: str) -> ActionResult:
        """Write the action's value and read it back."""
        ...
