"""The engine against recomputation from raw readings: when windows close, after downtime, with late readings."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from backend.core.bucket import SeriesKind
from backend.core.errors import TransientError
from backend.core.ports import DirtyWindow
from backend.core.reading import Points, Readings
from backend.core.windows import NS_PER_SECOND, WINDOWS, Window
from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.db.rollup_state import SqlRollupState
from backend.rollups.engine import RollupEngine
from backend.store.duckdb.store import DuckDBStore
from tests.support.engine_bench import DELAY, DELAY_S, POINTS, EngineBench, cut, only, without
from tests.support.manual_clock import ManualClock
from tests.support.memory_rollup_state import MemoryRollupState
from tests.support.rollup_day import (
    DEFINITIONS,
    END,
    HOUR,
    START,
    compare,
    readings_of,
)
from tests.support.rollup_portions import all_portions

BOTH = pytest.mark.parametrize("bench", ["reference", "duckdb"], indirect=True)
"""Also runs over the simple reference store; other tests use the real store only."""


@BOTH
async def test_bulk_history_is_rolled_up_exactly(bench: EngineBench) -> None:
    await bench.write(POINTS)
    report = await bench.engine.step()
    assert report.watermarks == bench.ends()
    assert await compare(bench.store, POINTS, bench.ends()) == report.rows
    assert (await bench.engine.step()).rows == 0


async def test_many_small_steps_give_the_same_as_one(bench: EngineBench) -> None:
    start, end = START, START + 2 * HOUR + 7 * 60 * NS_PER_SECOND  # over midnight
    points = cut(POINTS, start, end)
    bench.clock.set(start)
    now = start
    rng = np.random.default_rng(1)
    while now < end:
        then = min(now + int(rng.integers(1, 400)) * NS_PER_SECOND, end)
        part = cut(points, now, then)
        if part:
            await bench.write(part)
        now = then
        bench.clock.set(now)
        await bench.engine.step()
    assert not await bench.state.dirty(1)
    await compare(bench.store, points, bench.ends())


async def test_a_window_waits_for_its_end_and_the_delay(bench: EngineBench) -> None:
    await bench.write(POINTS)
    edge = Window.H1.ceil(START)
    bench.clock.set(edge + DELAY - 1)
    await bench.engine.step()
    hours = await bench.store.buckets(SeriesKind.SENSOR, ["plug_1"], Window.H1, 0, END)
    halves = await bench.store.buckets(SeriesKind.SENSOR, ["plug_1"], Window.S30, 0, END)
    assert len(hours) == 0
    assert int(halves.starts.max()) == edge - 2 * Window.S30.ns
    bench.clock.set(edge + DELAY)
    await bench.engine.step()
    hours = await bench.store.buckets(SeriesKind.SENSOR, ["plug_1"], Window.H1, 0, END)
    assert hours.starts.tolist() == [Window.H1.floor(START)]
    await compare(bench.store, POINTS, bench.ends())


async def test_downtime_leaves_no_gap(bench: EngineBench) -> None:
    bench.clock.set(START + HOUR)
    await bench.write(POINTS)
    await bench.engine.step()
    bench.store.down = True
    bench.clock.set(START + 9 * HOUR)
    with pytest.raises(TransientError):
        await bench.engine.step()
    bench.store.down = False
    bench.clock.set(END)
    bench.start_over(bench.state)
    await bench.engine.step()
    await compare(bench.store, POINTS, bench.ends())


async def test_nothing_is_marked_while_the_store_was_down(bench: EngineBench) -> None:
    bench.clock.set(START + HOUR)
    await bench.write(cut(POINTS, START, START + HOUR))
    await bench.engine.step()
    bench.store.down = True
    bench.clock.set(START + 4 * HOUR)
    with pytest.raises(TransientError):
        await bench.engine.step()
    bench.store.down = False
    await bench.write(cut(POINTS, START + HOUR, START + 4 * HOUR))
    assert not await bench.state.dirty(1), "what comes before its window is rolled up is not late"
    await bench.engine.step()
    await compare(bench.store, cut(POINTS, START, START + 4 * HOUR), bench.ends())


@BOTH
async def test_late_readings_are_healed_up_the_tree(bench: EngineBench) -> None:
    rng = np.random.default_rng(2)
    on_time, late = {}, {}
    for name, p in POINTS.items():
        held_back = (rng.random(len(p)) < 0.002) | (
            (p.times > START + 5 * HOUR) & (p.times < START + 6 * HOUR)
        )
        on_time[name] = Points(p.times[~held_back], p.values[~held_back])
        late[name] = Points(p.times[held_back], p.values[held_back])
    await bench.write(on_time)
    await bench.engine.step()
    await compare(bench.store, on_time, bench.ends())
    await bench.write(late)
    while (await bench.engine.heal(limit=50)).healed:
        pass
    await compare(bench.store, POINTS, bench.ends())


async def test_a_sensor_that_comes_back_after_hours_is_healed(bench: EngineBench) -> None:
    """Its readings are newer than all others of the sensor, and still late."""
    rest = {name: p for name, p in POINTS.items() if name != "plug_1"}
    await bench.write(rest | cut({"plug_1": POINTS["plug_1"]}, START, START + HOUR))
    await bench.engine.step()
    await bench.write(cut({"plug_1": POINTS["plug_1"]}, START + HOUR, END))
    await bench.engine.heal()
    await compare(bench.store, POINTS, bench.ends())


async def test_a_replaced_value_is_healed(bench: EngineBench) -> None:
    await bench.write(POINTS)
    await bench.engine.step()
    p = POINTS["battery"]
    changed = {"battery": Points(p.times[:50], p.values[:50] * -3)}
    await bench.write(changed)
    await bench.engine.heal()
    values = np.concatenate([changed["battery"].values, p.values[50:]])
    await compare(bench.store, POINTS | {"battery": Points(p.times, values)}, bench.ends())


async def test_history_older_than_the_first_window_is_healed(bench: EngineBench) -> None:
    await bench.write(cut(POINTS, START + 10 * HOUR, END))
    await bench.engine.step()
    await bench.write(cut(POINTS, START, START + 10 * HOUR))
    await bench.engine.heal()
    for kind, names in ((SeriesKind.SENSOR, DEFINITIONS.sensors), (SeriesKind.NODE, ("datacenter",))):
        got = await bench.store.buckets(kind, names, Window.H1, 0, END)
        assert int(got.starts.min()) == Window.H1.floor(START)
    await bench.engine.recompute_series(all_portions(DEFINITIONS, START, END))
    await compare(bench.store, POINTS, bench.ends())


async def test_a_late_reading_does_not_fill_a_window_that_is_still_open(bench: EngineBench) -> None:
    now = Window.H1.ceil(START) + 30 * 60 * NS_PER_SECOND
    bench.clock.set(now)
    here = cut(POINTS, START, now)
    p, late = here["plug_1"], slice(-900, -600)
    await bench.write(here | {"plug_1": without(p, late)})
    await bench.engine.step()
    await bench.write({"plug_1": only(p, late)})
    await bench.engine.heal()
    await compare(bench.store, here, bench.ends())
    bench.clock.set(END)
    await bench.write(cut(POINTS, now, END))
    await bench.engine.step()
    await compare(bench.store, POINTS, bench.ends())


class CrashingState(MemoryRollupState):
    """Fails once when a mark is to be cleared."""

    crash = True

    async def clear_dirty(self, windows: object) -> None:
        if self.crash:
            self.crash = False
            raise RuntimeError("killed")
        await super().clear_dirty(windows)  # type: ignore[arg-type]


async def test_a_crash_between_writing_and_clearing_loses_nothing(bench: EngineBench) -> None:
    bench.start_over(CrashingState())
    late = cut(POINTS, START + 20 * HOUR, START + 21 * HOUR)
    await bench.write(cut(POINTS, START, START + 20 * HOUR))
    await bench.write(cut(POINTS, START + 21 * HOUR, END))
    await bench.engine.step()
    await bench.write(late)
    with pytest.raises(RuntimeError):
        await bench.engine.heal()
    assert await bench.state.dirty(1)
    await bench.engine.heal()
    assert not await bench.state.dirty(1)
    await compare(bench.store, POINTS, bench.ends())


async def test_a_mark_set_while_healing_survives(bench: EngineBench) -> None:
    p = POINTS["probe"]
    await bench.write({"probe": without(p, slice(3, 5))})
    await bench.engine.step()
    await bench.write({"probe": only(p, slice(3, 4))})
    written = bench.store.write_buckets
    second: list[Readings] = [readings_of({"probe": only(p, slice(4, 5))})]

    async def write_buckets(*args: object) -> None:
        if second:  # arrives after the windows were read, before their mark is cleared
            late = second.pop()
            await bench.store.write(late)
            await bench.engine.on_late(late)
        await written(*args)

    bench.store.write_buckets = write_buckets
    await bench.engine.heal()
    assert await bench.state.dirty(10)
    await bench.engine.heal()
    assert not await bench.state.dirty(10)
    await compare(bench.store, {"probe": p}, bench.ends())


@pytest.mark.parametrize("window", [Window.S30, Window.M1, Window.D1])
async def test_a_reading_that_arrives_while_its_window_is_rolled_up_is_not_lost(
    bench: EngineBench, window: Window
) -> None:
    p = POINTS["probe"]
    await bench.write({"probe": without(p, slice(5, 6))})
    aggregate = bench.store.aggregate_many
    late: list[Readings] = [readings_of({"probe": only(p, slice(5, 6))})]

    async def read_then_arrive(groups: object, at: Sequence[Window], start: int, end: int) -> object:
        aggregated = await aggregate(groups, at, start, end)
        if late and window in at:
            arrived = late.pop()
            await bench.store.write(arrived)
            await bench.engine.on_late(arrived)
        return aggregated

    bench.store.aggregate_many = read_then_arrive
    await bench.engine.step()
    await bench.engine.heal()
    await compare(bench.store, {"probe": p}, bench.ends())


async def test_a_step_runs_between_two_days_of_healing(bench: EngineBench) -> None:
    await bench.write({"probe": POINTS["probe"]})
    bench.clock.set(END - HOUR)
    await bench.engine.step()
    await bench.state.mark_dirty(
        [DirtyWindow("probe", d, d + Window.D1.ns) for d in Window.D1.starts(START, END)]
    )
    bench.clock.set(END)
    healing = asyncio.create_task(bench.engine.heal())
    stepping = asyncio.create_task(bench.engine.step())
    await stepping
    assert not healing.done()
    await healing
    assert not await bench.state.dirty(1)
    await compare(bench.store, {"probe": POINTS["probe"]}, bench.ends())


@BOTH
async def test_recompute_empties_windows_whose_readings_were_deleted(bench: EngineBench) -> None:
    await bench.write(POINTS)
    await bench.engine.step()
    a, b = START + 7 * HOUR, START + 8 * HOUR
    await bench.store.delete(["plug_1", "probe"], a, b)
    await bench.engine.recompute_series(all_portions(DEFINITIONS, a, b))
    remaining = dict(POINTS)
    for name in ("plug_1", "probe"):
        p = POINTS[name]
        here = (p.times < a) | (p.times >= b)
        remaining[name] = Points(p.times[here], p.values[here])
    await compare(bench.store, remaining, bench.ends())
    emptied = await bench.store.buckets(
        SeriesKind.SENSOR, ["plug_1"], Window.M1, Window.M1.ceil(a), Window.M1.floor(b)
    )
    assert len(emptied)
    assert not emptied.count.any()
    assert np.isnan(emptied.sum).all()
    assert (emptied.coverage == 0).all()


async def test_years_without_readings_are_skipped_fast(bench: EngineBench) -> None:
    p = POINTS["probe"]
    old = Points(p.times[:5] - 30 * 365 * Window.D1.ns, p.values[:5])
    await bench.write({"probe": Points(np.r_[old.times, p.times], np.r_[old.values, p.values])})
    report = await bench.engine.step()
    assert report.watermarks == bench.ends()
    assert report.rows < 300_000
    got = await bench.store.buckets(SeriesKind.SENSOR, ["probe"], Window.D1, 0, END)
    assert got.count.sum() == 5 + (p.times < Window.D1.floor(END)).sum()
    nodes = await bench.store.buckets(SeriesKind.NODE, ["datacenter"], Window.S30, START, END)
    assert len(nodes) == (bench.ends()[Window.S30] - Window.S30.ceil(START)) // Window.S30.ns


async def test_before_the_first_reading_nothing_happens(bench: EngineBench) -> None:
    assert (await bench.engine.step()).rows == 0
    assert (await bench.engine.heal()).healed == 0
    assert (await bench.engine.recompute_series(all_portions(DEFINITIONS, START, END))).rows == 0
    assert await bench.state.watermark(Window.S30) is None
    await bench.engine.on_late(readings_of(cut(POINTS, START, START + HOUR)))
    assert not await bench.state.dirty(1)


async def test_dirty_marks_of_removed_sensors_are_cleared(bench: EngineBench) -> None:
    await bench.write(cut(POINTS, START, START + HOUR))
    await bench.engine.step()
    await bench.state.mark_dirty([DirtyWindow("gone", Window.S30.floor(START), Window.S30.ceil(START))])
    await bench.engine.heal()
    assert not await bench.state.dirty(1)


async def test_a_restart_resumes_from_the_files(tmp_path: Path) -> None:
    """Open engine, store and state over the same files twice, with late readings marked before the second time."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    clock = ManualClock(START + 3 * HOUR)
    late = cut({"plug_1": POINTS["plug_1"]}, START + HOUR, START + 2 * HOUR)
    on_time = dict(POINTS)
    p = POINTS["plug_1"]
    here = (p.times < START + HOUR) | (p.times >= START + 2 * HOUR)
    on_time["plug_1"] = Points(p.times[here], p.values[here])
    for arriving, until in (
        (cut(on_time, START, START + 3 * HOUR), START + 3 * HOUR),
        (cut(on_time, START + 3 * HOUR, END) | {"probe": POINTS["probe"]}, END),
        (late, END + HOUR),
    ):
        clock.set(until)
        await migrate(url)
        database, store = Database(url), DuckDBStore(tmp_path / "series.duckdb", readers=2)
        await store.open()
        engine = RollupEngine(store, SqlRollupState(database), DEFINITIONS, clock, DELAY_S)
        readings = readings_of(arriving)
        await store.write(readings)
        await engine.on_late(readings)
        await engine.step()
        if arriving is late:
            assert (await engine.heal()).healed
            await compare(store, POINTS, {w: w.floor(until - DELAY) for w in WINDOWS})
        await store.close()
        await database.close()
