"""Contract of TaskLog, on every implementation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.core.measure import Timing
from backend.core.tasks import TaskLog
from backend.db.task_log import SqlTaskLog
from tests.support.databases import DATABASES, opened_database
from tests.support.memory_jobs import MemoryTaskLog


@pytest.fixture(params=["memory", *DATABASES])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TaskLog]:
    if request.param == "memory":
        yield MemoryTaskLog()
        return
    async with opened_database(request, tmp_path) as database:
        yield SqlTaskLog(database)


async def test_runs_add_up(log: TaskLog) -> None:
    assert await log.records() == {}
    expected = Timing()
    for at, (seconds, error) in enumerate([(0.002, None), (40.0, "é"), (0.3, "no answer")]):
        await log.record("heal", 1_000 + at, seconds, error)
        expected.observe(seconds)
    await log.record("roll_up", 5, 0.1, None)
    records = await log.records()
    assert set(records) == {"heal", "roll_up"}
    heal = records["heal"]
    assert (heal.failures, heal.failures_in_a_row, heal.last_error) == (2, 2, "no answer")
    assert (heal.started_ns, heal.succeeded_ns, heal.last_s) == (1_002, 1_000, 0.3)
    assert (heal.timing.count, heal.timing.cumulative()) == (3, expected.cumulative())
    assert heal.timing.sum_s == pytest.approx(40.302)


async def test_a_success_resets_the_failures_in_a_row(log: TaskLog) -> None:
    await log.record("heal", 1, 0.1, "x" * 10_000)
    await log.record("heal", 2, 0.1, None)
    heal = (await log.records())["heal"]
    assert (heal.failures, heal.failures_in_a_row, heal.last_error, heal.succeeded_ns) == (1, 0, "", 2)
