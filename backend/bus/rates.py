"""The port `RateLimits` within one process."""

from __future__ import annotations

from typing import Final

from cachetools import TLRUCache

from backend.core.clock import Clock, SystemClock
from backend.core.windows import NS_PER_SECOND

MAX_KEYS: Final = 100_000
"""Above it, expired windows are dropped, then the least recently used. It bounds the memory that an attacker can use."""


class MemoryRateLimits:
    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._windows: TLRUCache[str, tuple[int, int]] = TLRUCache(
            MAX_KEYS, ttu=lambda _key, window, _now: window[1], timer=self._clock.now_ns
        )
        """Key -> number of attempts, and the end of the window (ns)."""

    async def take(self, key: str, limit: int, window_s: int) -> float:
        now = self._clock.now_ns()
        count, end = self._windows.get(key, (0, 0))
        if now >= end:
            count, end = 0, now + window_s * NS_PER_SECOND
        self._windows[key] = (count + 1, end)
        return 0.0 if count < limit else (end - now) / NS_PER_SECOND

    async def forget(self, key: str) -> None:
        self._windows.pop(key, None)

    async def close(self) -> None:
        """Do nothing: there is no connection to close."""
