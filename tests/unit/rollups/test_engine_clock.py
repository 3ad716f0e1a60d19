"""The engine with a clock that is set back, runs ahead or jumps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from backend.core.bucket import SeriesKind
from backend.core.reading import Points
from backend.core.windows import NS_PER_SECOND, WINDOWS, Window
from tests.support.engine_bench import POINTS, EngineBench, cut, only
from tests.support.rollup_day import (
    DEFINITIONS,
    END,
    HOUR,
    START,
    check,
    compare,
    expect,
)


async def test_a_clock_set_back_loses_nothing(bench: EngineBench) -> None:
    """Windows ahead of the clock are rolled up once more when the clock reaches them."""
    await bench.write(POINTS)
    await bench.engine.step()
    bench.clock.set(END - 2 * HOUR)
    assert (await bench.engine.step()).rows == 0
    assert {w: await bench.state.watermark(w) for w in WINDOWS} == bench.ends()
    late = {"probe": only(POINTS["probe"], slice(-300, -290))}
    await bench.write({"probe": Points(late["probe"].times, late["probe"].values + 1)})
    await bench.engine.heal()
    await bench.write(late)
    await bench.engine.heal()
    bench.clock.set(END)
    await bench.engine.step()
    await compare(bench.store, POINTS, bench.ends())


@pytest.mark.parametrize("hours", [5, 30])
async def test_a_clock_that_ran_ahead_exposes_no_partial_windows(bench: EngineBench, hours: int) -> None:
    now = START + 3 * HOUR + 17 * NS_PER_SECOND
    bench.clock.set(now)
    await bench.write(cut(POINTS, START, now))
    await bench.engine.step()
    bench.clock.set(now + hours * HOUR)
    await bench.engine.step()
    for minutes in (
        1,
        7,
        61,
    ):  # the clock is right again; readings arrive for windows that were rolled up empty
        then = START + 3 * HOUR + minutes * 60 * NS_PER_SECOND + 41 * NS_PER_SECOND
        bench.clock.set(then)
        await bench.write(cut(POINTS, now, then))
        await bench.engine.heal()
        ends = bench.ends()
        got = await bench.state.watermark(Window.M1)
        assert got is not None and got <= ends[Window.M1]
        await bench.engine.step()
        now = then
        await compare_up_to(bench, cut(POINTS, START, then))
    assert not await bench.state.dirty(1)


async def test_a_clock_that_jumps_while_readings_wait_blocks_nothing(bench: EngineBench) -> None:
    """The clock jumps by hours, with steps and healing in between; in the end all windows are right."""
    rng = np.random.default_rng(4)
    bench.clock.set(START + HOUR)
    written = START
    for hour in range(1, 9):
        then = START + hour * HOUR
        await bench.write(cut(POINTS, written, then))
        written = then
        for jump in rng.integers(-6, 12, 2).tolist():
            bench.clock.set(then + jump * HOUR)
            await (bench.engine.step() if jump % 2 else bench.engine.heal())
    bench.clock.set(END)
    await bench.write(cut(POINTS, written, END))
    await bench.engine.step()
    await bench.engine.heal()
    await compare(bench.store, POINTS, bench.ends())


async def compare_up_to(bench: EngineBench, points: Mapping[str, Points]) -> None:
    """Like `compare`, for what readers may see: buckets below the watermarks."""
    ends = bench.ends()
    for kind, names in (
        (SeriesKind.SENSOR, DEFINITIONS.sensors),
        (SeriesKind.TYPE, tuple(DEFINITIONS.types)),
        (SeriesKind.NODE, tuple(DEFINITIONS.nodes)),
    ):
        for window in WINDOWS[1:] if kind is SeriesKind.TYPE else WINDOWS:
            first = window.floor(START)
            got = await bench.store.buckets(kind, names, window, first, ends[window])
            want = expect(points, kind, window, first, ends[window])
            check(got, want, f"{kind} {window}", exact=kind is not SeriesKind.NODE)
