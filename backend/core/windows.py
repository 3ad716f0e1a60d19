"""The roll-up windows, and the arithmetic on their edges.

Windows are aligned to the Unix epoch in UTC, closed on the left, open on the right, and identified by their start.
All times are integer nanoseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

NS_PER_SECOND: Final = 1_000_000_000


class Window(StrEnum):
    """A roll-up window. The value is the suffix of the public series names (`cq_datacenter_30s`)."""

    S30 = "30s"
    M1 = "1m"
    H1 = "1h"
    D1 = "1d"

    @property
    def seconds(self) -> int:
        """Length in seconds."""
        return _SECONDS[self]

    @property
    def ns(self) -> int:
        """Length in nanoseconds."""
        return _SECONDS[self] * NS_PER_SECOND

    def floor(self, time_ns: int) -> int:
        """Return the start of the window that contains `time_ns`."""
        return time_ns - time_ns % self.ns

    def ceil(self, time_ns: int) -> int:
        """Return the first window edge at or after `time_ns`."""
        return -(-time_ns // self.ns) * self.ns

    def starts(self, start_ns: int, end_ns: int) -> range:
        """Return the starts of all windows that overlap [start_ns, end_ns)."""
        return range(self.floor(start_ns), self.ceil(end_ns), self.ns)


_SECONDS: Final = {Window.S30: 30, Window.M1: 60, Window.H1: 3_600, Window.D1: 86_400}

WINDOWS: Final = tuple(Window)
"""All windows, finest first."""


def slices(start_ns: int, end_ns: int, step_ns: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of [start_ns, end_ns), split at the multiples of `step_ns`."""
    while start_ns < end_ns:
        stop = min(end_ns, start_ns - start_ns % step_ns + step_ns)
        yield start_ns, stop
        start_ns = stop


def coarsest(span_ns: int, min_points: int) -> Window | None:
    """Return the coarsest window that gives at least `min_points` points over the span.

    None if even the finest window gives fewer: then use raw readings.
    """
    coarsest_window = None
    for window in WINDOWS:
        if span_ns // window.ns >= min_points:
            coarsest_window = window
    return coarsest_window
