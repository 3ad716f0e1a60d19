"""What readers hand out, and the table of sensors that they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from backend.core.ports import SensorTags
from backend.core.reading import Float64, Int32, Int64, Readings
from backend.core.windows import NS_PER_SECOND
from backend.formats.report import Fault, shown

BATCH_ROWS: Final = 250_000
"""Rows at which a batch is handed on: stores like few large writes."""

EARLIEST_NS: Final = 946_684_800 * NS_PER_SECOND
"""2000-01-01. What is older is a time read with the wrong precision, or of a device that lost its clock."""

MAX_SENSORS: Final = 100_000
LONGEST_NAME: Final = 255
EXPECTED_NAME: Final = f"a name of 1 to {LONGEST_NAME} printable characters that does not end in a backslash"


@dataclass(frozen=True, slots=True)
class Mark:
    """Where to go on: bytes, or rows of a binary file, that are behind it, and lines."""

    position: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Readings in the order of the file, what the file says of their sensors, and where it goes on after them."""

    readings: Readings
    tags: Mapping[str, SensorTags]
    mark: Mark


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """n rows of a `Sensors` table: `codes` int32, `times` int64 ns, `values` float64."""

    codes: Int32
    times: Int64
    values: Float64

    def __len__(self) -> int:
        return len(self.times)


class Sensors:
    """The sensors met so far, and the last tags said of each."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.tags: dict[str, SensorTags] = {}
        self._codes: dict[str, int] = {}

    def code(self, name: str, tags: SensorTags | None = None) -> int:
        """Raises Fault for a name that cannot be one."""
        code = self._codes.get(name)
        if code is None:
            if not name_ok(name):
                raise Fault(f"the sensor {shown(name)}", EXPECTED_NAME)
            if len(self.names) >= MAX_SENSORS:
                raise Fault(f"one more sensor, {shown(name)}", f"at most {MAX_SENSORS:,} of them")
            code = self._codes[name] = len(self.names)
            self.names.append(name)
        if tags is not None:
            self.tags[name] = tags
        return code


def name_ok(name: str) -> bool:
    """Whether every format can carry the name."""
    return 0 < len(name) <= LONGEST_NAME and name.isprintable() and not name.endswith("\\")


def check_time(time_ns: int, latest_ns: int, found: bytes | str) -> int:
    """The time, or a Fault that says what it reads as."""
    if EARLIEST_NS <= time_ns <= latest_ns:
        return time_ns
    expected = f"a time from 2000 to {when(latest_ns)}; is --precision right?"
    raise Fault(f"the time {shown(found)}, which is {when(time_ns)}", expected)


def when(time_ns: int) -> str:
    try:
        return datetime.fromtimestamp(time_ns // NS_PER_SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "out of all range"


def tags_of(said: Mapping[str, str]) -> SensorTags | None:
    """The three tags that are kept, from all that a file says; None where it says none of them."""
    kept = {key: said.get(key, "") for key in ("location", "sensor_type", "unit")}
    good = {
        key: value if len(value) <= LONGEST_NAME and value.isprintable() and not value.endswith("\\") else ""
        for key, value in kept.items()
    }
    return SensorTags(**good) if any(good.values()) else None
