"""Moments as the caller gives them, and ranges split into pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from seduce_client.errors import BadRequest

Moment: TypeAlias = datetime | timedelta | str
"""A datetime with a time zone, a timedelta before now, or an ISO 8601 string with a time zone."""

_FIX_MOMENT: Final = (
    "give a datetime with a time zone, ISO 8601 such as 2026-11-23T10:00:00Z, or a timedelta before now"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS: Final = {"raw": 1, "30s": 30, "1m": 60, "1h": 3600, "1d": 86_400}
"""Seconds from row to row of each window. Readings arrive about every second."""


@dataclass(frozen=True)
class Span:
    """[start, end), in UTC."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return (self.end - self.start).total_seconds()


def span(start: Moment, end: Moment | None, now: datetime | None = None) -> Span:
    """Return the range; `end` None is now. Raises `BadRequest` for an invalid moment or an empty range."""
    present = now or datetime.now(UTC)
    result = Span(moment("start", start, present), present if end is None else moment("end", end, present))
    if result.start >= result.end:
        raise BadRequest(
            "start", f"{iso(result.start)} is not before the end, {iso(result.end)}", "give an earlier start"
        )
    return result


def moment(where: str, value: Moment, now: datetime) -> datetime:
    """Return the moment in UTC. Raises `BadRequest`, which names the argument `where`."""
    if isinstance(value, timedelta):
        return now - value
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise BadRequest(where, f"{value!r} is not a time", _FIX_MOMENT) from None
    if not isinstance(value, datetime):
        raise BadRequest(where, f"{value!r} is not a time", _FIX_MOMENT)
    if value.tzinfo is None:
        raise BadRequest(where, f"{value.isoformat()} has no time zone", _FIX_MOMENT)
    return value.astimezone(UTC)


def iso(time: datetime) -> str:
    """Return the time in ISO 8601, exact to the microsecond."""
    return time.isoformat().replace("+00:00", "Z")


def from_ms(milliseconds: float) -> datetime:
    """Return the time of milliseconds since the epoch."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def pieces(whole: Span, step_s: float) -> Iterator[Span]:
    """Yield the parts of a range, split at the multiples of `step_s` since the epoch, which are window edges."""
    start = whole.start
    while start < whole.end:
        steps = (start - _EPOCH).total_seconds() // step_s
        end = min(whole.end, _EPOCH + timedelta(seconds=(steps + 1) * step_s))
        yield Span(start, end)
        start = end
