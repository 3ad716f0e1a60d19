"""How long things take, counted into buckets so that percentiles can be told later."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Final

BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Timing:
    """Durations in seconds: how many, their sum, and how many were at most each of `BOUNDS_S`."""

    __slots__ = ("_within", "count", "sum_s")

    def __init__(self) -> None:
        self.count = 0
        self.sum_s = 0.0
        self._within = [0] * (len(BOUNDS_S) + 1)

    @classmethod
    def of(cls, within: Sequence[int], sum_s: float) -> Timing:
        """As `within` and `sum_s` of another said; a list of another length, of other bounds, begins anew."""
        timing = cls()
        if len(within) == len(timing._within):
            timing._within = list(within)
            timing.count, timing.sum_s = sum(within), sum_s
        return timing

    @property
    def within(self) -> list[int]:
        """How many fell into each bucket, the last one of those over all bounds."""
        return list(self._within)

    def observe(self, seconds: float) -> None:
        self.count += 1
        self.sum_s += seconds
        self._within[bisect_left(BOUNDS_S, seconds)] += 1

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Observes how long the block takes, also where it fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - started)

    def cumulative(self) -> list[int]:
        """How many were at most each of `BOUNDS_S`; those that took longer are only in `count`."""
        return list(accumulate(self._within[:-1]))
