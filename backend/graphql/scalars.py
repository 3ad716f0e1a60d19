"""Scalars that carry whole columns, and times with a zone."""

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
"""Nanoseconds since the epoch, UTC; `DateTime` outside."""
Int64Array = NewType("Int64Array", np.ndarray)
Float64Array = NewType("Float64Array", np.ndarray)

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200
"""Not included. 64 bits of nanoseconds reach from 1678 to 2261; windows and their edges need some room."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NS_PER_MS: Final = 1_000_000


def dumps(data: object) -> bytes:
    """JSON by orjson: numpy arrays in one go, NaN as null."""
    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


def milliseconds(times_ns: npt.NDArray[np.int64]) -> Int64Array:
    """Nanoseconds to the epoch milliseconds that clients get."""
    return Int64Array(times_ns // _NS_PER_MS)


def floats(values: npt.NDArray[np.float64]) -> Float64Array:
    """A column as orjson takes it: in one piece of memory."""
    return Float64Array(np.ascontiguousarray(values))


def format_time(time_ns: int) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    moment = _EPOCH + timedelta(microseconds=time_ns // 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(value: object) -> TimeNs:
    """ISO 8601 with a zone to ns. Raises `UserError` that says what is missing."""
    if not isinstance(value, str):
        raise UserError(f"DateTime: found {value!r}; expected a string such as '2026-11-23T10:00:00Z'.")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as cause:
        raise UserError(
            f"DateTime: {value!r} is not ISO 8601; expected such as '2026-11-23T10:00:00Z'."
        ) from cause
    if moment.tzinfo is None:
        raise UserError(f"DateTime: {value!r} has no time zone: add 'Z' for UTC, or an offset as '+01:00'.")
    if not FIRST_YEAR <= moment.year < LAST_YEAR:
        raise UserError(f"DateTime: {value!r} lies outside of the years {FIRST_YEAR} to {LAST_YEAR - 1}.")
    return TimeNs((moment - _EPOCH) // _MICROSECOND * 1000)


def _not_an_input(name: str) -> Any:
    def refuse(value: object) -> object:
        raise UserError(f"{name} is an answer, not an argument.")

    return refuse


def _same(value: object) -> object:
    return value


SCALARS: Final[dict[object, ScalarDefinition]] = {
    TimeNs: strawberry.scalar(
        name="DateTime",
        description="A moment: ISO 8601 with a time zone, answered in UTC, as 2026-11-23T10:00:00.000Z.",
        serialize=format_time,
        parse_value=parse_time,
    ),
    Int64Array: strawberry.scalar(
        name="Int64Array",
        description="A column of whole numbers as a plain JSON array; of times, milliseconds since the epoch, UTC.",
        serialize=_same,
        parse_value=_not_an_input("Int64Array"),
    ),
    Float64Array: strawberry.scalar(
        name="Float64Array",
        description="A column of numbers as a plain JSON array; a gap is null.",
        serialize=_same,
        parse_value=_not_an_input("Float64Array"),
    ),
}
