"""Statistics of columns against the slow and sure way."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.store.influxdb_statistics import Summary, joined, summarise, summarise_one

VALUES = st.lists(st.floats(-1e4, 1e4, allow_subnormal=False), min_size=1, max_size=50)


def check(got: Summary, at: int, values: Sequence[float]) -> None:
    mean = math.fsum(values) / len(values)
    m2 = math.fsum((v - mean) ** 2 for v in values)
    assert (got.count[at], got.min[at], got.max[at]) == (len(values), min(values), max(values))
    assert got.median[at] == np.median(values)
    assert got.sum[at] == pytest.approx(math.fsum(values), rel=1e-9, abs=1e-8)
    assert got.m2[at] == pytest.approx(m2, rel=1e-9, abs=1e-18)


@given(
    windows=st.dictionaries(st.integers(-5, 5), VALUES, min_size=1), seed=st.randoms(use_true_random=False)
)
def test_windows_in_any_order(windows: dict[int, list[float]], seed: object) -> None:
    rows = [(start, value) for start, values in windows.items() for value in values]
    seed.shuffle(rows)  # type: ignore[attr-defined]
    got = summarise(np.array([v for _, v in rows]), np.array([s for s, _ in rows], np.int64))
    assert got.starts.tolist() == sorted(windows)
    for at, start in enumerate(sorted(windows)):
        check(got, at, windows[start])


@given(values=VALUES)
def test_one_window(values: list[float]) -> None:
    got = summarise_one(np.array(values), 30)
    assert got.starts.tolist() == [30]
    check(got, 0, values)


def test_pieces_are_put_together_by_series() -> None:
    pieces = [(2, summarise_one(np.array([1.0]), 0)), (0, summarise_one(np.array([2.0]), 0))]
    got = joined(("a", "b", "c"), [*pieces, (2, summarise_one(np.array([3.0]), 30))])
    assert (got.codes.tolist(), got.starts.tolist(), got.sum.tolist()) == ([0, 2, 2], [0, 0, 30], [2, 1, 3])
    assert got.codes.dtype == np.int32
    assert len(joined(("a",), [])) == 0
