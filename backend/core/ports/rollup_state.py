"""The port of the state that the roll-ups keep across a restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from backend.core.bucket import SeriesKind
from backend.core.windows import Window


@dataclass(frozen=True, slots=True)
class DirtyWindow:
    """A dirty span of a sensor's history that no longer matches its roll-ups: [start_ns, end_ns), edges of 1 d windows or finer.

    `version` distinguishes two markings of the same span. Callers that mark a span do not set it.
    """

    sensor: str
    start_ns: int
    end_ns: int
    version: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    """The last description of a rolled-up series, and the part of its history that does not match it yet.

    shape      a short text that identifies the inputs of its values; it changes when they change
    expects    the same for the number of reports it expects
    stale_ns   stored windows that begin before this time still follow an older description; None if all match
    recompute  True if the values are stale, False if only `expected` is
    """

    kind: SeriesKind
    name: str
    shape: str
    expects: str
    stale_ns: int | None = None
    recompute: bool = False


@dataclass(frozen=True, slots=True)
class LearnedPeriod:
    """The period of a sensor in seconds, measured from its readings, and the time of the measurement (ns)."""

    period_s: float
    at_ns: int


class RollupState(Protocol):
    """Watermarks, dirty spans, series and learned periods."""

    async def watermark(self, window: Window) -> int | None:
        """Return the end of the newest window that is rolled up; None before the first."""
        ...

    async def set_watermark(self, window: Window, end_ns: int) -> None: ...

    async def horizon(self) -> int | None:
        """Return the time up to which windows are rolled up or in progress; a reading before it is late.

        None before the first roll-up.
        """
        ...

    async def set_horizon(self, end_ns: int) -> None: ...

    async def retained_from(self, window: Window | None) -> int | None:
        """Return the time before which roll-ups of the window (for None: raw readings) were deleted by retention.

        The deletion may still be in progress. None before the first deletion.
        """
        ...

    async def set_retained_from(self, window: Window | None, start_ns: int) -> None: ...

    async def mark_dirty(self, windows: Sequence[DirtyWindow]) -> None:
        """Add spans to the list. Idempotent: a span is listed once."""
        ...

    async def dirty(self, limit: int) -> Sequence[DirtyWindow]:
        """Return at most `limit` spans, newest start first."""
        ...

    async def oldest_dirty(self) -> int | None:
        """Return the oldest start of all listed spans."""
        ...

    async def clear_dirty(self, windows: Sequence[DirtyWindow]) -> None:
        """Remove spans as returned by `dirty`. A span that was marked again since then stays."""
        ...

    async def series(self) -> Sequence[SeriesRecord]:
        """Return all series that were described and not removed since, in no order."""
        ...

    async def set_series(
        self, changed: Sequence[SeriesRecord], removed: Sequence[tuple[SeriesKind, str]] = ()
    ) -> None:
        """Store and remove series, all or none."""
        ...

    async def periods(self) -> Mapping[str, LearnedPeriod]:
        """Return the learned periods by sensor."""
        ...

    async def set_periods(self, periods: Mapping[str, LearnedPeriod]) -> None:
        """Store learned periods. Those of other sensors stay."""
        ...
