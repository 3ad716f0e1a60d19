"""Tests of the DuckDB engine: cancelled reads are interrupted, and affect no other work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pytest

from backend.core.errors import TransientError
from backend.store.duckdb.engine import Cursor, Engine

ENDLESS = "select sum(a.range * b.range) from range(10000000) a, range(10000000) b"


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine(":memory:", readers=1)
    await engine.open()
    yield engine
    await engine.close()


async def test_a_cancelled_read_is_interrupted(engine: Engine) -> None:
    started, ended = threading.Event(), threading.Event()

    def endless(cursor: Cursor) -> None:
        started.set()
        try:
            cursor.execute(ENDLESS).fetchall()
        except duckdb.InterruptException:
            ended.set()
            raise

    task = asyncio.create_task(engine.read(endless))
    await asyncio.to_thread(started.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(ended.wait)
    # The only reader is free again, and its next work is not interrupted.
    assert await engine.read(lambda cursor: cursor.execute("select 1").fetchall()) == [(1,)]


async def test_a_cancelled_read_in_the_queue_never_begins(engine: Engine) -> None:
    going_on, done = threading.Event(), []
    first = asyncio.create_task(engine.read(lambda cursor: going_on.wait()))
    second = asyncio.create_task(engine.read(lambda cursor: done.append(1)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    going_on.set()
    await first
    assert done == []


@pytest.fixture
async def filed(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = Engine(tmp_path / "series.duckdb", readers=1)
    await engine.open()
    await engine.write(
        lambda change: change.cursor.execute("create table a as select range as x from range(100000)")
    )
    yield engine
    await engine.close()


class Reading:
    """A read that runs until `end` is set, started before a table was created."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.started, self.end = threading.Event(), threading.Event()
        self.task = asyncio.create_task(engine.read(self._read))

    def _read(self, cursor: Cursor) -> None:
        cursor.execute("begin")
        cursor.execute("select * from a").fetchmany(1)
        self.started.set()
        self.end.wait()
        cursor.execute("commit")

    async def __aenter__(self) -> Reading:
        await asyncio.to_thread(self.started.wait)
        await self.engine.write(lambda change: change.cursor.execute("create table b (x integer)"))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.end.set()
        await self.task


def logged(engine: Engine) -> bool:
    """Return whether the log holds changes that are not yet in the file."""
    log = Path(f"{engine.path}.wal")
    return log.exists() and log.stat().st_size > 0


async def test_a_checkpoint_is_postponed_while_a_read_is_in_the_way(
    filed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.store.duckdb.engine.CHECKPOINT_TIMEOUT_S", 0.1)
    async with Reading(filed):
        await filed.checkpoint()
        assert logged(filed)
    await filed.checkpoint()
    assert not logged(filed)


async def test_a_backup_waits_for_running_reads(filed: Engine) -> None:
    async with Reading(filed) as reading:
        still = filed.hold_writes()
        entering = asyncio.create_task(still.__aenter__())
        done, _ = await asyncio.wait({entering}, timeout=0.3)
        assert not done
        # Meanwhile writes succeed.
        await filed.write(lambda change: change.cursor.execute("insert into b values (1)"))
        reading.end.set()
        await entering
        assert not logged(filed)
        await still.__aexit__(None, None, None)


async def test_an_endless_read_fails_a_backup_but_no_write(
    filed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.store.duckdb.engine.BACKUP_TIMEOUT_S", 0.1)
    async with Reading(filed):
        with pytest.raises(TransientError, match="is busy: a long read blocks the checkpoint"):
            async with filed.hold_writes():
                pytest.fail("it was held")
        await filed.write(lambda change: change.cursor.execute("insert into b values (1)"))
