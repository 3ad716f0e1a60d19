from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.reading import Points
from backend.queries.downsample import Columns, build_grid, merge, thin

S = 1_000_000_000


def points(times: list[int], values: list[float] | None = None) -> Points:
    t = np.array(times, np.int64) * S
    return Points(t, np.array(values if values is not None else times, np.float64))


def test_few_points_stay_as_they_are() -> None:
    thinned = thin(points([1, 2, 3]), 10, 5 * S)
    assert thinned.times.tolist() == [1 * S, 2 * S, 3 * S]


def test_a_silence_becomes_one_null_inside_it() -> None:
    thinned = thin(points([1, 2, 100, 101]), 10, 5 * S)
    assert len(thinned) == 5
    assert np.isnan(thinned.values[2])
    assert 2 * S < thinned.times[2] < 100 * S


def test_extremes_survive_thinning() -> None:
    values = np.sin(np.arange(10_000) / 50)
    values[7777], values[1234] = 9.0, -9.0
    thinned = thin(Points(np.arange(10_000, dtype=np.int64) * S, values), 200, 5 * S)
    assert len(thinned) <= 200
    assert thinned.values.max() == 9.0
    assert thinned.values.min() == -9.0


def test_both_sides_of_a_long_silence_keep_their_share_of_points() -> None:
    """Bins of equal time would give nearly all points to the silence."""
    month = 30 * 86_400
    times = np.concatenate((np.arange(5_000), np.arange(5_000) + month)).astype(np.int64) * S
    thinned = thin(Points(times, np.sin(np.arange(10_000) / 9)), 1_000, 5 * S)
    before = int((thinned.times < month * S // 2).sum())
    assert len(thinned) > 900
    assert 400 < before < 600
    assert np.isnan(thinned.values).sum() == 1


def test_the_last_reading_before_and_the_first_after_a_silence_are_kept() -> None:
    times = np.concatenate((np.arange(3_000), np.arange(3_000) + 9_000)).astype(np.int64) * S
    thinned = thin(Points(times, np.random.default_rng(1).normal(size=6_000)), 100, 5 * S)
    gap = int(np.flatnonzero(np.isnan(thinned.values))[0])
    assert thinned.times[gap - 1] == 2_999 * S
    assert thinned.times[gap + 1] == 9_000 * S


@given(
    steps=st.lists(st.sampled_from([1, 1, 1, 1, 7, 100, 5000]), max_size=400),
    most=st.integers(1, 300),
)
def test_never_more_points_than_asked_for_and_always_in_order(steps: list[int], most: int) -> None:
    times = np.cumsum(np.array(steps, np.int64)) * S if steps else np.empty(0, np.int64)
    values = np.arange(len(times), dtype=np.float64)
    thinned = thin(Points(times, values), most, 5 * S)
    assert len(thinned) <= most
    assert (np.diff(thinned.times) > 0).all()
    stored = ~np.isnan(thinned.values)
    assert set(thinned.times[stored].tolist()) <= set(times.tolist())
    assert stored.any() or not steps


def columns_of(values: np.ndarray, windows: int) -> Columns:
    """Buckets of one series over equal windows; NaN in `values` is a reading that did not come."""
    rows = [part[~np.isnan(part)] for part in np.split(values, windows)]
    per = len(values) / windows

    def each(f: object) -> np.ndarray:
        return np.array([[f(r) if len(r) else np.nan for r in rows]])  # type: ignore[operator]

    counts = np.array([[float(len(r)) for r in rows]])
    return Columns(
        count=counts,
        sum=each(np.sum),
        m2=each(lambda r: ((r - r.mean()) ** 2).sum()),
        min=each(np.min),
        max=each(np.max),
        median=each(np.median),
        expected=np.full((1, windows), per),
        reported=counts,
    )


@given(data=st.data())
def test_merged_windows_equal_those_of_the_readings(data: st.DataObject) -> None:
    numbers = st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6))
    values = np.array(data.draw(st.lists(numbers, min_size=24, max_size=24)))
    whole = columns_of(values, 2)
    merged = merge(columns_of(values, 12), 6)
    for name in ("count", "min", "max", "reported", "expected"):
        np.testing.assert_array_equal(getattr(merged, name), getattr(whole, name), err_msg=name)
    assert merged.m2 is not None and whole.m2 is not None
    np.testing.assert_allclose(merged.sum, whole.sum, rtol=1e-9, atol=1e-3)
    np.testing.assert_allclose(merged.m2, whole.m2, rtol=1e-9, atol=1e-3)
    assert merged.median is None


def test_a_grid_without_readings_is_null_with_coverage_zero() -> None:
    columns = columns_of(np.array([1.0, 3.0, np.nan, np.nan]), 2)
    result = build_grid(columns, 0, np.array([0, 2 * S]), 2 * S)
    assert result.coverage is not None and result.stddev is not None
    assert result.mean[0] == 2.0
    assert np.isnan(result.mean[1])
    assert np.isnan(result.sum[1])
    assert result.count.tolist() == [2.0, 0.0]
    assert result.coverage.tolist() == [1.0, 0.0]
    assert result.stddev[0] == pytest.approx(np.sqrt(2))
