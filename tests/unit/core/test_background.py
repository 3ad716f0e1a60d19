from __future__ import annotations

import asyncio
import logging

import pytest

from backend.core.background import background_task, start_background_task


async def test_the_task_runs_beside_the_block_and_ends_with_it() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with background_task(work(), "work"):
        await started.wait()
        assert not ended.is_set()
    assert ended.is_set()


async def test_a_failure_is_logged_at_once_and_the_block_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ZeroDivisionError

    async with background_task(work(), "the drain"):
        while not caplog.records:
            await asyncio.sleep(0)
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.CRITICAL,
        'background task ended name="the drain"',
    )
    assert record.exc_info


async def test_a_task_that_finishes_or_is_cancelled_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def work(seconds: float) -> None:
        await asyncio.sleep(seconds)

    finished, cancelled = start_background_task(work(0), "a"), start_background_task(work(60), "b")
    await finished
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    assert (cancelled.get_name(), caplog.records) == ("b", [])
