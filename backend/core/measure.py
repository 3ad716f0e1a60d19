"""Histograms of durations, from which percentiles can be estimated."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Final

BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Timing:
    """A histogram of durations in seconds: their count, their sum, and their number per bucket of `BOUNDS_S`."""

    __slots__ = ("_buckets", "count", "sum_s")

    def __init__(self) -> None:
        self.count = 0
        self.sum_s = 0.0
        self._buckets = [0] * (len(BOUNDS_S) + 1)

    @classmethod
    def restore(cls, buckets: Sequence[int], sum_s: float) -> Timing:
        """Return the histogram with these `buckets` and `sum_s`; an empty one if the bounds have changed since."""
        timing = cls()
        if len(buckets) == len(timing._buckets):
            timing._buckets = list(buckets)
            timing.count, timing.sum_s = sum(buckets), sum_s
        return timing

    @property
    def buckets(self) -> list[int]:
        """Number of durations per bucket. The last bucket holds those above all bounds."""
        return list(self._buckets)

    def observe(self, seconds: float) -> None:
        """Add one duration."""
        self.count += 1
        self.sum_s += seconds
        self._buckets[bisect_left(BOUNDS_S, seconds)] += 1

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Add the duration of the block, even if it fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - started)

    def cumulative(self) -> list[int]:
        """Return the number of durations up to each of `BOUNDS_S`. Longer ones are only in `count`."""
        return list(accumulate(self._buckets[:-1]))
