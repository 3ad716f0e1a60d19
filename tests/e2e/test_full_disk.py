"""The disks below both spools run full: pushers are told to come back, nothing acknowledged is lost, and room heals it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2
import pytest

from backend.bus.memory import MemoryBus
from backend.core.clock import SystemClock
from backend.core.errors import SpoolFull
from backend.core.health import DeviceState
from backend.core.ports import Sink
from backend.core.reading import Readings
from backend.ingest.spool import SqliteSpool
from backend.processes.ingest import create_ingest
from backend.processes.shared import Overrides
from backend.settings import Settings
from crawlers.loop import Crawler
from crawlers.registry import build_crawler
from crawlers.simulators import snmp_agent
from crawlers.sink import HttpSink, SpooledSink
from crawlers.snmp_plan import parse_oid
from tests.devices.support import OUTLETS, inventory, outlets
from tests.support.reference_store import ReferenceStore
from tests.support.serve import serving
from tests.support.small_disk import fill, small_disk
from tests.support.waiting import DEADLINE_S

FIRST_NS = (time.time_ns() // 10**9 - 3600) * 10**9
PUSHED = "ecotype-99_pdu-A"
LOST, BACK = "failed ingest_endpoint", "recovered ingest_endpoint"

StoredReadings = dict[tuple[str, int], float]


@dataclass
class Witness:
    """A sink that writes down what the one behind it acknowledged, and how often that was full."""

    sink: Sink
    stored: StoredReadings = field(default_factory=dict)
    refused: int = 0

    async def push(self, readings: Readings) -> None:
        try:
            await self.sink.push(readings)
        except SpoolFull:
            self.refused += 1
            raise
        self.stored.update({(r.sensor, r.time_ns): r.value for r in readings})


@dataclass
class Pusher:
    """Pushes to the door by itself, the same rows again until they are acknowledged."""

    stored: StoredReadings = field(default_factory=dict)
    refused: int = 0

    async def run(self, url: str) -> None:
        async with httpx2.AsyncClient(base_url=url, timeout=10) as client:
            while True:
                rows = range(len(self.stored), len(self.stored) + 500)
                times = [FIRST_NS + i * 10**6 for i in rows]
                values = [float(i) for i in rows]
                columns = {"sensors": [PUSHED] * len(rows), "times": times, "values": values}
                while (answer := await client.post("/ingest", json=columns)).status_code != 200:
                    assert (answer.status_code, answer.json()["status"]) == (503, "failure"), answer.text
                    assert int(answer.headers["retry-after"]) > 0
                    self.refused += 1
                    await asyncio.sleep(0.05)
                assert answer.json()["update_count"] == len(rows)
                self.stored |= {(PUSHED, t): v for t, v in zip(times, values, strict=True)}
                await asyncio.sleep(0.02)


@dataclass
class Site:
    store: ReferenceStore
    pusher: Pusher
    witness: Witness
    crawler: Crawler
    spooled: SpooledSink
    ingest: object


@asynccontextmanager
async def running(door_disk: Path, crawler_disk: Path) -> AsyncIterator[Site]:
    table = {(*parse_oid(OUTLETS), i): 100 + i for i in range(1, 25)}
    async with AsyncExitStack() as stack:
        agent = snmp_agent.SnmpAgent(lambda: table)
        transport = stack.enter_context(closing(await snmp_agent.serve(agent, "127.0.0.1", 0)))
        port = transport.get_extra_info("sockname")[1]
        sensors = [replace(s, period_s=0.1) for s in outlets(port, range(1, 25))]
        store = ReferenceStore()
        parts = Overrides(inventory=inventory([*sensors, *outlets(port, [99])]), store=store, bus=MemoryBus())
        app = create_ingest(Settings(data_dir=door_disk / "door"), parts)
        url = "http://" + await stack.enter_async_context(serving(app))

        spool = SqliteSpool(crawler_disk / "spool" / "readings.sqlite", 1 << 30)
        await spool.open()
        stack.push_async_callback(spool.close)
        door = HttpSink(url)
        stack.push_async_callback(door.close)
        spooled = SpooledSink(door, spool, retry_limit_s=0.5)
        witness, pusher = Witness(spooled), Pusher()
        crawler = build_crawler(sensors, witness, SystemClock())
        tasks = [asyncio.create_task(work) for work in (spooled.run(), crawler.run(), pusher.run(url))]
        try:
            yield Site(store, pusher, witness, crawler, spooled, app.state.ingest)
            for task in tasks[1:]:  # no more comes in, and what is there is forwarded
                task.cancel()
            await asyncio.gather(*tasks[1:], return_exceptions=True)
            await asyncio.wait_for(spooled.wait_until_empty(), DEADLINE_S)
            await asyncio.wait_for(app.state.ingest.wait_until_drained(), DEADLINE_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"never came to be: {what}")


async def test_nothing_kept_is_lost_on_full_disks_and_room_heals_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "crawlers.sink")
    with small_disk(tmp_path / "door") as door_disk, small_disk(tmp_path / "crawler") as crawler_disk:
        async with running(door_disk, crawler_disk) as site:
            await until(
                lambda: len(site.pusher.stored) > 1000 and len(site.witness.stored) > 100, "a quiet start"
            )
            site.store.down = True  # so that no draining makes room
            of_door = fill(door_disk)
            await until(lambda: site.pusher.refused > 3, "the door tells pushers to come back")
            await until(lambda: LOST in caplog.text, "the crawler keeps its readings in its spool")
            of_crawler = fill(crawler_disk)
            await until(lambda: site.witness.refused > 1, "the crawler's spool is full, too")
            assert {h.state for h in site.crawler.health.values()} == {DeviceState.OK}, "polling goes on"

            of_crawler.unlink()
            known = len(site.witness.stored)
            await until(lambda: len(site.witness.stored) > known, "the crawler's spool takes readings again")
            of_door.unlink()
            known = len(site.pusher.stored)
            await until(lambda: len(site.pusher.stored) > known, "the door takes readings again")
            await until(lambda: BACK in caplog.text, "the crawler's spool goes on to the door")
            site.store.down = False

        promised = site.pusher.stored | site.witness.stored
        raw = await site.store.raw(sorted({sensor for sensor, _ in promised}), 0, 2**62)
    stored = {
        (sensor, t): v
        for sensor, points in raw.items()
        for t, v in zip(points.times.tolist(), points.values.tolist(), strict=True)
    }
    lost = [i for i, v in promised.items() if stored.get(i) != v]
    assert not lost, f"{len(lost)} of {len(promised)} promised readings are lost or changed: {lost[:5]}"
    read = sum(h.readings for h in site.crawler.health.values())
    assert read == len(site.witness.stored), "what could not be kept waited in memory"
    assert site.crawler.sink.dropped == site.spooled.dropped == 0
    assert "Traceback" not in caplog.text
