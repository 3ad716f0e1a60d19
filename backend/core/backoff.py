"""Exponential back-off: the time to wait before a retry doubles with every failure, up to a limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_MAX_DOUBLINGS: Final = 60


@dataclass(frozen=True, slots=True)
class Backoff:
    """The first and the longest delay, in seconds."""

    first_s: float
    limit_s: float

    def delay_s(self, failures: int, chance: float = 0.0) -> float:
        """Return the delay in seconds after `failures` failures in a row, at least one.

        `chance` in [0, 1) shortens it by up to a half, so that clients that failed together do not retry together.
        """
        doublings = min(max(failures, 1) - 1, _MAX_DOUBLINGS)
        return min(self.limit_s, self.first_s * 2.0**doublings) * (1.0 - 0.5 * chance)
