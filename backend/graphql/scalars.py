"""Scalars: whole columns of numbers, and times with a time zone. Also the JSON encoder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NewType

import numpy as np
import numpy.typing as npt
import orjson
import strawberry
from strawberry.types.scalar import ScalarDefinition

from backend.core.errors import UserError

TimeNs = NewType("TimeNs", int)
"""Nanoseconds since the epoch, UTC. Clients see `DateTime`."""
Int64Array = NewType("Int64Array", np.ndarray)
Float64Array = NewType("Float64Array", np.ndarray)

MAX_INT: Final = 2**31 - 1
"""The largest GraphQL Int. Larger counts are answered as this number."""
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200
"""Not included. 64 bits of nanoseconds reach from 1678 to 2261; windows at the ends need some room."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NS_PER_MS: Final = 1_000_000


def dumps(data: object) -> bytes:
    """Return JSON. orjson encodes numpy arrays in one pass, and NaN as null."""
    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


def milliseconds(times_ns: npt.NDArray[np.int64]) -> Int64Array:
    """Convert nanoseconds to the epoch milliseconds that clients get."""
    return Int64Array(times_ns // _NS_PER_MS)


def floats(values: npt.NDArray[np.float64]) -> Float64Array:
    """Return a column in contiguous memory, which orjson needs."""
    return Float64Array(np.ascontiguousarray(values))


def optional_time(time_ns: int | None) -> TimeNs | None:
    """Return a time; None for None."""
    return None if time_ns is None else TimeNs(time_ns)


def format_time(time_ns: int) -> str:
    """Return a time as ISO 8601 in UTC, in milliseconds."""
    moment = _EPOCH + timedelta(microseconds=time_ns // 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(value: object) -> TimeNs:
    """Convert ISO 8601 with a time zone to nanoseconds. Raises `UserError`."""
    if not isinstance(value, str):
        raise UserError(f"DateTime: {value!r} is not a string; expected such as '2026-11-23T10:00:00Z'.")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as cause:
        raise UserError(
            f"DateTime: {value!r} is not ISO 8601; expected such as '2026-11-23T10:00:00Z'."
        ) from cause
    if moment.tzinfo is None:
        raise UserError(
            f"DateTime: {value!r} has no time zone: add 'Z' for UTC, or an offset such as '+01:00'."
        )
    if not FIRST_YEAR <= moment.year < LAST_YEAR:
        raise UserError(f"DateTime: {value!r} is outside the years {FIRST_YEAR} to {LAST_YEAR - 1}.")
    return TimeNs((moment - _EPOCH) // _MICROSECOND * 1000)


def _output_only(name: str) -> Any:
    def refuse(value: object) -> object:
        raise UserError(f"{name} is an output type; it cannot be an argument.")

    return refuse


def _unchanged(value: object) -> object:
    return value


SCALARS: Final[dict[object, ScalarDefinition]] = {
    TimeNs: strawberry.scalar(
        name="DateTime",
        description="A moment: ISO 8601 with a time zone. Responses are in UTC, such as 2026-11-23T10:00:00.000Z.",
        serialize=format_time,
        parse_value=parse_time,
    ),
    Int64Array: strawberry.scalar(
        name="Int64Array",
        description="A column of integers as a plain JSON array. Times are in ms since the epoch, UTC.",
        serialize=_unchanged,
        parse_value=_output_only("Int64Array"),
    ),
    Float64Array: strawberry.scalar(
        name="Float64Array",
        description="A column of numbers as a plain JSON array. A gap is null.",
        serialize=_unchanged,
        parse_value=_output_only("Float64Array"),
    ),
}
