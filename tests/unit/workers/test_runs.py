"""One run of a task: limited, written down, and by one process at a time."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from backend.core.errors import TransientError
from backend.db.engine import Database
from backend.db.leases import SqlLeases
from backend.db.migrate import migrate
from tests.support.manual_clock import ManualClock
from tests.support.memory_jobs import MemoryTaskLog
from workers import runs, schedule
from workers.runner import InProcessRunner, InProcessTaskQueue
from workers.runs import TaskExecutor

CLOCK = ManualClock(1_790_000_000 * 10**9)


async def test_failures_are_written_down_and_raised() -> None:
    log, error = MemoryTaskLog(), ValueError("a fault")

    async def heal() -> None:
        raise error

    with pytest.raises(ValueError, match="a fault"):
        await TaskExecutor({"heal": heal}, log, CLOCK).run("heal")
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

    with pytest.raises(TransientError, match=r"stopped after its limit of 0\.01 s"):
        await TaskExecutor({"heal": heal}, log, CLOCK).run("heal")
    assert ended
    assert (await log.records())["heal"].failures_in_a_row == 1


async def test_a_time_out_of_its_own_stays_one() -> None:
    async def heal() -> None:
        raise TimeoutError("the device")

    with pytest.raises(TimeoutError, match="the device"):
        await TaskExecutor({"heal": heal}, MemoryTaskLog(), CLOCK).run("heal")


async def test_a_second_process_skips_a_running_task(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    await migrate(url)
    log, started, go = MemoryTaskLog(), asyncio.Event(), asyncio.Event()

    async def heal() -> None:
        started.set()
        await go.wait()

    databases = [Database(url), Database(url)]
    one, two = (TaskExecutor({"heal": heal}, log, CLOCK, SqlLeases(database)) for database in databases)
    running = asyncio.create_task(one.run("heal"))
    await started.wait()
    assert await two.run("heal") is False
    go.set()
    assert await running is True
    assert await two.run("heal") is True
    assert (await log.records())["heal"].timing.count == 2
    for database in databases:
        await database.close()


def test_every_limit_belongs_to_a_task() -> None:
    assert set(schedule.LIMITS) <= set(schedule.SCHEDULE)
    assert all(schedule.limit_of(name) >= schedule.LIMIT_S for name in schedule.SCHEDULE)


async def test_a_run_requests_its_follow_ups_at_once() -> None:
    left = 3

    async def prepare() -> int:
        return left

    async def work() -> int:
        nonlocal left
        done = min(left, 1)
        left -= done
        return done

    async def finish() -> int:
        return 1

    queue = InProcessTaskQueue()
    tasks = {"run_job": prepare, "wait_job": work, "finish_job": finish}
    executor = TaskExecutor(tasks, MemoryTaskLog(), CLOCK, queue=queue)
    hours = {name: partial(executor.run, name) for name in tasks}
    async with (
        InProcessRunner(dict.fromkeys(tasks, 3_600.0), hours, queue=queue) as runner,
        asyncio.timeout(10),
    ):
        while left or queue.event("wait_job").is_set():
            await asyncio.sleep(0)
    assert runner.stats["wait_job"].timing.count >= 3


async def test_a_run_that_did_nothing_requests_no_follow_up() -> None:
    async def work() -> int:
        return 0

    queue = InProcessTaskQueue()
    await TaskExecutor({"wait_job": work}, MemoryTaskLog(), CLOCK, queue=queue).run("wait_job")
    assert not queue.event("wait_job").is_set()
    assert not queue.event("finish_job").is_set()
