"""The in-process runner: no overlap, one line on loss and one on recovery, a clean end."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path

import pytest

from backend.core.errors import TransientError
from backend.rollups.retention import RetentionPeriods
from backend.watch.error_counters import SilenceCounter, times_from_memory
from backend.watch.watcher import Watcher, newest_from_memory
from tests.support.accounts import ANNA, HERE, account_bench
from tests.support.small_site import NOON, SmallSite
from workers.runner import InProcessRunner, InProcessTaskQueue
from workers.runs import TaskExecutor
from workers.schedule import SCHEDULE
from workers.tasks import LogRetention, TaskServices, bind_tasks


class ManualTimer:
    """A sleep that the test ends by hand. It records the requested durations in seconds."""

    def __init__(self) -> None:
        self.requested: list[float] = []
        self.sleeping = asyncio.Event()
        self._go = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.requested.append(seconds)
        self.sleeping.set()
        await self._go.wait()
        self._go.clear()

    async def next(self) -> None:
        """Let one period pass, and wait until the task has run and sleeps again."""
        self.sleeping.clear()
        self._go.set()
        await self.sleeping.wait()


async def test_a_task_runs_at_once_and_then_every_period() -> None:
    timer, runs = ManualTimer(), []

    async def count() -> None:
        runs.append(1)

    async with InProcessRunner({"count": 60.0}, {"count": count}, timer.sleep):
        await timer.sleeping.wait()
        assert len(runs) == 1
        await timer.next()
        assert len(runs) == 2
    assert all(0 < seconds <= 120 for seconds in timer.requested)


async def test_a_slow_task_neither_overlaps_nor_catches_up() -> None:
    active, max_active, done = 0, 0, asyncio.Event()
    starts: list[float] = []
    loop = asyncio.get_running_loop()

    async def slow() -> None:
        nonlocal active, max_active
        active += 1
        max_active = max(max_active, active)
        starts.append(loop.time())
        for _ in range(50):
            await asyncio.sleep(0)
        active -= 1
        if len(starts) == 5:
            done.set()

    async with InProcessRunner({"slow": 1e-6}, {"slow": slow}):
        await done.wait()
    assert max_active == 1


async def test_one_task_does_not_wait_for_another() -> None:
    ran, never = asyncio.Event(), asyncio.Event()

    async def stuck() -> None:
        await never.wait()

    async def free() -> None:
        ran.set()

    async with InProcessRunner({"stuck": 1.0, "free": 1.0}, {"stuck": stuck, "free": free}):
        await ran.wait()


async def test_loss_and_recovery_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    timer, broken = ManualTimer(), True

    async def fails() -> None:
        if broken:
            raise TransientError("the store is down")

    caplog.set_level(logging.INFO, "workers")
    async with InProcessRunner({"fails": 60.0}, {"fails": fails}, timer.sleep) as runner:
        await timer.sleeping.wait()
        await timer.next()
        await timer.next()
        assert runner.failures == {"fails": 3}
        broken = False
        await timer.next()
        await timer.next()
    failed, recovered = [(r.levelname, r.getMessage()) for r in caplog.records]
    assert failed == ("ERROR", 'failed task task=fails error="the store is down"')
    assert recovered[0] == "INFO"
    assert recovered[1].startswith("recovered task task=fails after_s=")
    assert recovered[1].endswith(" failures=3")


async def test_stop_cancels_what_runs_and_waits_for_its_end() -> None:
    started, never, ended = asyncio.Event(), asyncio.Event(), False

    async def tidy() -> None:
        nonlocal ended
        started.set()
        try:
            await never.wait()
        finally:
            await asyncio.sleep(0)
            ended = True

    async with InProcessRunner({"tidy": 1.0}, {"tidy": tidy}):
        await started.wait()
    assert ended


def test_schedule_and_tasks_must_agree() -> None:
    with pytest.raises(ValueError, match="heal"):
        InProcessRunner({"heal": 1.0}, {})


async def test_a_task_that_is_asked_for_does_not_wait_for_its_time() -> None:
    ran, queue, timer = asyncio.Queue[str](), InProcessTaskQueue(), ManualTimer()

    async def task() -> None:
        await ran.put("ran")

    async with InProcessRunner({"task": 1.0}, {"task": task}, timer.sleep, queue):
        await ran.get()
        await timer.sleeping.wait()
        await queue.request_run("task")
        await ran.get()
        await timer.next()
        await ran.get()
        assert ran.empty()


async def test_the_schedule_has_a_task_for_every_name(tmp_path: Path) -> None:
    site, timer = SmallSite(), ManualTimer()
    await site.write("fan", range(NOON - 3600, NOON - 60, 10), [100.0] * 354)
    async with account_bench(f"sqlite:///{tmp_path / 'accounts.db'}") as bench:
        await bench.accounts.sign_ups.sign_up(ANNA, HERE)
        services = TaskServices(
            rollups=site.rollups,
            store=site.store,
            state=site.state,
            clock=site.clock,
            keep=RetentionPeriods(),
            silence_counter=SilenceCounter(
                {}, times_from_memory(site.last_values), site.counters, site.clock
            ),
            watcher=Watcher(
                [],
                newest_from_memory(site.last_values, site.last_values.names),
                site.store,
                site.state,
                site.events,
                site.clock,
                6,
            ),
            jobs=site.job_runner,
            log_retention=LogRetention(site.jobs, site.events, 1, 1),
            outbox_sender=bench.accounts.outbox_sender,
        )
        runs = TaskExecutor(bind_tasks(services), site.task_log, site.clock)
        async with InProcessRunner(SCHEDULE, {n: partial(runs.run, n) for n in runs.names}, timer.sleep):
            while len(timer.requested) < len(SCHEDULE):
                timer.sleeping.clear()
                await timer.sleeping.wait()
        assert [mail.to for mail in bench.mailbox.mails] == [ANNA.email]
    assert (await site.rollups.step()).rows == 0, "the task has rolled everything up"
    records = await site.task_log.records()
    assert set(records) == set(SCHEDULE)
    assert [name for name, record in records.items() if record.failures] == []


async def test_it_stops_where_a_task_fails_in_place_of_being_cancelled() -> None:
    started = asyncio.Event()

    async def stubborn() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise OSError("the statement was broken off") from None

    runner = InProcessRunner({"task": 1000.0}, {"task": stubborn})
    runner.start()
    await started.wait()
    await asyncio.wait_for(runner.stop(), 30)
