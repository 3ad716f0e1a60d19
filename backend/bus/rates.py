"""The port `RateLimits`, within one process and on Redis."""

from __future__ import annotations

from typing import Final

from backend.core.clock import Clock, SystemClock
from backend.core.windows import NS_PER_SECOND

MOST_KEYS: Final = 100_000
"""Beyond it the windows that are over are dropped, and then the oldest: memory is bounded whoever attacks."""


class MemoryRates:
    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._windows: dict[str, tuple[int, int]] = {}
        """Key -> attempts, and when the window ends (ns)."""

    async def take(self, key: str, limit: int, window_s: int) -> float:
        now = self._clock.now_ns()
        count, end = self._windows.get(key, (0, 0))
        if now >= end:
            count, end = 0, now + window_s * NS_PER_SECOND
            self._make_room(now)
        self._windows[key] = (count + 1, end)
        return 0.0 if count < limit else (end - now) / NS_PER_SECOND

    async def forget(self, key: str) -> None:
        self._windows.pop(key, None)

    async def close(self) -> None:
        """Nothing is held."""

    def _make_room(self, now: int) -> None:
        if len(self._windows) < MOST_KEYS:
            return
        self._windows = {k: w for k, w in self._windows.items() if w[1] > now}
        while len(self._windows) >= MOST_KEYS:
            del self._windows[next(iter(self._windows))]
