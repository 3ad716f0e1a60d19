"""The engine against recomputation from raw readings: when windows close, after downtime, with late readings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from backend.core.bucket import SeriesKind
from backend.core.clock import ManualClock
from backend.core.errors import TransientError
from backend.core.ports import DirtyWindow
from backend.core.reading import Points, Readings
from backend.core.windows import NS_PER_SECOND, WINDOWS, Window
from backend.rollups.engine import RollupEngine
from tests.support.memory_rollup_state import MemoryRollupState
from tests.support.reference_store import ReferenceStore
from tests.support.rollup_day import DEFINITIONS, END, HOUR, START, compare, readings_of, simulate

DELAY_S = 5.0
DELAY = round(DELAY_S * 1e9)
POINTS = simulate()


class Bench:
    """An engine over the reference store, with its clock."""

    def __init__(self, now: int = END) -> None:
        self.store = ReferenceStore()
        self.state = MemoryRollupState()
        self.clock = ManualClock(now)
        self.engine = RollupEngine(self.store, self.state, DEFINITIONS, self.clock, DELAY_S)

    def ends(self) -> Mapping[Window, int]:
        return {w: w.floor(self.clock.now_ns() - DELAY) for w in WINDOWS}

    async def write(self, points: Mapping[str, Points]) -> None:
        """As ingest does: keep, then tell."""
        readings = readings_of(points)
        await self.store.write(readings)
        await self.engine.on_late(readings)


def cut(points: Mapping[str, Points], start: int, end: int) -> dict[str, Points]:
    found = {}
    for name, p in points.items():
        a, b = np.searchsorted(p.times, [start, end])
        if b > a:
            found[name] = Points(p.times[a:b], p.values[a:b])
    return found


def only(p: Points, rows: slice) -> Points:
    return Points(p.times[rows], p.values[rows])


def without(p: Points, rows: slice) -> Points:
    return Points(np.delete(p.times, rows), np.delete(p.values, rows))


async def test_bulk_history_is_rolled_up_exactly() -> None:
    bench = Bench()
    await bench.write(POINTS)
    report = await bench.engine.step()
    assert report.watermarks == bench.ends()
    assert await compare(bench.store, POINTS, bench.ends()) == report.rows
    assert (await bench.engine.step()).rows == 0


async def test_many_small_steps_give_the_same_as_one() -> None:
    start, end = START, START + 2 * HOUR + 7 * 60 * NS_PER_SECOND  # over midnight
    points = cut(POINTS, start, end)
    bench = Bench(start)
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


async def test_a_window_waits_for_its_end_and_the_delay() -> None:
    bench = Bench()
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


async def test_downtime_leaves_no_hole() -> None:
    bench = Bench(START + HOUR)
    await bench.write(POINTS)
    await bench.engine.step()
    bench.store.down = True
    bench.clock.set(START + 9 * HOUR)
    with pytest.raises(TransientError):
        await bench.engine.step()
    bench.store.down = False
    bench.clock.set(END)
    again = RollupEngine(bench.store, bench.state, DEFINITIONS, bench.clock, DELAY_S)
    await again.step()
    await compare(bench.store, POINTS, bench.ends())


async def test_nothing_is_marked_while_the_store_was_down() -> None:
    bench = Bench(START + HOUR)
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


async def test_late_readings_are_healed_up_the_tree() -> None:
    bench = Bench()
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


async def test_a_sensor_that_comes_back_after_hours_is_healed() -> None:
    """Its readings are newer than all it had, and late all the same."""
    bench = Bench()
    rest = {name: p for name, p in POINTS.items() if name != "plug_1"}
    await bench.write(rest | cut({"plug_1": POINTS["plug_1"]}, START, START + HOUR))
    await bench.engine.step()
    await bench.write(cut({"plug_1": POINTS["plug_1"]}, START + HOUR, END))
    await bench.engine.heal()
    await compare(bench.store, POINTS, bench.ends())


async def test_a_value_written_again_is_healed() -> None:
    bench = Bench()
    await bench.write(POINTS)
    await bench.engine.step()
    p = POINTS["battery"]
    changed = {"battery": Points(p.times[:50], p.values[:50] * -3)}
    await bench.write(changed)
    await bench.engine.heal()
    values = np.concatenate([changed["battery"].values, p.values[50:]])
    await compare(bench.store, POINTS | {"battery": Points(p.times, values)}, bench.ends())


async def test_history_older_than_the_first_window_is_healed() -> None:
    bench = Bench()
    await bench.write(cut(POINTS, START + 10 * HOUR, END))
    await bench.engine.step()
    await bench.write(cut(POINTS, START, START + 10 * HOUR))
    await bench.engine.heal()
    for kind, names in ((SeriesKind.SENSOR, DEFINITIONS.sensors), (SeriesKind.NODE, ("datacenter",))):
        got = await bench.store.buckets(kind, names, Window.H1, 0, END)
        assert int(got.starts.min()) == Window.H1.floor(START)
    await bench.engine.recompute(START, END)
    await compare(bench.store, POINTS, bench.ends())


async def test_a_late_reading_does_not_fill_a_window_that_is_still_open() -> None:
    now = Window.H1.ceil(START) + 30 * 60 * NS_PER_SECOND
    bench = Bench(now)
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
    """Dies when a mark is to be cleared, once."""

    crash = True

    async def clear_dirty(self, windows: object) -> None:
        if self.crash:
            self.crash = False
            raise RuntimeError("killed")
        await super().clear_dirty(windows)  # type: ignore[arg-type]


async def test_a_crash_between_writing_and_clearing_loses_nothing() -> None:
    bench = Bench()
    bench.state = CrashingState()
    bench.engine = RollupEngine(bench.store, bench.state, DEFINITIONS, bench.clock, DELAY_S)
    late = cut(POINTS, START + 20 * HOUR, START + 21 * HOUR)
    await bench.write(cut(POINTS, START, START + 20 * HOUR) | {})
    await bench.write(cut(POINTS, START + 21 * HOUR, END))
    await bench.engine.step()
    await bench.write(late)
    with pytest.raises(RuntimeError):
        await bench.engine.heal()
    assert await bench.state.dirty(1)
    await bench.engine.heal()
    assert not await bench.state.dirty(1)
    await compare(bench.store, POINTS, bench.ends())


async def test_a_mark_set_while_healing_survives() -> None:
    bench = Bench()
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
        await written(*args)  # type: ignore[arg-type]

    bench.store.write_buckets = write_buckets  # type: ignore[method-assign]
    await bench.engine.heal()
    assert await bench.state.dirty(10)
    await bench.engine.heal()
    assert not await bench.state.dirty(10)
    await compare(bench.store, {"probe": p}, bench.ends())


@pytest.mark.parametrize("window", [Window.S30, Window.M1, Window.D1])
async def test_a_reading_that_arrives_while_its_window_is_rolled_up_is_not_lost(window: Window) -> None:
    bench = Bench()
    p = POINTS["probe"]
    await bench.write({"probe": without(p, slice(5, 6))})
    aggregate = bench.store.aggregate
    late: list[Readings] = [readings_of({"probe": only(p, slice(5, 6))})]

    async def read_then_arrive(groups: object, at: Window, start: int, end: int) -> object:
        found = await aggregate(groups, at, start, end)  # type: ignore[arg-type]
        if late and at is window:
            await bench.store.write(late[0])
            await bench.engine.on_late(late.pop())
        return found

    bench.store.aggregate = read_then_arrive  # type: ignore[method-assign, assignment]
    await bench.engine.step()
    await bench.engine.heal()
    await compare(bench.store, {"probe": p}, bench.ends())


async def test_recompute_forgets_what_is_gone_from_the_raw_readings() -> None:
    bench = Bench()
    await bench.write(POINTS)
    await bench.engine.step()
    a, b = START + 7 * HOUR, START + 8 * HOUR
    await bench.store.delete(["plug_1", "probe"], a, b)
    await bench.engine.recompute(a, b)
    left = dict(POINTS)
    for name in ("plug_1", "probe"):
        p = POINTS[name]
        here = (p.times < a) | (p.times >= b)
        left[name] = Points(p.times[here], p.values[here])
    await compare(bench.store, left, bench.ends())
    kept = await bench.store.buckets(
        SeriesKind.SENSOR, ["plug_1"], Window.M1, Window.M1.ceil(a), Window.M1.floor(b)
    )
    assert len(kept)
    assert not kept.count.any()
    assert np.isnan(kept.sum).all()
    assert (kept.coverage == 0).all()


async def test_years_of_silence_cost_little() -> None:
    bench = Bench(END)
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


async def test_before_the_first_reading_nothing_happens() -> None:
    bench = Bench()
    assert (await bench.engine.step()).rows == 0
    assert (await bench.engine.heal()).healed == 0
    assert (await bench.engine.recompute(START, END)).rows == 0
    assert await bench.state.watermark(Window.S30) is None
    await bench.engine.on_late(readings_of(cut(POINTS, START, START + HOUR)))
    assert not await bench.state.dirty(1)


async def test_marks_of_sensors_no_longer_described_go() -> None:
    bench = Bench()
    await bench.write(cut(POINTS, START, START + HOUR))
    await bench.engine.step()
    await bench.state.mark_dirty([DirtyWindow("gone", Window.S30.floor(START), Window.S30.ceil(START))])
    await bench.engine.heal()
    assert not await bench.state.dirty(1)


async def test_a_clock_set_back_undoes_nothing() -> None:
    bench = Bench()
    await bench.write(POINTS)
    await bench.engine.step()
    bench.clock.set(END - 2 * HOUR)
    assert (await bench.engine.step()).rows == 0
    assert await bench.state.watermark(Window.S30) == Window.S30.floor(END - DELAY)
