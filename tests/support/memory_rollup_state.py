"""The roll-up state in dictionaries."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from backend.core.bucket import SeriesKind
from backend.core.errors import TransientError
from backend.core.ports import DirtyWindow, LearnedPeriod, SeriesRecord
from backend.core.windows import Window


class MemoryRollupState:
    """Set `down` to make every call fail like a database that cannot be reached."""

    def __init__(self) -> None:
        self._marks: dict[str, int] = {}
        self._dirty: dict[DirtyWindow, int] = {}
        self._versions = itertools.count(1)
        self._series: dict[tuple[SeriesKind, str], SeriesRecord] = {}
        self._periods: dict[str, LearnedPeriod] = {}
        self.down = False

    def _reach(self) -> None:
        if self.down:
            raise TransientError("the database is down")

    async def watermark(self, window: Window) -> int | None:
        self._reach()
        return self._marks.get(window)

    async def set_watermark(self, window: Window, end_ns: int) -> None:
        self._reach()
        self._marks[window] = end_ns

    async def horizon(self) -> int | None:
        self._reach()
        return self._marks.get("horizon")

    async def set_horizon(self, end_ns: int) -> None:
        self._reach()
        self._marks["horizon"] = end_ns

    async def retained_from(self, window: Window | None) -> int | None:
        self._reach()
        return self._marks.get(f"kept_{window}")

    async def set_retained_from(self, window: Window | None, start_ns: int) -> None:
        self._reach()
        self._marks[f"kept_{window}"] = start_ns

    async def mark_dirty(self, windows: Sequence[DirtyWindow]) -> None:
        self._reach()
        for window in windows:
            self._dirty[window] = next(self._versions)

    async def dirty(self, limit: int) -> Sequence[DirtyWindow]:
        self._reach()
        newest = sorted(self._dirty, key=lambda w: (-w.start_ns, w.sensor, w.end_ns))[:limit]
        return [DirtyWindow(w.sensor, w.start_ns, w.end_ns, self._dirty[w]) for w in newest]

    async def oldest_dirty(self) -> int | None:
        self._reach()
        return min((window.start_ns for window in self._dirty), default=None)

    async def clear_dirty(self, windows: Sequence[DirtyWindow]) -> None:
        self._reach()
        for window in windows:
            if self._dirty.get(window) == window.version:
                del self._dirty[window]

    async def series(self) -> Sequence[SeriesRecord]:
        self._reach()
        return list(self._series.values())

    async def set_series(
        self, changed: Sequence[SeriesRecord], removed: Sequence[tuple[SeriesKind, str]] = ()
    ) -> None:
        self._reach()
        self._series.update({(one.kind, one.name): one for one in changed})
        for key in removed:
            self._series.pop(key, None)

    async def periods(self) -> Mapping[str, LearnedPeriod]:
        self._reach()
        return dict(self._periods)

    async def set_periods(self, periods: Mapping[str, LearnedPeriod]) -> None:
        self._reach()
        self._periods.update(periods)
