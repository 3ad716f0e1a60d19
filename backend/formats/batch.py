"""Batches of readings that the readers return, and the table of sensors that the readers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from backend.core.ports import SensorTags
from backend.core.reading import Float64, Int32, Int64, Readings
from backend.core.windows import NS_PER_SECOND
from backend.formats.report import Fault, quoted

BATCH_ROWS: Final = 250_000
"""Rows at which a batch is passed on: stores prefer few large writes."""

EARLIEST_NS: Final = 946_684_800 * NS_PER_SECOND
"""2000-01-01. An older time was read with the wrong precision, or comes from a device that lost its clock."""

MAX_SENSORS: Final = 100_000
MAX_NAME_LENGTH: Final = 255
EXPECTED_NAME: Final = (
    f"a name of 1 to {MAX_NAME_LENGTH} printable characters that does not end in a backslash"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """The position where reading resumes: bytes (or rows of a binary file) already read, and lines."""

    position: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Readings in the order of the file, the tags that the file states for their sensors, and the mark after them."""

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
    """The sensors read so far, and the last tags of each."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.tags: dict[str, SensorTags] = {}
        self._codes: dict[str, int] = {}

    def code(self, name: str, tags: SensorTags | None = None) -> int:
        """Return the code of a sensor. Raise Fault for a name that is not valid."""
        code = self._codes.get(name)
        if code is None:
            if not is_valid_name(name):
                raise Fault(f"the sensor {quoted(name)}", EXPECTED_NAME)
            if len(self.names) >= MAX_SENSORS:
                raise Fault(f"another sensor, {quoted(name)}", f"at most {MAX_SENSORS:,} sensors in a file")
            code = self._codes[name] = len(self.names)
            self.names.append(name)
        if tags is not None:
            self.tags[name] = tags
        return code


def is_valid_name(name: str) -> bool:
    """Return whether every format can carry the name."""
    return 0 < len(name) <= MAX_NAME_LENGTH and name.isprintable() and not name.endswith("\\")


def check_time(time_ns: int, latest_ns: int, text: bytes | str) -> int:
    """Return the time. Raise Fault, with the date that it represents, if it is out of range."""
    if EARLIEST_NS <= time_ns <= latest_ns:
        return time_ns
    expected = f"a time from 2000 to {time_text(latest_ns)}; check --precision"
    raise Fault(f"the time {quoted(text)}, which is {time_text(time_ns)}", expected)


def time_text(time_ns: int) -> str:
    """Return a time as text, in ISO 8601."""
    try:
        return datetime.fromtimestamp(time_ns // NS_PER_SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "not a valid date"


def tags_of(tags: Mapping[str, str]) -> SensorTags | None:
    """Return the three tags that are stored, from all tags of a file; None if the file states none of them."""
    stored = {key: tags.get(key, "") for key in ("location", "sensor_type", "unit")}
    valid = {
        key: value
        if len(value) <= MAX_NAME_LENGTH and value.isprintable() and not value.endswith("\\")
        else ""
        for key, value in stored.items()
    }
    return SensorTags(**valid) if any(valid.values()) else None
