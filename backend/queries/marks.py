"""How far each window is rolled up, asked of the database only when it may have changed."""

from __future__ import annotations

from backend.core.clock import Clock
from backend.core.ports import RollupState
from backend.core.windows import NS_PER_SECOND, Window

_FRESH_NS = 60 * NS_PER_SECOND


class Marks:
    """Watermarks. One that is at the newest complete window cannot move before the next window ends."""

    def __init__(self, state: RollupState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._newest: dict[Window, int] = {}
        self._oldest: dict[Window, tuple[int, int]] = {}

    async def end(self, window: Window) -> int | None:
        """End of the newest window that is rolled up, ns; None before the first."""
        kept = self._newest.get(window)
        if kept is not None and kept == window.floor(self._clock.now_ns()):
            return kept
        mark = await self._state.watermark(window)
        if mark is not None:
            self._newest[window] = mark
        return mark

    async def begin(self, window: Window) -> int:
        """From where on the window's roll-ups are kept, ns; what was older has been deleted on purpose. 0 if nothing was."""
        now_ns = self._clock.now_ns()
        kept = self._oldest.get(window)
        if kept is not None and 0 <= now_ns - kept[0] < _FRESH_NS:
            return kept[1]
        begin = await self._state.retained_from(window) or 0
        self._oldest[window] = (now_ns, begin)
        return begin
