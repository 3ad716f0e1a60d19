"""Compact storage of buckets: columns that follow exactly from the others are stored as NULL.

Most rows of energy trees hold one or two values, and a column of sums hardly compresses. A row whose columns do not
agree (no engine writes one) is stored whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.core.bucket import Buckets
from backend.core.reading import Float64

STATISTICS: Final = ("count", "sum", "m2", "min", "max", "median", "expected", "reported")

_MEAN: Final = "((min + max) / 2)"
_RESTORED: Final = {
    "sum": "coalesce(sum, min + max)",
    "m2": f"coalesce(m2, case count when 1 then 0.0 "
    f"when 2 then (min - {_MEAN}) * (min - {_MEAN}) + (max - {_MEAN}) * (max - {_MEAN}) end)",
    "min": "coalesce(min, sum)",
    "max": "coalesce(max, sum)",
    "median": f"coalesce(median, case count when 1 then sum else {_MEAN} end)",
    "reported": "coalesce(reported, count)",
}


def select_list(columns: Sequence[str] = STATISTICS) -> str:
    """Return the select list for a table of roll-ups that restores the omitted columns."""
    return ", ".join(f"{_RESTORED[name]} as {name}" if name in _RESTORED else name for name in columns)


def stored_columns(buckets: Buckets) -> tuple[Float64, ...]:
    """Return the columns to store, in the order of `STATISTICS`; NaN for omitted values."""
    one, two = _restorable_rows(buckets)
    either = one | two
    omitted = {
        "sum": two,
        "m2": either,
        "min": one,
        "max": one,
        "median": either,
        "reported": buckets.reported == buckets.count,
    }
    columns = ((name, getattr(buckets, name)) for name in STATISTICS)
    return tuple(
        np.where(omitted[name], np.nan, column) if name in omitted and omitted[name].any() else column
        for name, column in columns
    )


def _restorable_rows(buckets: Buckets) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which rows hold one value and which hold two, and can be restored from fewer columns."""
    one, two = buckets.count == 1, buckets.count == 2
    if not one.any() and not two.any():
        return one, two
    low, high, total = buckets.min, buckets.max, buckets.sum
    with np.errstate(over="ignore", invalid="ignore"):
        mean = (low + high) / 2
        one &= (low == total) & (high == total) & (buckets.median == total) & (buckets.m2 == 0)
        two &= (total == low + high) & (buckets.median == mean)
        two &= buckets.m2 == (low - mean) * (low - mean) + (high - mean) * (high - mean)
    return one, two
