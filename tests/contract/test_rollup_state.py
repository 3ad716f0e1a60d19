"""Contract of RollupState, on every implementation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from backend.core.bucket import SeriesKind
from backend.core.ports import DirtyWindow, LearnedPeriod, RollupState, SeriesRecord
from backend.core.windows import NS_PER_SECOND, WINDOWS, Window
from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.db.rollup_state import SqlRollupState
from tests.support import postgres
from tests.support.memory_rollup_state import MemoryRollupState

T = 1_700_000_010 * NS_PER_SECOND
S30 = Window.S30.ns


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    reason = postgres.why_not()
    if reason:
        pytest.skip(reason)
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def state(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RollupState]:
    if request.param == "memory":
        yield MemoryRollupState()
        return
    url = f"sqlite:///{tmp_path / 'state.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    await migrate(url)
    database = Database(url)
    async with database.unit_of_work() as session:
        for table in ("rollup_mark", "rollup_dirty", "rollup_series", "learned_period"):
            await session.execute(text(f"DELETE FROM {table}"))
    yield SqlRollupState(database)
    await database.close()


def window(sensor: str, at: int, length: int = 1) -> DirtyWindow:
    return DirtyWindow(sensor, T + at * S30, T + (at + length) * S30)


async def test_watermarks_are_stored_per_window(state: RollupState) -> None:
    assert [await state.watermark(w) for w in WINDOWS] == [None] * 4
    await state.set_watermark(Window.S30, T)
    await state.set_watermark(Window.D1, T - 5)
    await state.set_watermark(Window.S30, T + 7)
    assert await state.watermark(Window.S30) == T + 7
    assert await state.watermark(Window.M1) is None
    assert await state.watermark(Window.D1) == T - 5


async def test_the_horizon_moves_both_ways_and_is_not_a_watermark(state: RollupState) -> None:
    assert await state.horizon() is None
    await state.set_horizon(T + 9)
    await state.set_horizon(T)
    assert await state.horizon() == T
    assert await state.watermark(Window.S30) is None


async def test_retention_starts_are_stored_per_window(state: RollupState) -> None:
    lengths = (None, *WINDOWS)
    assert [await state.retained_from(length) for length in lengths] == [None] * 5
    for at, length in enumerate(lengths):
        await state.set_retained_from(length, T + at)
    await state.set_retained_from(None, T - 1)
    assert [await state.retained_from(length) for length in lengths] == [T - 1, T + 1, T + 2, T + 3, T + 4]
    assert [await state.watermark(w) for w in WINDOWS] == [None] * 4


async def test_the_oldest_dirty_mark(state: RollupState) -> None:
    assert await state.oldest_dirty() is None
    await state.mark_dirty([window("a", 3), window("b", 1, 5), window("c", 2)])
    assert await state.oldest_dirty() == T + S30
    await state.clear_dirty([w for w in await state.dirty(9) if w.sensor == "b"])
    assert await state.oldest_dirty() == T + 2 * S30


async def test_dirty_is_newest_first_and_limited(state: RollupState) -> None:
    marks = [window("a", 1), window("b", 3), window("a", 2), window("b", 1, 4)]
    await state.mark_dirty(marks)
    windows = await state.dirty(10)
    assert set(windows) == set(marks)
    assert [w.start_ns for w in windows] == sorted((w.start_ns for w in marks), reverse=True)
    assert list(await state.dirty(2)) == list(windows[:2])
    assert list(await state.dirty(0)) == []


async def test_a_span_marked_twice_is_listed_once(state: RollupState) -> None:
    await state.mark_dirty([window("a", 1), window("a", 1)])
    await state.mark_dirty([window("a", 1)])
    await state.mark_dirty([])
    assert list(await state.dirty(10)) == [window("a", 1)]


async def test_clearing_removes_the_returned_marks(state: RollupState) -> None:
    await state.mark_dirty([window("a", i) for i in range(1_500)])
    windows = await state.dirty(1_000)
    assert len(windows) == 1_000
    await state.clear_dirty(windows)
    rest = await state.dirty(1_000)
    assert {w.start_ns for w in rest} == {T + i * S30 for i in range(500)}
    await state.clear_dirty(windows)
    await state.clear_dirty([])
    assert len(await state.dirty(1_000)) == 500


async def test_a_window_marked_again_meanwhile_stays(state: RollupState) -> None:
    await state.mark_dirty([window("a", 1), window("b", 1)])
    windows = await state.dirty(10)
    await state.mark_dirty([window("a", 1)])
    await state.clear_dirty(windows)
    assert list(await state.dirty(10)) == [window("a", 1)]
    await state.clear_dirty(await state.dirty(10))
    await state.mark_dirty([window("a", 1)])
    await state.clear_dirty(windows)
    assert list(await state.dirty(10)) == [window("a", 1)], "an old version clears no new mark"


async def test_names_may_hold_anything(state: RollupState) -> None:
    odd = DirtyWindow("a'; drop table rollup_dirty; -- é°", T, T + S30)
    await state.mark_dirty([odd])
    assert list(await state.dirty(1)) == [odd]


async def test_series_are_kept_replaced_and_removed_together(state: RollupState) -> None:
    assert list(await state.series()) == []
    node = SeriesRecord(SeriesKind.NODE, "root", "a", "", None, False)
    sensor = SeriesRecord(SeriesKind.SENSOR, "root", "", "10.0", T, False)
    await state.set_series([node, sensor])
    assert set(await state.series()) == {node, sensor}, "a name may be of several kinds"
    changed = SeriesRecord(SeriesKind.NODE, "root", "b", "", T, True)
    await state.set_series([changed], [(SeriesKind.SENSOR, "root"), (SeriesKind.TYPE, "never there")])
    assert list(await state.series()) == [changed]
    await state.set_series([])
    assert list(await state.series()) == [changed]


async def test_learned_periods_are_stored_per_sensor(state: RollupState) -> None:
    assert await state.periods() == {}
    await state.set_periods({"a": LearnedPeriod(10.0, T), "b": LearnedPeriod(0.5, T)})
    await state.set_periods({"a": LearnedPeriod(1.0, T + S30)})
    await state.set_periods({})
    assert await state.periods() == {"a": LearnedPeriod(1.0, T + S30), "b": LearnedPeriod(0.5, T)}
