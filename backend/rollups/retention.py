"""Deletion of raw readings and roll-ups after their retention period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from backend.core.ports import RollupState, TimeSeriesStore
from backend.core.windows import WINDOWS, Window

DAY = Window.D1
BEGINNING: Final = -(1 << 62)

RETAINED: tuple[Window | None, ...] = (None, *WINDOWS)
"""The data with retention periods of their own: raw readings (None), and the roll-ups of each window."""


@dataclass(frozen=True, slots=True)
class RetentionPeriods:
    """Days that raw readings and the roll-ups of each window are kept; 0, or no entry, is for ever."""

    raw_days: int = 0
    days: Mapping[Window, int] = field(default_factory=dict)

    def days_of(self, window: Window | None) -> int:
        return self.raw_days if window is None else self.days.get(window, 0)


def deletion_edge(days: int, now_ns: int, rolled_ns: int, dirty_ns: int | None) -> int | None:
    """Return the midnight (UTC) before which data with a retention of `days` is deleted; None if it is kept for ever.

    The edge is never later than `rolled_ns`, the end of what all windows are rolled up to. It is never later than
    `dirty_ns`, the start of the oldest dirty window, since healing still reads from there.
    """
    if not days:
        return None
    edge = min(now_ns - days * DAY.ns, rolled_ns, rolled_ns if dirty_ns is None else dirty_ns)
    return DAY.floor(edge)


class Retention:
    """Deletes what was kept long enough, in whole days. Nothing else may be rolled up meanwhile."""

    def __init__(self, store: TimeSeriesStore, state: RollupState) -> None:
        self._store = store
        self._state = state

    async def delete_expired(self, periods: RetentionPeriods, now_ns: int) -> Mapping[Window | None, int]:
        """Delete expired raw readings (None) and roll-ups. Return the start of what is kept, where not all is.

        The new start is stored before anything is deleted. From then on nothing before it is recomputed, so that roll-ups
        outlive their readings. A day that is not yet rolled up, or that is dirty, is kept.
        """
        starts: dict[Window | None, int] = {}
        marks = [await self._state.watermark(w) for w in WINDOWS]
        rolled = [mark for mark in marks if mark is not None]
        if len(rolled) < len(marks):
            return starts
        for length in RETAINED:
            dirty = await self._state.oldest_dirty()
            edge = deletion_edge(periods.days_of(length), now_ns, min(rolled), dirty)
            retained = await self._state.retained_from(length)
            if edge is not None and (retained is None or edge > retained):
                await self._state.set_retained_from(length, edge)
                retained = edge
            if retained is None or edge is None:
                continue
            starts[length] = retained
            # Even if the edge did not move: readings that arrived late for a deleted time are deleted too.
            if length is None:
                await self._store.delete(None, BEGINNING, retained)
            else:
                await self._store.delete_buckets(length, retained)
        return starts
