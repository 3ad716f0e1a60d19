"""The ports on the way of a reading from a device to the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from backend.core.reading import Readings


class Sink(Protocol):
    """The destination of the readings of a crawler."""

    async def push(self, readings: Readings) -> None:
        """Return when the readings are durable. Raises `TransientError` if they are not."""
        ...


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rejected element of a push: its index in the push, the sensor it named, and the reason."""

    index: int
    sensor: str
    reason: str


@dataclass(frozen=True, slots=True)
class PushResult:
    """The result of a push: `accepted` readings are durable; a rejected element is never accepted unchanged."""

    accepted: int
    rejected: Sequence[Rejection] = ()


class CardReceiver(Protocol):
    """The receiver of the pushes of the temperature cards."""

    async def accept_cards(self, body: bytes) -> PushResult:
        """Return when the valid elements of a card's request are durable.

        Raises `UserError` if the body holds no element at all, `TransientError` if nothing can be stored now.
        """
        ...


class Spool(Protocol):
    """A durable first-in-first-out queue of readings."""

    async def append(self, readings: Readings) -> None:
        """Return when the readings are on disk (fsync is done). Raises `SpoolFull`."""
        ...

    async def peek(self, max_rows: int) -> tuple[int, Readings]:
        """Return the oldest readings, about `max_rows`, in their order of arrival, and a position for `remove_up_to`.

        Waits until the spool holds a reading.
        """
        ...

    async def remove_up_to(self, position: int) -> None:
        """Remove all readings up to the position. The caller has stored them elsewhere."""
        ...

    @property
    def depth(self) -> int:
        """Number of readings in the spool."""
        ...
