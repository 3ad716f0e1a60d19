"""Moments as people give them, and a range cut into pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from seduce_client.errors import BadRequest

Moment: TypeAlias = datetime | timedelta | str
"""With a zone; a timedelta is so long ago; a string is ISO 8601."""

_MEND: Final = (
    "give a datetime with a time zone, ISO 8601 as 2026-11-23T10:00:00Z, or a timedelta for so long ago"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS: Final = {"raw": 1, "30s": 30, "1m": 60, "1h": 3600, "1d": 86_400}
"""Seconds from row to row of each window; readings come about every second."""


@dataclass(frozen=True)
class Span:
    """[start, end), in UTC."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


def span(start: Moment, end: Moment | None, now: datetime | None = None) -> Span:
    """Raises `BadRequest` for what is no moment, and for a range without length."""
    present = now or datetime.now(UTC)
    found = Span(moment("start", start, present), present if end is None else moment("end", end, present))
    if found.start >= found.end:
        raise BadRequest(
            "start", f"{iso(found.start)} is not before the end, {iso(found.end)}", "give an earlier start"
        )
    return found


def moment(where: str, said: Moment, now: datetime) -> datetime:
    """In UTC. Raises `BadRequest`."""
    if isinstance(said, timedelta):
        return now - said
    if isinstance(said, str):
        try:
            said = datetime.fromisoformat(said)
        except ValueError:
            raise BadRequest(where, f"{said!r} is no time", _MEND) from None
    if not isinstance(said, datetime):
        raise BadRequest(where, f"{said!r} is no time", _MEND)
    if said.tzinfo is None:
        raise BadRequest(where, f"{said.isoformat()} says no time zone", _MEND)
    return said.astimezone(UTC)


def iso(time: datetime) -> str:
    """Exact to the microsecond."""
    return time.isoformat().replace("+00:00", "Z")


def from_ms(milliseconds: float) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def pieces(whole: Span, step_s: float) -> Iterator[Span]:
    """The span cut at the multiples of `step_s` since the epoch, so that no window of roll-ups is cut."""
    at = whole.start
    while at < whole.end:
        begun = (at - _EPOCH).total_seconds() // step_s
        end = min(whole.end, _EPOCH + timedelta(seconds=(begun + 1) * step_s))
        yield Span(at, end)
        at = end
