"""A clock for tests."""

from __future__ import annotations


class ManualClock:
    """A clock that moves only when a test moves it."""

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def set(self, now_ns: int) -> None:
        self._now_ns = now_ns

    def advance(self, seconds: float) -> None:
        self._now_ns += round(seconds * 1e9)
