"""What a roll-up of one or two values need not hold, since the rest gives it back to the last bit.

Most rows of energy trees are such, and a column of sums hardly compresses. What is left out is NULL; a row whose columns do not
agree (no engine writes one) is kept as it is.
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
_GIVEN_BACK: Final = {
    "sum": "coalesce(sum, min + max)",
    "m2": f"coalesce(m2, case count when 1 then 0.0 "
    f"when 2 then (min - {_MEAN}) * (min - {_MEAN}) + (max - {_MEAN}) * (max - {_MEAN}) end)",
    "min": "coalesce(min, sum)",
    "max": "coalesce(max, sum)",
    "median": f"coalesce(median, case count when 1 then sum else {_MEAN} end)",
    "reported": "coalesce(reported, count)",
}


def selected(columns: Sequence[str] = STATISTICS) -> str:
    """Columns of a SELECT from a table of roll-ups, complete again."""
    return ", ".join(f"{_GIVEN_BACK[name]} as {name}" if name in _GIVEN_BACK else name for name in columns)


def kept(buckets: Buckets) -> tuple[Float64, ...]:
    """The columns to keep, in the order of `STATISTICS`; NaN for what is left out."""
    one, two = _agreeing(buckets)
    either = one | two
    left_out = {
        "sum": two,
        "m2": either,
        "min": one,
        "max": one,
        "median": either,
        "reported": buckets.reported == buckets.count,
    }
    columns = ((name, getattr(buckets, name)) for name in STATISTICS)
    return tuple(
        np.where(left_out[n], np.nan, c) if n in left_out and left_out[n].any() else c for n, c in columns
    )


def _agreeing(buckets: Buckets) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """The rows of one value and those of two, as far as their columns say the same."""
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
