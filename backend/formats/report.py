"""Result of reading a file: counts, and the faults with their places."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

MAX_EXAMPLES: Final = 20
MAX_MEASUREMENTS: Final = 1000
_MAX_LENGTH: Final = 100


class Fault(Exception):
    """One line or row that is not a reading: what was found, and what was expected."""

    def __init__(self, actual: str, expected: str) -> None:
        super().__init__(actual, expected)
        self.actual = actual
        self.expected = expected


@dataclass(frozen=True, slots=True)
class LocatedFault:
    """A fault and its place; `line` counts from 1, also for rows of a binary file."""

    line: int
    actual: str
    expected: str

    def __str__(self) -> str:
        return f"line {self.line}: found {self.actual}; expected {self.expected}"


@dataclass(slots=True)
class Tally:
    """Counts of a file, updated while it is read.

    readings   rows that are readings
    skipped    points of other measurements, by measurement
    wrong      lines that are neither; the first of them are in `examples`
    """

    readings: int = 0
    wrong: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    examples: list[LocatedFault] = field(default_factory=list)

    def fault(self, line: int, fault: Fault) -> None:
        self.wrong += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(LocatedFault(line, fault.actual, fault.expected))

    def skip(self, measurement: bytes) -> None:
        name = measurement.decode(errors="replace")
        known = name in self.skipped or len(self.skipped) < MAX_MEASUREMENTS
        self.skipped[name if known else "others"] += 1


def quoted(text: bytes | str) -> str:
    """Return a text for output: quoted, shortened, on one line, without control characters."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return repr(text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…")
