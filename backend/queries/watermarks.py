"""Caches how far each window is rolled up and retained, and reads the database only when that may have changed."""

from __future__ import annotations

from backend.core.clock import Clock
from backend.core.ports import RollupState
from backend.core.windows import NS_PER_SECOND, Window

_RETENTION_CACHE_NS = 60 * NS_PER_SECOND


class Watermarks:
    """The watermarks. One at the newest complete window cannot move before the next window ends, so it is cached until then."""

    def __init__(self, state: RollupState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._ends: dict[Window, int] = {}
        self._starts: dict[Window, tuple[int, int]] = {}

    async def end(self, window: Window) -> int | None:
        """Return the end of the newest window that is rolled up, in ns; None before the first."""
        cached = self._ends.get(window)
        if cached is not None and cached == window.floor(self._clock.now_ns()):
            return cached
        watermark = await self._state.watermark(window)
        if watermark is not None:
            self._ends[window] = watermark
        return watermark

    async def start(self, window: Window) -> int:
        """Return the time from which the window's roll-ups are retained, in ns; 0 if none were deleted."""
        now_ns = self._clock.now_ns()
        cached = self._starts.get(window)
        if cached is not None and 0 <= now_ns - cached[0] < _RETENTION_CACHE_NS:
            return cached[1]
        start_ns = await self._state.retained_from(window) or 0
        self._starts[window] = (now_ns, start_ns)
        return start_ns
