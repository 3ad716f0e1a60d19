"""Buckets: the statistics of a window of a series, and the statistics derived from them.

A bucket stores `count`, `sum`, `m2` (the sum of squared deviations from the mean), `min` and `max`. These merge without
the readings. It also stores `median`, which does not merge: it is always computed from the values it summarises. Mean and
standard deviation are derived when they are read. docs/decisions/0002 explains the choice of `m2`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum

import numpy as np

from backend.core.reading import Float64, Int32, Int64
from backend.core.windows import Window


class SeriesKind(StrEnum):
    """The subject of a rolled-up series: a sensor, a sensor type, or a tree node."""

    SENSOR = "sensor"
    TYPE = "type"
    NODE = "node"


def measurement(kind: SeriesKind, name: str, window: Window) -> str:
    """Return the public name of a rolled-up series. It is the measurement name of the first SeDuCe deployments."""
    if kind is SeriesKind.SENSOR:
        return f"measurement_downsample_{window}"
    if kind is SeriesKind.TYPE:
        return f"measurement_downsample_all_{window}"
    return f"cq_{name}_{window}"


def node_from_measurement(name: str, window: Window) -> str | None:
    """Return the node whose roll-ups of the window have this name; None if the name has another form."""
    node = name.removeprefix("cq_").removesuffix(f"_{window}")
    return node if node and name == measurement(SeriesKind.NODE, node, window) else None


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """n windows of one or more series as columns, sorted by (code, start), without duplicates.

    names     distinct series names
    codes     int32 (n,): row i belongs to the series names[codes[i]]
    starts    int64 (n,): window start, ns since the epoch, UTC
    count     float64 (n,): number of summarised values
    sum, m2   float64 (n,): sum of the values; sum of squared deviations from their mean
    min, max, median   float64 (n,)
    expected  float64 (n,): number of reports that the window should have
    reported  float64 (n,): number of reports that it has

    For a sensor a report is a reading; for a tree node it is the 30 s mean of one sensor. A window without reports has
    `count` 0, `reported` 0 and NaN statistics: a gap is never zero. A node's 30 s bucket summarises one value, the sum of
    the means of the reporting sensors.
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
        """Mean of the values; NaN without values."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.sum / np.where(self.count > 0, self.count, np.nan)

    @property
    def stddev(self) -> Float64:
        """Sample standard deviation; NaN with fewer than two values."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sqrt(self.m2 / np.where(self.count > 1, self.count - 1, np.nan))

    @property
    def coverage(self) -> Float64:
        """Share of the expected reports that arrived, 0 to 1; NaN if none was expected."""
        with np.errstate(invalid="ignore", divide="ignore"):
            share = self.reported / np.where(self.expected > 0, self.expected, np.nan)
        return np.minimum(share, 1.0)

    @classmethod
    def empty(cls, names: Sequence[str] = ()) -> Buckets:
        """Return buckets without rows."""
        column = np.empty(0, np.float64)
        return cls(names, np.empty(0, np.int32), np.empty(0, np.int64), *([column] * 8))

    def with_expected(self, expected: Float64) -> Buckets:
        """Return the buckets with another column `expected`."""
        return replace(self, expected=expected)

    def by_series(self) -> Mapping[str, Buckets]:
        """Return one `Buckets` per series that has rows, oldest window first."""
        edges = np.searchsorted(self.codes, np.arange(len(self.names) + 1)).tolist()
        return {
            name: self._slice(name, a, b)
            for name, a, b in zip(self.names, edges[:-1], edges[1:], strict=True)
            if b > a
        }

    def _slice(self, name: str, start: int, stop: int) -> Buckets:
        columns = [getattr(self, f.name)[start:stop] for f in fields(self)[2:]]
        return Buckets((name,), np.zeros(stop - start, np.int32), *columns)
