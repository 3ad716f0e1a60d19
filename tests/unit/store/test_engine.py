"""The engine under the store: what is cancelled ends, and disturbs nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import duckdb
import pytest

from backend.store.engine import Cursor, Engine

ENDLESS = "select sum(a.range * b.range) from range(10000000) a, range(10000000) b"


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine(":memory:", readers=1)
    await engine.open()
    yield engine
    await engine.close()


async def test_a_read_that_is_cancelled_is_interrupted(engine: Engine) -> None:
    begun, ended = threading.Event(), threading.Event()

    def endless(cursor: Cursor) -> None:
        begun.set()
        try:
            cursor.execute(ENDLESS).fetchall()
        except duckdb.InterruptException:
            ended.set()
            raise

    task = asyncio.create_task(engine.read(endless))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(ended.wait)
    # The only reader is free again, and its next work is nobody's to interrupt.
    assert await engine.read(lambda cursor: cursor.execute("select 1").fetchall()) == [(1,)]


async def test_a_read_that_waits_for_its_turn_never_begins(engine: Engine) -> None:
    going_on, done = threading.Event(), []
    first = asyncio.create_task(engine.read(lambda cursor: going_on.wait()))
    second = asyncio.create_task(engine.read(lambda cursor: done.append(1)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    going_on.set()
    await first
    assert done == []
