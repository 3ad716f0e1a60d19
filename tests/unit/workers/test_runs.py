"""One run of a task: limited, written down, and by one process at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backend.core.clock import ManualClock
from backend.core.errors import TransientError
from backend.db.engine import Database
from backend.db.leases import SqlLeases
from backend.db.migrate import migrate
from tests.support.memory_jobs import MemoryTaskLog
from workers import runs, schedule
from workers.runs import TaskRuns

CLOCK = ManualClock(1_790_000_000 * 10**9)


async def test_failures_are_written_down_and_raised() -> None:
    log, error = MemoryTaskLog(), ValueError("a fault")

    async def heal() -> None:
        raise error

    with pytest.raises(ValueError, match="a fault"):
        await TaskRuns({"heal": heal}, log, CLOCK).run("heal")
    record = (await log.records())["heal"]
    assert (record.failures, record.last_error, record.succeeded_ns) == (1, "a fault", None)


async def test_a_run_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    log, ended = MemoryTaskLog(), False
    monkeypatch.setattr(runs, "limit_of", lambda name: 0.01)

    async def heal() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    with pytest.raises(TransientError, match=r"it was ended after 0\.01 s"):
        await TaskRuns({"heal": heal}, log, CLOCK).run("heal")
    assert ended
    assert (await log.records())["heal"].failures_in_a_row == 1


async def test_a_time_out_of_its_own_stays_one() -> None:
    async def heal() -> None:
        raise TimeoutError("the device")

    with pytest.raises(TimeoutError, match="the device"):
        await TaskRuns({"heal": heal}, MemoryTaskLog(), CLOCK).run("heal")


async def test_another_process_that_is_told_to_does_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    await migrate(url)
    log, begun, go = MemoryTaskLog(), asyncio.Event(), asyncio.Event()

    async def heal() -> None:
        begun.set()
        await go.wait()

    databases = [Database(url), Database(url)]
    one, two = (TaskRuns({"heal": heal}, log, CLOCK, SqlLeases(database)) for database in databases)
    running = asyncio.create_task(one.run("heal"))
    await begun.wait()
    assert await two.run("heal") is False
    go.set()
    assert await running is True
    assert await two.run("heal") is True
    assert (await log.records())["heal"].timing.count == 2
    for database in databases:
        await database.close()


def test_every_limit_is_of_a_task() -> None:
    assert set(schedule.LIMITS) <= set(schedule.SCHEDULE)
    assert all(schedule.limit_of(name) >= schedule.LIMIT_S for name in schedule.SCHEDULE)
