"""Contract of Spool, on every implementation."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from backend.core.reading import Reading, Readings
from backend.ingest.spool import SqliteSpool

IMPLEMENTATIONS = {"sqlite": lambda folder: SqliteSpool(folder / "spool.db", 64 << 20)}


@pytest.fixture(params=IMPLEMENTATIONS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], SqliteSpool]:
    return lambda: IMPLEMENTATIONS[request.param](tmp_path)


@pytest.fixture
async def spool(make: Callable[[], SqliteSpool]) -> AsyncIterator[SqliteSpool]:
    spool = make()
    await spool.open()
    yield spool
    await spool.close()


def some(start: int, rows: int = 1) -> Readings:
    return Readings.of([Reading(f"s{(start + i) % 7}", start + i, float(start + i)) for i in range(rows)])


async def all_of(spool: SqliteSpool, max_rows: int = 1000) -> list[Reading]:
    found: list[Reading] = []
    while spool.depth:
        mark, readings = await spool.peek(max_rows)
        found += readings
        await spool.remove_up_to(mark)
    return found


async def test_readings_come_out_in_order(spool: SqliteSpool) -> None:
    for start in (0, 3, 6):
        await spool.append(some(start, 3))
    assert spool.depth == 9
    assert await all_of(spool) == list(some(0, 9))
    assert spool.depth == 0


async def test_order_holds_for_names_that_appear_later(spool: SqliteSpool) -> None:
    await spool.append(Readings.of([Reading("b", 1, 1.0)]))
    await spool.append(Readings.of([Reading("a", 2, 2.0), Reading("b", 2, 3.0)]))
    assert [(r.sensor, r.value) for r in await all_of(spool)] == [("b", 1.0), ("a", 2.0), ("b", 3.0)]


async def test_peek_returns_the_same_until_forgotten(spool: SqliteSpool) -> None:
    await spool.append(some(0, 2))
    first_mark, first = await spool.peek(10)
    await spool.append(some(2, 2))
    _, again = await spool.peek(10)
    assert list(again)[:2] == list(first)
    await spool.remove_up_to(first_mark)
    assert await all_of(spool) == list(some(2, 2))


async def test_forgetting_twice_drops_nothing_newer(spool: SqliteSpool) -> None:
    await spool.append(some(0))
    mark, _ = await spool.peek(10)
    await spool.remove_up_to(mark)
    await spool.append(some(1))
    await spool.remove_up_to(mark)
    assert spool.depth == 1
    assert await all_of(spool) == list(some(1))


async def test_peek_takes_about_as_many_rows_as_asked(spool: SqliteSpool) -> None:
    for start in range(0, 100, 10):
        await spool.append(some(start, 10))
    _, readings = await spool.peek(25)
    assert 25 <= len(readings) < 50


async def test_peek_waits_for_the_first_reading(spool: SqliteSpool) -> None:
    waiting = asyncio.create_task(spool.peek(10))
    await asyncio.sleep(0)
    assert not waiting.done()
    await spool.append(some(5))
    _, readings = await asyncio.wait_for(waiting, 5)
    assert list(readings) == list(some(5))


async def test_an_empty_append_leaves_nothing(spool: SqliteSpool) -> None:
    await spool.append(Readings.empty())
    assert spool.depth == 0


async def test_concurrent_appends_are_all_stored(spool: SqliteSpool) -> None:
    await asyncio.gather(*(spool.append(some(10 * i, 10)) for i in range(200)))
    found = await all_of(spool)
    assert sorted(r.time_ns for r in found) == list(range(2000))
    # each append stays in one piece
    assert all(b.time_ns == a.time_ns + 1 for a, b in itertools.pairwise(found) if b.time_ns % 10)


async def test_a_reopened_spool_holds_what_was_not_forgotten(make: Callable[[], SqliteSpool]) -> None:
    first = make()
    await first.open()
    await first.append(some(0, 3))
    await first.append(some(3, 3))
    mark, _ = await first.peek(3)
    await first.remove_up_to(mark)
    await first.close()
    second = make()
    await second.open()
    try:
        assert second.depth == 3
        await second.append(Readings.of([Reading("new", 99, 9.0)]))
        assert await all_of(second) == [*some(3, 3), Reading("new", 99, 9.0)]
    finally:
        await second.close()
