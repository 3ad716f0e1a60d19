"""Commands to equipment, as those who give them see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class PropertyValue:
    """What a property shows: the number, and the name of the state that it stands for, None where it stands for none.

    `error` says why there is no number.
    """

    name: str
    value: float | None
    state: str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ActionResult:
    """A write that the device has acknowledged, and what was read back.

    `confirmed`: whether a property shows what was written; None where none shows this register. `shown` are the properties
    that do.
    """

    target: str
    action: str
    confirmed: bool | None
    shown: Sequence[PropertyValue] = field(default_factory=tuple)


class Equipment(Protocol):
    """Equipment that takes commands. Raises `UserError`, `TransientError`, `PermanentError`."""

    @property
    def targets(self) -> Mapping[str, Any]:
        """The description's targets by id: `id, name, actions, properties`."""
        ...

    async def read_properties(self, target: str) -> Sequence[PropertyValue]:
        """All properties in the order of the description."""
        ...

    async def run_action(self, target: str, action: str) -> ActionResult:
        """Write, and read back."""
        ...
