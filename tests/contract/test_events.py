"""Contract of EventLog, on every implementation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.core.events import EventFilter, EventKind, EventLog, SensorEvent
from backend.core.windows import NS_PER_SECOND
from backend.db.events import SqlEvents
from tests.support.databases import DATABASES, opened_database
from tests.support.manual_clock import ManualClock
from tests.support.memory_jobs import MemoryEvents

NOW = 1_790_000_000 * NS_PER_SECOND
SILENT = SensorEvent(0, "é' --", EventKind.SILENT, NOW - 60, "é' -- fell silent.", 21.5)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture(params=["memory", *DATABASES])
async def log(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> AsyncIterator[EventLog]:
    if request.param == "memory":
        yield MemoryEvents(clock)
        return
    async with opened_database(request, tmp_path) as database:
        yield SqlEvents(database, clock)


async def test_an_event_is_stored_completely_and_ends_once(log: EventLog, clock: ManualClock) -> None:
    await log.record([SILENT], [])
    (stored,) = await log.open()
    assert replace(stored, id=0) == replace(SILENT, noticed_ns=NOW)
    clock.advance(1)
    await log.record([], [replace(stored, ended_ns=NOW + 5)])
    await log.record([], [replace(stored, ended_ns=NOW + 9)])
    assert list(await log.open()) == []
    assert list(await log.page(EventFilter(), 9)) == [replace(stored, ended_ns=NOW + 5)]


async def test_an_ongoing_event_does_not_begin_twice(log: EventLog) -> None:
    stuck = replace(SILENT, kind=EventKind.STUCK)
    await log.record([SILENT, SILENT], [])
    await log.record([SILENT, stuck, replace(SILENT, sensor="other")], [])
    assert sorted((e.sensor, e.kind) for e in await log.open()) == sorted(
        [(SILENT.sensor, EventKind.SILENT), (SILENT.sensor, EventKind.STUCK), ("other", EventKind.SILENT)]
    )
    (first, *_) = await log.open()
    back = replace(SILENT, kind=EventKind.BACK, ended_ns=SILENT.at_ns)
    await log.record([back, back, SILENT], [replace(first, ended_ns=NOW)])
    assert await log.count(EventFilter(kinds=(EventKind.BACK,))) == 2, "moments may be many"
    assert await log.count(EventFilter(sensors=(SILENT.sensor,), kinds=(EventKind.SILENT,))) == 2
    await log.record([], [])


async def test_events_are_filtered(log: EventLog) -> None:
    ended = replace(SILENT, sensor="b", kind=EventKind.OUT_OF_RANGE, at_ns=NOW - 500, ended_ns=NOW - 400)
    await log.record([replace(SILENT, sensor="a"), ended, replace(SILENT, sensor="c")], [])

    async def names(**conditions: object) -> list[str]:
        event_filter = EventFilter(**conditions)  # type: ignore[arg-type]
        sensors = [event.sensor for event in await log.page(event_filter, 9)]
        assert await log.count(event_filter) == len(sensors)
        return sensors

    assert await names() == ["c", "b", "a"]
    assert await names(sensors=("a", "b")) == ["b", "a"]
    assert await names(sensors=()) == []
    assert await names(kinds=(EventKind.OUT_OF_RANGE,)) == ["b"]
    assert await names(lasting=True) == ["c", "a"]
    assert await names(lasting=False) == ["b"]
    assert await names(start_ns=NOW - 399) == ["c", "a"]
    assert await names(start_ns=NOW - 400) == ["c", "b", "a"]
    assert await names(end_ns=NOW - 499) == ["b"]
    newest, *rest = await log.page(EventFilter(), 9)
    assert await log.page(EventFilter(before_id=newest.id), 9) == rest
    assert await log.page(EventFilter(), 1) == [newest]


async def test_changes_since_a_time(log: EventLog, clock: ManualClock) -> None:
    await log.record([replace(SILENT, sensor=name) for name in "abc"], [])
    clock.advance(10)
    assert list(await log.changed(clock.now_ns())) == []
    (first, *_) = await log.open()
    await log.record([replace(SILENT, sensor="d")], [replace(first, ended_ns=NOW)])
    assert [event.sensor for event in await log.changed(clock.now_ns())] == [first.sensor, "d"]
    assert len(await log.changed(0)) == 4


async def test_only_rows_that_ended_long_ago_are_deleted(log: EventLog) -> None:
    await log.record([SILENT, replace(SILENT, kind=EventKind.BACK, ended_ns=NOW - 9)], [])
    assert await log.delete_ended_before(NOW - 9) == 0
    assert await log.delete_ended_before(NOW) == 1
    assert [event.kind for event in await log.page(EventFilter(), 9)] == [EventKind.SILENT]
