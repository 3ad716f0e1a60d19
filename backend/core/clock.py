"""The clock as a dependency, so that tests can set the time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """The current time."""

    def now_ns(self) -> int:
        """Return the time in nanoseconds since the epoch, UTC."""
        ...


class SystemClock:
    """The clock of the operating system."""

    def now_ns(self) -> int:
        return time.time_ns()
