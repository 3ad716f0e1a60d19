"""Grids of 30 s values against plain Python, for any values and any holes."""

from __future__ import annotations

import statistics

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.core.bucket import Buckets
from backend.core.grids import NodeGrid, as_buckets, dense, summarise
from backend.core.windows import Window
from backend.rollups.roller import emptied

DAY = Window.D1.ns
VALUES = st.one_of(
    st.just(float("nan")),
    st.floats(-1e6, 1e6).map(lambda v: round(v, 9)),
    st.sampled_from([0.0, 1e-9, 230.0]),
)


@st.composite
def grids(draw: st.DrawFn) -> tuple[NodeGrid, Window]:
    window = draw(st.sampled_from([Window.M1, Window.H1]))
    many, nodes = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    rows = many * window.ns // Window.S30.ns
    values = draw(arrays(np.float64, (rows, nodes), elements=VALUES))
    reporting = np.where(np.isnan(values), 0.0, 2.0)
    start = draw(st.integers(-3, 20_000)) * DAY
    return NodeGrid(start, tuple("abc"[:nodes]), values, reporting, np.full(nodes, 4.0)), window


@given(grids())
def test_summaries_are_those_of_the_values(given_grid: tuple[NodeGrid, Window]) -> None:
    grid, window = given_grid
    got = summarise(grid, window)
    per = window.ns // Window.S30.ns
    row = 0
    for column in range(len(grid.nodes)):
        for first in range(0, len(grid.values), per):
            here = [v for v in grid.values[first : first + per, column].tolist() if v == v]
            assert got.codes[row] == column
            assert got.starts[row] == grid.start_ns + first * Window.S30.ns
            assert got.count[row] == len(here)
            assert got.expected[row] == 4 * per
            assert got.reported[row] == 2 * len(here)
            if not here:
                assert all(np.isnan(c[row]) for c in (got.sum, got.m2, got.min, got.max, got.median))
            else:
                size = max(map(abs, here)) or 1.0
                assert got.min[row] == min(here)
                assert got.max[row] == max(here)
                assert got.median[row] == statistics.median(here)
                assert abs(got.sum[row] - sum(here)) <= 1e-12 * size * len(here)
                assert abs(got.mean[row] - statistics.fmean(here)) <= 1e-12 * size
                if len(here) > 1:
                    assert abs(got.stddev[row] - statistics.stdev(here)) <= 1e-9 * size
            row += 1
    assert row == len(got)


@given(grids())
def test_kept_buckets_give_the_grid_back(given_grid: tuple[NodeGrid, Window]) -> None:
    grid, _ = given_grid
    stored = as_buckets(grid)
    repeated = NodeGrid.of_buckets(stored, grid.nodes, grid.sensors, grid.start_ns, grid.end_ns)
    np.testing.assert_array_equal(repeated.values, grid.values)
    np.testing.assert_array_equal(repeated.reporting, grid.reporting)
    assert (np.diff(stored.codes) >= 0).all()
    assert stored.expected.tolist() == [4.0] * len(stored)


@given(grids(), st.data())
def test_joining_parts_gives_the_whole(given_grid: tuple[NodeGrid, Window], data: st.DataObject) -> None:
    grid, _ = given_grid
    cut = grid.start_ns + data.draw(st.integers(1, len(grid.values) - 1)) * Window.S30.ns
    whole = NodeGrid.join([grid.part(grid.start_ns, cut), grid.part(cut, grid.end_ns)])
    np.testing.assert_array_equal(whole.values, grid.values)
    assert (whole.start_ns, whole.end_ns) == (grid.start_ns, grid.end_ns)


def buckets(names: tuple[str, ...], rows: list[tuple[int, int, float]]) -> Buckets:
    """From (code, start, count)."""
    code, start, count = (np.array(c) for c in zip(*sorted(rows), strict=True)) if rows else ([], [], [])
    filled = [np.array(count, np.float64)] * 8
    return Buckets(names, np.array(code, np.int32), np.array(start, np.int64), *filled)


def test_dense_leaves_out_what_is_not_asked_for() -> None:
    s = Window.S30.ns
    rows = buckets(("a", "b", "c"), [(0, s, 5.0), (1, 0, 6.0), (2, 2 * s, 7.0)])
    got = dense(rows, rows.count, ("c", "z", "a"), 0, 3 * s)
    np.testing.assert_array_equal(got, [[np.nan] * 3, [np.nan, np.nan, 5.0], [7.0, np.nan, np.nan]])


IDENTITIES = st.sets(st.tuples(st.integers(0, 2), st.integers(-2, 5)))


@given(IDENTITIES, IDENTITIES)
def test_emptied_returns_the_old_windows_that_the_new_ones_lack(
    old_rows: set[tuple[int, int]], new_rows: set[tuple[int, int]]
) -> None:
    h = Window.H1.ns
    # Both name the same series, in another order.
    old = buckets(("a", "b", "c"), [(c, i * h, 1.0) for c, i in old_rows])
    new = buckets(("c", "b", "a"), [(2 - c, i * h, 1.0) for c, i in new_rows])
    removed = emptied(old, new, Window.H1)
    assert (
        set(zip(removed.codes.tolist(), (removed.starts // h).tolist(), strict=True)) == old_rows - new_rows
    )
    assert not removed.count.any()
    assert np.isnan(removed.sum).all()


def test_what_was_empty_before_does_not_vanish() -> None:
    assert len(emptied(buckets(("a",), [(0, 0, 0.0)]), buckets(("a",), []), Window.M1)) == 0
