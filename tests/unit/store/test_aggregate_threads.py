"""Aggregation on a second thread gives the same result as on one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.core.bucket import Buckets
from backend.core.reading import Readings
from backend.core.windows import WINDOWS, Window
from backend.store.duckdb import aggregate
from backend.store.duckdb.store import DuckDBStore

NAMES = tuple(f"plug_{n}" for n in range(6))
DAY = Window.D1.ns
START = 19_000 * DAY
GROUPS = {**{name: (name,) for name in NAMES}, "all": NAMES, "some": NAMES[:3]}


async def filled(folder: Path) -> DuckDBStore:
    store = DuckDBStore(folder / "series.duckdb")
    await store.open()
    dice = np.random.default_rng(7)
    times = START + np.sort(dice.choice(DAY // 10**9, 5_000, replace=False)) * 10**9
    codes = np.tile(np.arange(len(NAMES), dtype=np.int32), len(times))
    await store.write(Readings(NAMES, codes, np.repeat(times, len(NAMES)), dice.normal(100, 9, len(codes))))
    return store


def same(a: Buckets, b: Buckets) -> bool:
    columns = ("codes", "starts", "count", "sum", "m2", "min", "max", "median")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in columns)


async def test_buckets_are_those_of_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await filled(tmp_path)
    try:
        monkeypatch.setattr(aggregate, "PIECE_ROWS", 6_000)
        alone = await store.aggregate_many(GROUPS, WINDOWS, START, START + DAY)
        monkeypatch.setattr(aggregate, "THREADED_ROWS", 0)
        apart = await store.aggregate_many(GROUPS, WINDOWS, START, START + DAY)
    finally:
        await store.close()
    assert sum(len(buckets) for buckets in alone.values()) > 10_000
    assert all(same(alone[window], apart[window]) for window in WINDOWS)


async def test_a_failure_on_the_second_thread_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ArithmeticError("no such sum")

    store = await filled(tmp_path)
    monkeypatch.setattr(aggregate, "THREADED_ROWS", 0)
    monkeypatch.setattr(aggregate, "summarise", broken)
    try:
        with pytest.raises(ArithmeticError, match="no such sum"):
            await store.aggregate_many(GROUPS, WINDOWS, START, START + DAY)
    finally:
        await store.close()
