"""Counting attempts, so that guessing takes for ever."""

from __future__ import annotations

from typing import Protocol


class RateLimits(Protocol):
    """Attempts by key, in windows that begin with a key's first attempt."""

    async def take(self, key: str, limit: int, window_s: int) -> float:
        """Counts one attempt. 0.0 where it is one of the first `limit` of the window, else the seconds until it ends.

        Raises `TransientError` where it cannot be counted now.
        """
        ...

    async def forget(self, key: str) -> None:
        """The key has made no attempts."""
        ...

    async def close(self) -> None: ...
