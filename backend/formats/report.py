"""What a reader found: counts, and what was wrong where."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

MOST_TOLD: Final = 20
MOST_MEASUREMENTS: Final = 1000
_LONGEST: Final = 100


class Fault(Exception):
    """One line or row that is no reading: what was found, and what was expected instead."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found, expected)
        self.found = found
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Wrong:
    """A fault and its place; `line` counts from 1, a row of a binary file likewise."""

    line: int
    found: str
    expected: str

    def __str__(self) -> str:
        return f"line {self.line}: found {self.found}; expected {self.expected}"


@dataclass(slots=True)
class Tally:
    """Counted as it is read.

    readings   rows that are readings
    skipped    points of other measurements, by measurement
    wrong      lines that are neither; the first of them are in `told`
    """

    readings: int = 0
    wrong: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    told: list[Wrong] = field(default_factory=list)

    def fault(self, line: int, fault: Fault) -> None:
        self.wrong += 1
        if len(self.told) < MOST_TOLD:
            self.told.append(Wrong(line, fault.found, fault.expected))

    def skip(self, measurement: bytes) -> None:
        name = measurement.decode(errors="replace")
        known = name in self.skipped or len(self.skipped) < MOST_MEASUREMENTS
        self.skipped[name if known else "others"] += 1


def shown(text: bytes | str) -> str:
    """Some of a text as it may be printed: one line, nothing a terminal would obey."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return repr(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")
