"""Statistics of runs against numpy, one run at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.store.duckdb.rows import Rows
from backend.store.summary import NETWORK_LENGTH, SORT_LENGTH, summarise

EDGES = [1, 2, 3, NETWORK_LENGTH, NETWORK_LENGTH + 1, 100, SORT_LENGTH, SORT_LENGTH + 1, SORT_LENGTH + 2]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40) | st.sampled_from(EDGES), min_size=1, max_size=20),
    seed=st.integers(0, 1 << 30),
    repeated=st.booleans(),
)
def test_runs_of_any_lengths(lengths: list[int], seed: int, repeated: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(20, 5, sum(lengths)).round(0 if repeated else 9)
    first = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    got = summarise(values, first)
    for at, run in enumerate(np.split(values, first[1:])):
        assert (got.count[at], got.min[at], got.max[at]) == (len(run), run.min(), run.max())
        assert got.sum[at] == pytest.approx(run.sum(), rel=1e-12, abs=1e-9)
        assert got.m2[at] == pytest.approx(((run - run.mean()) ** 2).sum(), rel=1e-9, abs=1e-12)
        assert got.median[at] == np.median(run)


def test_equal_values_have_no_deviation() -> None:
    values = np.full(3 + 100, 0.1)
    assert summarise(values, np.array([0, 3])).m2.tolist() == [0.0, 0.0]


ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(-20, 20)), max_size=60)


@given(rows=ROWS)
def test_distinct_rows_are_sorted_and_the_last_duplicate_is_kept(rows: list[tuple[int, int]]) -> None:
    table = Rows(
        np.array([sid for sid, _ in rows], np.int32),
        np.array([ts for _, ts in rows], np.int64),
        (np.arange(len(rows), dtype=np.float64),),
    )
    got = table.distinct()
    expected = {(sid, ts): float(at) for at, (sid, ts) in enumerate(rows)}
    assert list(zip(got.sid.tolist(), got.ts.tolist(), strict=True)) == sorted(expected)
    assert got.values[0].tolist() == [expected[key] for key in sorted(expected)]
    newest = got.newest()
    assert list(zip(newest.sid.tolist(), newest.ts.tolist(), strict=True)) == [
        (sid, max(ts for s, ts in expected if s == sid)) for sid in sorted({sid for sid, _ in expected})
    ]
    parts = dict(got.by_partition(7))
    assert {number: len(part) for number, part in parts.items()} == {
        number: sum(ts // 7 == number for _, ts in expected) for number in {ts // 7 for _, ts in expected}
    }
