"""Expired data is deleted; roll-ups computed from it stay unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import fields

import numpy as np
import pytest

from backend.core.bucket import Buckets, SeriesKind
from backend.core.ports import DirtyWindow, TimeSeriesStore
from backend.core.reading import Points
from backend.core.windows import NS_PER_SECOND, WINDOWS, Window
from backend.rollups.definitions import WINDOWS_OF
from backend.rollups.engine import RollupEngine
from backend.rollups.retention import RetentionPeriods, deletion_edge
from backend.store.duckdb.store import DuckDBStore
from tests.support.manual_clock import ManualClock
from tests.support.memory_rollup_state import MemoryRollupState
from tests.support.reference_store import ReferenceStore
from tests.support.rollup_day import DEFINITIONS, readings_of
from tests.support.rollup_portions import all_portions

DAY = Window.D1.ns
T0 = 1_700_006_400 * NS_PER_SECOND  # a midnight
NAMES = {
    SeriesKind.SENSOR: DEFINITIONS.sensors,
    SeriesKind.TYPE: tuple(DEFINITIONS.types),
    SeriesKind.NODE: tuple(DEFINITIONS.nodes),
}
Kept = dict[tuple[SeriesKind, Window], Buckets]


class Bench:
    """Five days of some readings, rolled up, seen six hours into the sixth."""

    def __init__(self, store: TimeSeriesStore) -> None:
        self.store = store
        self.clock = ManualClock(T0 + 5 * DAY + 6 * Window.H1.ns)
        self.state = MemoryRollupState()
        self.engine = RollupEngine(store, self.state, DEFINITIONS, self.clock, 5.0)
        times = T0 + np.arange(0, self.clock.now_ns() - T0, 300 * NS_PER_SECOND, dtype=np.int64)
        self.points = {
            name: Points(times + i, 100 + i + np.sin(times / DAY) * 10)
            for i, name in enumerate(("plug_1", "plug_2", "battery", "sun", "probe"))
        }

    async def fill(self) -> None:
        await self.store.open()
        await self.store.write(readings_of(self.points))
        await self.engine.step()

    async def late(self, sensor: str, time: int, value: float) -> None:
        batch = readings_of({sensor: Points(np.array([time]), np.array([value]))})
        await self.store.write(batch)
        await self.engine.on_late(batch)

    async def kept(self) -> Kept:
        return {
            (kind, w): await self.store.buckets(kind, names, w, 0, T0 + 9 * DAY)
            for kind, names in NAMES.items()
            for w in WINDOWS_OF[kind]
        }


def same(got: Kept, expected: Kept) -> None:
    for key, buckets in expected.items():
        for field in fields(Buckets)[1:]:
            one, other = getattr(got[key], field.name), getattr(buckets, field.name)
            np.testing.assert_array_equal(one, other, err_msg=f"{key} {field.name}")


@pytest.fixture(params=["reference", "duckdb"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    bench = Bench(ReferenceStore() if request.param == "reference" else DuckDBStore(":memory:", readers=2))
    await bench.fill()
    yield bench
    await bench.store.close()


async def test_by_default_everything_is_kept(bench: Bench) -> None:
    bench.clock.set(T0 + 9999 * DAY)
    assert await bench.engine.delete_expired(RetentionPeriods()) == {}
    assert await bench.store.first_time() == T0


async def test_expired_raw_readings_are_deleted_and_their_roll_ups_stay(bench: Bench) -> None:
    before = await bench.kept()
    assert await bench.engine.delete_expired(RetentionPeriods(raw_days=2)) == {None: T0 + 3 * DAY}
    assert await bench.store.first_time() == T0 + 3 * DAY
    same(await bench.kept(), before)
    assert before[SeriesKind.SENSOR, Window.S30].starts.min() == T0


async def test_recomputing_and_healing_keep_roll_ups_whose_readings_are_deleted(bench: Bench) -> None:
    before = await bench.kept()
    await bench.engine.delete_expired(RetentionPeriods(raw_days=2))
    await bench.engine.recompute_series(all_portions(DEFINITIONS, T0, T0 + 5 * DAY))
    same(await bench.kept(), before)
    await bench.late("plug_1", T0 + DAY + 7, 5000.0)
    await bench.state.mark_dirty([DirtyWindow("probe", T0 + DAY, T0 + 2 * DAY)])
    await bench.engine.heal()
    same(await bench.kept(), before)
    assert not await bench.state.dirty(1)
    # The late reading belongs to a deleted time, and is deleted too.
    assert await bench.store.first_time() == T0 + DAY + 7
    await bench.engine.delete_expired(RetentionPeriods(raw_days=2))
    assert await bench.store.first_time() == T0 + 3 * DAY


async def test_retained_history_still_heals(bench: Bench) -> None:
    await bench.engine.delete_expired(RetentionPeriods(raw_days=2))
    await bench.late("plug_1", T0 + 3 * DAY + 7 * NS_PER_SECOND, 5000.0)
    await bench.engine.heal()
    for window in WINDOWS:
        got = await bench.store.buckets(SeriesKind.NODE, ["datacenter"], window, T0 + 3 * DAY, T0 + 4 * DAY)
        assert got.max[0] > 2000


async def test_the_edge_holds_after_the_setting_is_removed(bench: Bench) -> None:
    before = await bench.kept()
    await bench.engine.delete_expired(RetentionPeriods(raw_days=2))
    engine = RollupEngine(bench.store, bench.state, DEFINITIONS, bench.clock, 5.0)
    await engine.delete_expired(RetentionPeriods())
    await engine.recompute_series(all_portions(DEFINITIONS, T0, T0 + 5 * DAY))
    same(await bench.kept(), before)


async def test_each_window_has_its_own_retention(bench: Bench) -> None:
    keep = RetentionPeriods(days={Window.S30: 1, Window.M1: 3, Window.D1: 4})
    edges = {Window.S30: T0 + 4 * DAY, Window.M1: T0 + 2 * DAY, Window.D1: T0 + DAY}
    assert await bench.engine.delete_expired(keep) == edges
    for _ in range(2):
        for (kind, window), buckets in (await bench.kept()).items():
            assert buckets.starts.min() == edges.get(window, T0), (kind, window)
        # All raw readings exist, and yet deleted roll-ups are not recomputed.
        await bench.engine.recompute_series(all_portions(DEFINITIONS, T0, T0 + 5 * DAY))
    assert await bench.store.first_time() == T0


async def test_without_the_nodes_30s_values_their_days_stay_as_they_are(bench: Bench) -> None:
    before = await bench.kept()
    await bench.engine.delete_expired(RetentionPeriods(days={Window.S30: 2}))
    await bench.late("plug_1", T0 + DAY + 7, 5000.0)
    await bench.engine.heal()
    after = await bench.kept()
    for kind in SeriesKind:
        same({(kind, Window.D1): after[kind, Window.D1]}, {(kind, Window.D1): before[kind, Window.D1]})


async def test_readings_that_are_not_rolled_up_stay(bench: Bench) -> None:
    bench.clock.set(T0 + 50 * DAY)
    assert await bench.engine.delete_expired(RetentionPeriods(raw_days=2)) == {None: T0 + 5 * DAY}
    await bench.engine.step()
    assert await bench.engine.delete_expired(RetentionPeriods(raw_days=2)) == {None: T0 + 48 * DAY}


async def test_nothing_is_deleted_before_the_first_roll_up() -> None:
    bench = Bench(ReferenceStore())
    await bench.store.write(readings_of(bench.points))
    assert await bench.engine.delete_expired(RetentionPeriods(raw_days=1)) == {}
    assert await bench.store.first_time() == T0


async def test_a_day_that_awaits_healing_stays_until_it_is_healed(bench: Bench) -> None:
    await bench.late("plug_1", T0 + DAY + 7, 5000.0)
    assert await bench.engine.delete_expired(RetentionPeriods(raw_days=2)) == {None: T0 + DAY}
    await bench.engine.heal()
    assert await bench.engine.delete_expired(RetentionPeriods(raw_days=2)) == {None: T0 + 3 * DAY}
    got = await bench.store.buckets(SeriesKind.SENSOR, ["plug_1"], Window.D1, T0 + DAY, T0 + 2 * DAY)
    assert got.max.tolist() == [5000.0]


def test_edges_are_midnights_and_never_after_data_that_is_needed() -> None:
    now, far = T0 + 10 * DAY + 5, T0 + 99 * DAY
    assert deletion_edge(0, now, far, None) is None
    assert deletion_edge(3, now, far, None) == T0 + 7 * DAY
    assert deletion_edge(3, now, T0 + 2 * DAY + 9, None) == T0 + 2 * DAY
    assert deletion_edge(3, now, far, T0 + DAY + 9) == T0 + DAY
