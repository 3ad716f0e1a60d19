"""The port of rate limits, which make guessing a secret impractical."""

from __future__ import annotations

from typing import Protocol


class RateLimits(Protocol):
    """Counts attempts by key, in windows that start with a key's first attempt."""

    async def take(self, key: str, limit: int, window_s: int) -> float:
        """Count one attempt. Return 0.0 if it is one of the first `limit` of the window, else the seconds until its end.

        Raises `TransientError` if the attempt cannot be counted now.
        """
        ...

    async def forget(self, key: str) -> None:
        """Reset the attempts of a key."""
        ...

    async def close(self) -> None: ...
