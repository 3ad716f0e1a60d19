"""Tests of learned periods: the estimate, its validity, and the windows from before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import numpy as np
import pytest

from backend.core.bucket import SeriesKind
from backend.core.reading import Points
from backend.core.windows import NS_PER_SECOND, Window
from backend.rollups.definitions import Definitions
from backend.rollups.engine import RollupEngine
from backend.rollups.periods import spacing_s
from backend.store.duckdb.store import DuckDBStore
from tests.support.manual_clock import ManualClock
from tests.support.memory_rollup_state import MemoryRollupState
from tests.support.rollup_day import HOUR, Info, readings_of

S = NS_PER_SECOND
START = 20_000 * Window.D1.ns
SENSORS = {"fast": Info(period_s=None), "slow": Info(period_s=None), "said": Info(period_s=30.0)}


def every(seconds: float, start: int, end: int) -> Points:
    times = np.arange(start, end, round(seconds * S), dtype=np.int64)
    return Points(times, np.full(len(times), 20.0))


class Site:
    def __init__(self, store: DuckDBStore) -> None:
        self.store = store
        self.state = MemoryRollupState()
        self.clock = ManualClock(START)
        self.start_over(SENSORS)

    def start_over(self, sensors: Mapping[str, Info]) -> None:
        self.engine = RollupEngine(self.store, self.state, Definitions.of(sensors), self.clock, 5.0)

    async def run(self, until: int, **points: Points) -> None:
        await self.store.write(readings_of(points))
        self.clock.set(until)
        await self.engine.step()

    async def expected(self, kind: SeriesKind, name: str, window: Window = Window.M1) -> list[float]:
        got = await self.store.buckets(kind, [name], window, 0, START + 100 * HOUR)
        return got.expected.tolist()

    async def coverage(self, name: str) -> np.ndarray:
        return (
            await self.store.buckets(SeriesKind.SENSOR, [name], Window.M1, 0, START + 100 * HOUR)
        ).coverage


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    store = DuckDBStore(":memory:", readers=2)
    await store.open()
    yield Site(store)
    await store.close()


def test_the_spacing_is_that_of_most_readings() -> None:
    rng = np.random.default_rng(0)
    times = np.arange(0, 3600, 10) * S + rng.integers(-S // 3, S // 3, 360)
    assert spacing_s(np.sort(times)) == 10.0
    assert spacing_s(np.sort(times[rng.random(360) < 0.7])) == 10.0, "missing readings do not sway it"
    assert spacing_s(np.concatenate((times[:100], times[200:]))) == 10.0, "nor does a gap"
    assert spacing_s(np.arange(100) * S // 2) == 0.5
    assert spacing_s(times[:5]) is None
    assert spacing_s(np.empty(0, np.int64)) is None
    assert spacing_s(np.zeros(50, np.int64)) is None


async def test_coverage_is_unknown_until_the_period_is_learned(site: Site) -> None:
    await site.run(START + 10 * 60 * S, slow=every(10, START, START + 600 * S))
    assert np.isnan(await site.expected(SeriesKind.SENSOR, "slow")).all()
    assert np.isnan(await site.coverage("slow")).all()
    assert np.isnan(await site.expected(SeriesKind.TYPE, "wattmeter")).all()


async def test_expected_counts_of_older_windows_are_filled_in(site: Site) -> None:
    end = START + HOUR
    await site.run(end, fast=every(1, START, end), slow=every(10, START, end), said=every(30, START, end))
    assert await site.engine.learn() == 2
    report = await site.engine.heal()
    whole = (
        2 * (120 + 59) + 2 * 0 + 59
    )  # windows of two sensors and one type; those with a described period stay
    assert 0 < report.rows <= whole + 10
    assert set(await site.expected(SeriesKind.SENSOR, "fast")) == {60.0}
    assert set(await site.expected(SeriesKind.SENSOR, "slow")) == {6.0}
    assert set(await site.expected(SeriesKind.SENSOR, "said")) == {2.0}
    assert set(await site.expected(SeriesKind.TYPE, "wattmeter")) == {68.0}
    assert (await site.coverage("slow") == 1).all(), "a slow sensor is not a sensor of which most is missing"
    assert (await site.engine.heal()).rows == 0


async def test_a_period_survives_a_restart_and_is_learned_again(site: Site) -> None:
    end = START + HOUR
    await site.run(end, slow=every(10, START, end))
    assert await site.engine.learn() == 1
    site.start_over(SENSORS)
    await site.run(end + HOUR, slow=every(10.4, end, end + HOUR))
    assert await site.engine.learn() == 0, "jitter is no change"
    assert (await site.state.periods())["slow"].period_s == 10.0
    await site.engine.heal()
    await site.run(end + 2 * HOUR, slow=every(60, end + HOUR, end + 2 * HOUR))
    assert await site.engine.learn() == 1
    assert (await site.engine.heal()).rows == 0, "the past was right as it was"
    await site.run(end + 3 * HOUR, slow=every(60, end + 2 * HOUR, end + 3 * HOUR))
    assert await site.expected(SeriesKind.SENSOR, "slow", Window.H1) == [360.0, 360.0, 60.0]


async def test_a_sensor_slower_than_minutes_is_learned_from_days(site: Site) -> None:
    end = START + 30 * HOUR
    await site.run(end, slow=every(1800, START, end))
    assert await site.engine.learn() == 1
    assert (await site.state.periods())["slow"].period_s == 1800.0


async def test_a_described_period_takes_precedence_over_a_learned_one(site: Site) -> None:
    end = START + HOUR
    await site.run(end, slow=every(10, START, end))
    await site.engine.learn()
    await site.engine.heal()
    site.start_over(SENSORS | {"slow": Info(period_s=5.0)})
    await site.engine.heal()
    assert set(await site.expected(SeriesKind.SENSOR, "slow")) == {12.0}, "and the past is told anew"
