"""What a window of a series holds, and what can be derived from it.

A bucket keeps `count`, `sum`, `m2` (the sum of squared deviations from the mean), `min` and `max`, which merge without
looking at the readings again, and `median`, which does not merge and is always computed from what it summarises.
Mean and standard deviation are derived last. Why `m2` and not the sum of squares: docs/decisions/0002.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum

import numpy as np

from backend.core.reading import Float64, Int32, Int64
from backend.core.windows import Window


class SeriesKind(StrEnum):
    """What a rolled-up series is of."""

    SENSOR = "sensor"
    TYPE = "type"
    NODE = "node"


def measurement(kind: SeriesKind, name: str, window: Window) -> str:
    """The name users know a rolled-up series by, as the old deployments wrote it."""
    if kind is SeriesKind.SENSOR:
        return f"measurement_downsample_{window}"
    if kind is SeriesKind.TYPE:
        return f"measurement_downsample_all_{window}"
    return f"cq_{name}_{window}"


def node_from_measurement(name: str, window: Window) -> str | None:
    """The node whose roll-ups of the window have this name; None where the name is not of that form."""
    node = name.removeprefix("cq_").removesuffix(f"_{window}")
    return node if node and name == measurement(SeriesKind.NODE, node, window) else None


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """n windows of one or many series as columns, sorted by (code, start), no identity twice.

    names     distinct series names
    codes     int32 (n,): row i is of the series names[codes[i]]
    starts    int64 (n,): window start, ns since the epoch, UTC
    count     float64 (n,): values summarised (whole numbers)
    sum, m2   float64 (n,): sum of the values; sum of squared deviations from their mean
    min, max, median   float64 (n,)
    expected  float64 (n,): how many reports the window should have had
    reported  float64 (n,): how many it had

    For a sensor a report is a reading; for a tree node it is one sensor's 30 s mean. A window in which nothing
    reported has `count` 0, `reported` 0 and NaN statistics: a gap is never zero. A node's 30 s bucket summarises one
    value, the sum over the reporting sensors of their means.
    """

    names: Sequence[str]
    codes: Int32
    starts: Int64
    count: Float64
    sum: Float64
    m2: Float64
    min: Float64
    max: Float64
    median: Float64
    expected: Float64
    reported: Float64

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def mean(self) -> Float64:
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.sum / np.where(self.count > 0, self.count, np.nan)

    @property
    def stddev(self) -> Float64:
        """Sample standard deviation; NaN where fewer than two values were summarised."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sqrt(self.m2 / np.where(self.count > 1, self.count - 1, np.nan))

    @property
    def coverage(self) -> Float64:
        """Share of the expected reports that came, 0 to 1; NaN where none was expected."""
        with np.errstate(invalid="ignore", divide="ignore"):
            share = self.reported / np.where(self.expected > 0, self.expected, np.nan)
        return np.minimum(share, 1.0)

    @classmethod
    def empty(cls, names: Sequence[str] = ()) -> Buckets:
        none = np.empty(0, np.float64)
        return cls(names, np.empty(0, np.int32), np.empty(0, np.int64), *([none] * 8))

    def with_expected(self, expected: Float64) -> Buckets:
        return replace(self, expected=expected)

    def by_series(self) -> Mapping[str, Buckets]:
        """One `Buckets` a series that has rows, oldest first."""
        edges = np.searchsorted(self.codes, np.arange(len(self.names) + 1)).tolist()
        return {
            name: self._slice(name, a, b)
            for name, a, b in zip(self.names, edges[:-1], edges[1:], strict=True)
            if b > a
        }

    def _slice(self, name: str, start: int, stop: int) -> Buckets:
        columns = [getattr(self, f.name)[start:stop] for f in fields(self)[2:]]
        return Buckets((name,), np.zeros(stop - start, np.int32), *columns)
