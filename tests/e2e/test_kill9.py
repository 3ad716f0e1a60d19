"""No acknowledged reading is ever lost, and none is there twice, however often the process is killed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
import sys
from collections import Counter
from pathlib import Path

import orjson
import pytest

from backend.store.duckdb.store import DuckDBStore
from tests.e2e.ingest_child import SENSORS
from tests.support.rawhttp import exchange, post, read_answer
from tests.support.waiting import DEADLINE_S

KILLS = 5
PUSHERS = 8
ROWS = 10
PUSHES_A_SECOND = 25  # of each pusher: 2,000 readings a second in all
BEGIN_NS = 1_750_000_000 * 10**9


class Ledger:
    """The acknowledged values by reading identity, and an alarm after a given number of further readings."""

    def __init__(self) -> None:
        self.acknowledged: dict[tuple[str, int], float] = {}
        self.unanswered = 0
        self.sent = asyncio.Event()
        self.stopping = False
        self._changed = asyncio.Condition()

    async def add(self, rows: list[tuple[str, int, float]]) -> None:
        async with self._changed:
            self.acknowledged.update({(s, t): v for s, t, v in rows})
            self._changed.notify_all()

    async def grown_by(self, count: int) -> None:
        goal = len(self.acknowledged) + count
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.acknowledged) >= goal)


async def pusher(index: int, port: int, ledger: Ledger) -> None:
    """Pushes as a crawler does: the same readings again until they are acknowledged."""
    serial = 0
    while not ledger.stopping:
        rows = []
        for _ in range(ROWS):
            sensor = SENSORS[(index * 5 + serial % 5) % len(SENSORS)]
            rows.append((sensor, BEGIN_NS + serial * 1_000_000 + index, float(serial % 977) + index / 16))
            serial += 1
        columns = dict(zip(("sensors", "times", "values"), zip(*rows, strict=True), strict=True))
        request = post("/ingest", orjson.dumps(columns))
        while not await acknowledged(port, request, ledger):
            await asyncio.sleep(0.01)
        await ledger.add(rows)
        await asyncio.sleep(1 / PUSHES_A_SECOND)


async def acknowledged(port: int, request: bytes, ledger: Ledger) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            ledger.sent.set()
            answer = await read_answer(reader)
        finally:
            writer.close()
    except (OSError, asyncio.IncompleteReadError):
        ledger.unanswered += 1
        return False
    assert answer.status == 200, answer
    assert answer.json == {"status": "success", "update_count": ROWS, "rejected": []}
    return True


async def start(folder: Path, listener: socket.socket) -> asyncio.subprocess.Process:
    child = Path(__file__).with_name("ingest_child.py")
    fd = listener.fileno()
    return await asyncio.create_subprocess_exec(
        sys.executable, str(child), str(folder), str(fd), pass_fds=[fd]
    )


async def drained(port: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while (await exchange(port, b"GET /depth HTTP/1.1\r\nhost: x\r\n\r\n")).body != b"0":
            await asyncio.sleep(0.05)


async def stored(path: Path) -> list[tuple[str, int, float]]:
    store = DuckDBStore(path)
    await store.open()
    try:
        raw = await store.raw(SENSORS, 0, 2**62)
        counted = await store.count(SENSORS, 0, 2**62)
    finally:
        await store.close()
    assert {s: len(points) for s, points in raw.items()} == counted
    return [
        (sensor, time, value)
        for sensor, points in raw.items()
        for time, value in zip(points.times.tolist(), points.values.tolist(), strict=True)
    ]


@pytest.mark.slow
async def test_every_acknowledged_reading_is_stored_once_over_five_kills(tmp_path: Path) -> None:
    ledger, chance = Ledger(), random.Random(9)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port = listener.getsockname()[1]
        child = await start(tmp_path, listener)
        pushers = [asyncio.create_task(pusher(i, port, ledger)) for i in range(PUSHERS)]
        try:
            for _ in range(KILLS):
                await ledger.grown_by(chance.randrange(500, 2000))
                ledger.sent.clear()
                await ledger.sent.wait()
                await asyncio.sleep(chance.uniform(0, 0.002))  # somewhere between the socket and the disk
                child.send_signal(signal.SIGKILL)
                assert await child.wait() == -signal.SIGKILL
                child = await start(tmp_path, listener)
            await ledger.grown_by(1000)
            ledger.stopping = True
            await asyncio.wait_for(asyncio.gather(*pushers), DEADLINE_S)
            await drained(port)
            child.send_signal(signal.SIGTERM)
            await asyncio.wait_for(child.wait(), DEADLINE_S)
        finally:
            for task in pushers:
                task.cancel()
            with contextlib.suppress(ProcessLookupError):
                child.kill()
    rows = await stored(tmp_path / "series.duckdb")
    assert ledger.unanswered, "the kills were meant to hit pushes under way"
    assert not [i for i, n in Counter((s, t) for s, t, _ in rows).items() if n > 1], "stored twice"
    assert {(s, t): v for s, t, v in rows} == ledger.acknowledged
    print(f"{len(rows)} readings, {ledger.unanswered} pushes died under way, each reading stored once")
