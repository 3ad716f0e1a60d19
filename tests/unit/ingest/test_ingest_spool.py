"""The behaviour of the spool when its file, its disk or its process gives way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from backend.core.errors import PermanentError, SpoolFull, TransientError
from backend.core.reading import Reading, Readings
from backend.ingest.spool import SqliteSpool
from tests.support.small_disk import fill, small_disk

MB = 1 << 20


@contextlib.asynccontextmanager
async def opened(path: Path, max_bytes: int = 64 * MB) -> AsyncIterator[SqliteSpool]:
    spool = SqliteSpool(path, max_bytes)
    await spool.open()
    try:
        yield spool
    finally:
        await spool.close()


def some(start: int, rows: int) -> Readings:
    times = np.arange(start, start + rows, dtype=np.int64)
    return Readings(("a", "b"), (times % 2).astype(np.int32), times, times.astype(np.float64))


def size_on_disk(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.iterdir() if p.suffix != ".reserve")


async def drain(spool: SqliteSpool) -> list[int]:
    numbers: list[int] = []
    while spool.depth:
        mark, readings = await spool.peek(10_000)
        numbers += readings.times.tolist()
        await spool.remove_up_to(mark)
    return numbers


async def test_a_full_spool_accepts_readings_after_it_was_drained(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with opened(tmp_path / "spool.db", MB) as spool:
        count = 0
        with pytest.raises(SpoolFull):
            while True:
                await spool.append(some(count, 1000))
                count += 1000
        with pytest.raises(SpoolFull):
            await spool.append(some(count, 1000))
        assert count >= 30_000
        assert (tmp_path / "spool.db").stat().st_size <= MB
        assert await drain(spool) == list(range(count))
        await spool.append(some(0, 1000))
        assert spool.depth == 1000
    messages = [r.message for r in caplog.records]
    assert sum("failed spool_writes" in m for m in messages) == 1
    assert sum("recovered spool_writes" in m for m in messages) == 1


async def test_a_failing_disk_loses_no_stored_reading(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with opened(tmp_path / "spool.db") as spool:
        await spool.append(some(0, 500))
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
        try:
            count = 500
            with pytest.raises(TransientError):
                for _ in range(50):
                    await spool.append(some(count, 500))
                    count += 500
            with pytest.raises(TransientError):
                await spool.append(some(count, 10_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await spool.append(some(10**6, 500))
        numbers = await drain(spool)
    # A refused append may still have reached the disk: refused means only "not acknowledged".
    assert set(numbers) >= set(range(count)) | set(range(10**6, 10**6 + 500))


async def test_free_pages_are_returned_to_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    async with opened(path) as spool:
        for start in range(0, 600_000, 10_000):
            await spool.append(some(start, 10_000))
        full = size_on_disk(tmp_path)
        assert full > 12 * MB
        assert len(await drain(spool)) == 600_000
    assert size_on_disk(tmp_path) < full // 2


async def test_a_file_that_is_kept_drained_stays_small(tmp_path: Path) -> None:
    async with opened(tmp_path / "spool.db") as spool:
        for start in range(0, 400_000, 4_000):
            await spool.append(some(start, 4_000))
            await drain(spool)
        assert size_on_disk(tmp_path) < 10 * MB


async def test_only_one_process_can_open_the_spool(tmp_path: Path) -> None:
    async with opened(tmp_path / "spool.db"):
        with pytest.raises(PermanentError, match="in use"):
            await SqliteSpool(tmp_path / "spool.db", MB).open()


async def test_a_damaged_file_is_moved_away_and_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "spool.db").write_bytes(b"this is no database" * 1000)
    async with opened(tmp_path / "spool.db") as spool:
        await spool.append(some(0, 10))
        assert spool.depth == 10
    assert len(list(tmp_path.glob("spool.db.damaged-*"))) == 1
    assert "damaged" in caplog.text


async def test_a_damaged_record_does_not_stop_the_others(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    async with opened(path) as spool:
        for start in (0, 10, 20):
            await spool.append(some(start, 10))
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE record SET payload = x'00' WHERE id IN (1, 2)")
    async with opened(path) as spool:
        assert await drain(spool) == list(range(20, 30))
        await spool.append(some(30, 10))
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE record SET payload = x'00'")
    async with opened(path) as spool:
        waiting = asyncio.create_task(spool.peek(10))
        await spool.append(some(40, 10))
        _, readings = await asyncio.wait_for(waiting, 60)
        assert readings.times.tolist() == list(range(40, 50))


async def test_rows_set_aside_stay_out_of_the_queue(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    async with opened(path) as spool:
        await spool.set_aside(Readings.of([Reading("a", 7, 1.5)]), "no store takes it")
        assert spool.depth == 0
    with contextlib.closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT reason, sensor, time_ns, value FROM set_aside").fetchall()
    assert rows == [("no store takes it", "a", 7, 1.5)]


async def test_a_closed_spool_refuses(tmp_path: Path) -> None:
    async with opened(tmp_path / "spool.db") as spool:
        pass
    with pytest.raises(TransientError):
        await spool.append(some(0, 1))


async def test_a_cancelled_append_does_not_affect_others(tmp_path: Path) -> None:
    async with opened(tmp_path / "spool.db") as spool:
        abandoned = asyncio.create_task(spool.append(some(0, 5)))
        await asyncio.sleep(0)
        abandoned.cancel()
        await spool.append(some(5, 5))
        assert set(await drain(spool)) >= set(range(5, 10))


KILLED = """
import asyncio, os, signal, sys
sys.path.insert(0, ".")
from pathlib import Path
from backend.core.reading import Reading, Readings
from backend.ingest.spool import SqliteSpool

async def main():
    spool = SqliteSpool(Path(sys.argv[1]), 1 << 26)
    await spool.open()
    await asyncio.gather(*(spool.append(Readings.of([Reading(f"s{i}", i, i)])) for i in range(500)))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_acknowledged_readings_survive_sigkill(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, str(path), stdin=subprocess.DEVNULL
    )
    assert await process.wait() == -9
    async with opened(path) as spool:
        assert spool.depth == 500
        assert await drain(spool) == list(range(500))


# A disk of its own, 24 MB large, that nothing outside the process sees.
SMALL_DISK = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
ON_SMALL_DISK = 'mount -t tmpfs -o size=24m tmpfs "$1" && exec "$2" -c "$3" "$1"'

FILLS_ITS_DISK = """
import asyncio, os, sys
sys.path.insert(0, ".")
from pathlib import Path
from backend.core.errors import SpoolFull
from tests.unit.ingest.test_ingest_spool import drain, opened, some

async def main(folder):
    (folder / "of another").write_bytes(bytes(4_000_000))
    async with opened(folder / "spool.db", 1 << 30) as spool:
        count = 0
        try:
            while True:
                await spool.append(some(count, 1000))
                count += 1000
        except SpoolFull:
            assert os.statvfs(folder).f_bavail == 0
        assert set(await drain(spool)) >= set(range(count)), "it drains while the disk is full"
        await spool.append(some(0, 1000))
        assert spool.depth == 1000

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_full_disk_can_be_drained_and_then_accepts_readings(tmp_path: Path) -> None:
    tried = shutil.which("unshare") and subprocess.run(
        [*SMALL_DISK, "mount -t tmpfs tmpfs /mnt"], capture_output=True, text=True
    )
    if not tried or tried.returncode != 0:
        reason = f"no right to make a small disk of its own: {tried and tried.stderr.strip()}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    arguments = ["sh", str(tmp_path), sys.executable, FILLS_ITS_DISK]
    done = subprocess.run(
        [*SMALL_DISK, ON_SMALL_DISK, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


async def test_a_disk_filled_by_others_can_be_drained_and_reopened(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        async with opened(disk / "spool.db", 1 << 30) as spool:
            for i in range(30):
                await spool.append(some(100 * i, 100))
            fill(disk)
            with pytest.raises(SpoolFull):
                while True:
                    await spool.append(some(10**6, 1000))
            mark, _ = await spool.peek(100)
            await spool.remove_up_to(mark)
        async with opened(
            disk / "spool.db", 1 << 30
        ) as spool:  # as after a power cut, with the disk still full
            fill(disk, "of-a-third")  # takes what the reserve gave up
            with pytest.raises(SpoolFull):
                await spool.append(some(0, 1))
            assert (await drain(spool))[:2900] == list(range(100, 3000))
            (disk / "of-another").unlink()
            await spool.append(some(0, 1000))
            assert await drain(spool) == list(range(1000))


async def test_a_process_starts_on_a_full_disk_by_its_reserve(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        async with opened(disk / "spool.db", 1 << 30) as spool:
            await spool.append(some(0, 100))
        fill(disk)
        async with opened(disk / "spool.db", 1 << 30) as spool:
            assert await drain(spool) == list(range(100))


async def test_readings_appended_during_a_delete_are_counted(tmp_path: Path) -> None:
    async with opened(tmp_path / "spool.db") as spool:
        await spool.append(some(0, 10))
        position, _ = await spool.peek(100)
        await asyncio.gather(
            spool.append(some(10, 5)), spool.remove_up_to(position), spool.append(some(15, 5))
        )
        assert spool.depth == 10
        assert await drain(spool) == list(range(10, 20))
