"""All services as processes of their own, with faults, and every reading that was said to be kept in the store exactly once.

About forty seconds with the heaviest crawlers; with SEDUCE_TEST_LONG=1 two minutes with all of them.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from backend.ingest.keys import generate_key
from backend.ingest.spoolfile import SpoolFile
from backend.inventory.loader import load
from backend.store.influxdb.store import InfluxDBStore
from crawlers.simulators.fault_schedule import ScheduledFault
from crawlers.simulators.fleet import SimulatedFleet
from crawlers.simulators.model import DataCentreModel
from tests.conftest import need
from tests.support.influx import InfluxServer
from tests.support.processes import Service, free_port, moved_description
from tests.support.recording_proxy import Ledger, RecordingProxy
from tests.support.redis import RedisServer
from tests.support.waiting import DEADLINE_S

LONG = bool(os.environ.get("SEDUCE_TEST_LONG"))
TINY = ["--spool-max-mb", "0.05"]
POE = ["crawlers.snmp", "--pdu", "poe", "--mode", "iterative", "--group-calls-factor", "4"]
FEW = {
    "pdu_crawlers": ["crawlers.snmp", "--pdu", "pdu-Z1", *TINY],
    "poe_crawler": POE,
    "modbus_crawler_inrow": ["crawlers.modbus", "--sensor-bus", "inrow"],
    "sensors_crawler": ["crawlers.sensors"],
}
ALL = {
    **{
        f"pdu_crawler_z1_{n}": ["crawlers.snmp", "--pdu", f"pdu-Z1.{n}"]
        for n in (10, 11, 20, 21, 40, 41, 50, 51)
    },
    "poe_crawler": POE,
    "modbus_crawler_inrow": ["crawlers.modbus", "--sensor-bus", "inrow"],
    "modbus_crawler_entech": ["crawlers.modbus", "--sensor-bus", "entech", *TINY],
    "sensors_crawler": ["crawlers.sensors"],
}
CRAWLERS, FULL = (ALL, "modbus_crawler_entech") if LONG else (FEW, "pdu_crawlers")
KILLED = "sensors_crawler"
STORE_DOWN_S, CUT_S, CALM_S = (30.0, 20.0, 8.0) if LONG else (3.0, 6.0, 0.5)
PUSHER_ROWS = 20
TROUBLES = [
    ScheduledFault.parse(text)
    for text in (
        "pdu-Z1.10=garbage@20+5/40",
        "pdu-Z1.20=mute@30+10/60",
        "poe=cut@15+4/30",
        "modbus_inrow=reboot@25+6/50",
        "flukso=slow@20+5/40",
        "temp.z1.1.front=cut@10+10/20",
        "temp.z1.2.back=slow@10+10/20",
    )
]
"""The faults that the simulated devices have meanwhile."""
DOOR_LOST, DOOR_BACK = "failed ingest_endpoint", "recovered ingest_endpoint"
SPOOL_FULL, SPOOL_ROOM = "failed spool_writes", "recovered spool_writes"


@dataclass
class Site:
    """The running processes and the acknowledged readings."""

    folder: Path
    description: Path
    key: str
    influx: InfluxServer
    redis: RedisServer
    ledger: Ledger
    proxy: RecordingProxy
    ports: dict[str, int]
    services: dict[str, Service] = field(default_factory=dict)
    # value of a probe -> how often a card was told that it is kept; values are unlike each other
    cards: Counter[tuple[str, float]] = field(default_factory=Counter)

    def service(self, name: str, command: list[str], **more: str) -> Service:
        data = self.folder / "data" / name
        settings = {
            "description_dir": str(self.description),
            "data_dir": str(data),
            "database_url": f"sqlite:///{self.folder / 'seduce.sqlite'}",
            "store_url": self.influx.url("seduce"),
            "bus_url": self.redis.url(1),
            "port": str(self.ports["web"]),
            "ingest_port": str(self.ports["ingest"]),
            "cards_port": str(self.ports["cards"]),
            "ingest_url": f"http://127.0.0.1:{self.proxy.port}",
            **more,
        }
        environment = {f"SEDUCE_{k.upper()}": v for k, v in settings.items()}
        self.services[name] = Service(name, command, self.folder, environment)
        return self.services[name]

    def crawler(self, name: str, command: list[str]) -> Service:
        spool = ["--spool", str(self.spool(name))]
        return self.service(name, [*command, *spool], ingest_key_file=str(self.folder / "key"))

    def spool(self, name: str) -> Path:
        return self.folder / "spools" / name


@asynccontextmanager
async def running_site(folder: Path) -> AsyncIterator[Site]:
    key, entry = generate_key("crawlers")
    (folder / "key").write_text(key)
    for name in ("influx", "redis"):
        (folder / name).mkdir()
    description = moved_description(folder)
    ports = {name: free_port() for name in ("web", "ingest", "cards")}
    ledger = Ledger()
    async with AsyncExitStack() as stack:
        influx = InfluxServer(need("influxd", "influxdb"), folder / "influx")
        redis = RedisServer(need("redis-server", "redis-server"), folder / "redis")
        for server in (influx, redis):
            stack.callback(server.stop)
            await asyncio.to_thread(server.start)
        proxy = await stack.enter_async_context(RecordingProxy(ports["ingest"], ledger))
        site = Site(folder, description, key, influx, redis, ledger, proxy, ports)
        inventory = load(description)
        cards = f"http://127.0.0.1:{ports['cards']}/temperature/list"
        fleet = SimulatedFleet(inventory, DataCentreModel(inventory, 3), cards, schedule=TROUBLES)
        await asyncio.to_thread(fleet.start_in_thread)
        stack.push_async_callback(asyncio.to_thread, fleet.stop)
        site.service("ingest", ["backend.cli.main", "ingest"], device_keys=entry)
        site.service(
            "temperature_registerer",
            ["backend.cli.main", "temperature-registerer"],
            ingest_key_file=str(folder / "key"),
        )
        site.service("rollups", ["backend.cli.main", "rollups"])
        site.service("web", ["backend.cli.main", "web"])
        for service in list(site.services.values()):
            stack.callback(service.abandon)
            await service.start()
        await site.services["ingest"].says("The ingest endpoint is live at", within_s=300)
        await site.services["temperature_registerer"].says("The receiver of temperature cards is live at")
        for name, command in CRAWLERS.items():
            crawler = site.crawler(name, command)
            stack.callback(crawler.abandon)
            await crawler.start()
        yield site


async def push_columns(site: Site, stop: asyncio.Event) -> None:
    """A pusher of its own kind: straight to the door, the same readings again until they are acknowledged."""
    sensors = [s.name for s in load(site.description).sensors.values() if s.method == "temperature_push"]
    begin, serial = time.time_ns() - 3600 * 10**9, 0
    headers = {"Authorization": f"Bearer {site.key}"}
    url = f"http://127.0.0.1:{site.ports['ingest']}/ingest"
    async with httpx2.AsyncClient(headers=headers, timeout=5) as client:
        while not stop.is_set():
            numbers = range(serial, serial := serial + PUSHER_ROWS)
            columns = {
                "sensors": [sensors[i % len(sensors)] for i in numbers],
                "times": [begin + i * 10**6 for i in numbers],
                "values": [20 + (i % 4000) / 1000 for i in numbers],
            }
            body = httpx2.Request("POST", url, json=columns).read()
            rows = site.ledger.record_sent(body)
            while True:
                try:
                    answer = await client.post(url, content=body)
                except httpx2.HTTPError:
                    await asyncio.sleep(0.05)
                    continue
                assert answer.status_code == 200, answer.text
                await site.ledger.record_answer(rows, answer.content)
                break
            await asyncio.sleep(0.05)


async def push_cards(site: Site, stop: asyncio.Event) -> None:
    """A card that writes down which of its pushes were answered with success; it never tries again."""
    url = f"http://127.0.0.1:{site.ports['cards']}/temperature/list"
    serial = 0
    async with httpx2.AsyncClient(timeout=5) as client:
        while not stop.is_set():
            serial += 1
            elements = [(f"ca4d0000000000{i:02x}", 10 + serial / 1000) for i in range(4)]
            try:
                answer = await client.post(url, json=[{"sensor": s, "v": v} for s, v in elements])
            except httpx2.HTTPError:
                answer = None
            if answer is not None and answer.status_code == 200:
                assert answer.json() == {"status": "success", "update_count": 4}
                site.cards.update(elements)
            await asyncio.sleep(0.1)


async def faults(site: Site) -> None:
    """One after the other, and two at once where that is worse."""
    ingest, ledger = site.services["ingest"], site.ledger

    await ingest.kill()
    await ingest.start()
    await ledger.grown_by(500)
    await asyncio.sleep(CALM_S)

    await asyncio.to_thread(site.influx.stop)
    await ledger.grown_by(300)
    await ingest.kill()
    await ingest.start()  # and must take readings although there is no store
    await ledger.grown_by(500)
    await asyncio.sleep(STORE_DOWN_S)
    await asyncio.to_thread(site.influx.start)
    await asyncio.to_thread(site.redis.stop)
    await ledger.grown_by(500)
    await asyncio.to_thread(site.redis.start)
    await asyncio.sleep(CALM_S)

    await site.proxy.cut()
    cut = asyncio.get_running_loop().time()
    full = site.services[FULL]
    await full.says(SPOOL_FULL, full.count_in_log(SPOOL_ROOM) + 1)
    doomed = site.services[KILLED]
    await doomed.says(DOOR_LOST, doomed.count_in_log(DOOR_BACK) + 1)
    await doomed.kill()
    site_keeps(site, KILLED)
    await doomed.start()
    await asyncio.sleep(max(0.0, cut + CUT_S - asyncio.get_running_loop().time()))
    await site.proxy.restore()
    await ledger.grown_by(100)
    await ingest.kill()  # in the middle of what is being made up for
    await ingest.start()
    await full.says(SPOOL_ROOM, full.count_in_log(SPOOL_FULL))
    await ledger.grown_by(1000)
    await asyncio.sleep(CALM_S)


def site_keeps(site: Site, crawler: str) -> None:
    """Count the readings in a dead crawler's spool as stored. Read a copy, so that the spool stays as it is."""
    there = site.folder / f"copy-{crawler}"
    shutil.copytree(site.spool(crawler), there)
    file = SpoolFile(there / "readings.sqlite", 1 << 30)
    assert file.open() > 0, "the crawler was to die with something in its spool"
    _, readings = file.read(10**9)
    file.close()
    rows = {(r.sensor, r.time_ns): r.value for r in readings}
    site.ledger.acknowledged.update(rows)
    site.ledger.sent.update(rows)


async def settled(site: Site) -> None:
    """All that waits anywhere has gone on to the store."""
    for name in CRAWLERS:
        await site.services[name].end()
        file = SpoolFile(site.spool(name) / "readings.sqlite", 1 << 30)
        left = file.open()
        file.close()
        assert left == 0, f"{name} ended with {left} readings in its spool"
    async with httpx2.AsyncClient() as client, asyncio.timeout(DEADLINE_S):
        for name in ("cards", "ingest"):
            while (await depth(client, site.ports[name])) > 0:
                await asyncio.sleep(0.1)


async def depth(client: httpx2.AsyncClient, port: int) -> int:
    return (await client.get(f"http://127.0.0.1:{port}/readyz")).json()["spool"]["readings_waiting"]


async def see_the_page_live(site: Site) -> None:
    """The web process has no crawler and no door: what it shows as new came over the bus."""
    query = '{ sensors(method: "snmp", first: 3) { edges { node { name latest { ageSeconds stale } } } } }'
    url = f"http://127.0.0.1:{site.ports['web']}"
    async with httpx2.AsyncClient(base_url=url) as client, asyncio.timeout(DEADLINE_S):
        while True:
            answer = (await client.post("/graphql", json={"query": query})).json()
            latest = [e["node"]["latest"] for e in answer["data"]["sensors"]["edges"]]
            ready = (await client.get("/readyz")).json()
            if all(x and x["ageSeconds"] < 5 for x in latest) and ready["status"] == "ready":
                return
            await asyncio.sleep(0.2)


async def compare(site: Site) -> int:
    """Raises where a promised reading is missing, wrong or there twice. How many are stored."""
    store = InfluxDBStore(site.influx.url("seduce"))
    await store.open()
    try:
        sensors = sorted({s for s, _ in site.ledger.sent} | {s for s, _ in site.cards})
        raw = await store.raw(sensors, 0, 2**62)
        counted = await store.count(sensors, 0, 2**62)
    finally:
        await store.close()
    stored = {
        (sensor, t): v
        for sensor, points in raw.items()
        for t, v in zip(points.times.tolist(), points.values.tolist(), strict=True)
    }
    assert {s: len(points) for s, points in raw.items()} == counted, "stored twice"
    lost = [i for i in site.ledger.acknowledged if i not in stored]
    assert not lost, f"{len(lost)} of {len(site.ledger.acknowledged)} promised readings are lost: {lost[:5]}"
    wrong = [i for i, v in site.ledger.acknowledged.items() if stored[i] != v]
    assert not wrong, f"{len(wrong)} readings changed: {wrong[:5]}"
    assert not [i for i in stored if i not in site.ledger.sent], "nobody ever said these"
    probes = Counter((s, v) for (s, _), v in stored.items() if s.startswith("ca4d"))
    assert set(site.cards.values()) == {1}
    assert {p: probes[p] for p in site.cards} == dict(site.cards), "a card's reading is lost or there twice"
    return len(stored)


@pytest.mark.slow
@pytest.mark.timeout(1200 if LONG else 600)
async def test_what_was_promised_is_stored_once_whatever_breaks(tmp_path: Path) -> None:
    stop = asyncio.Event()
    async with running_site(tmp_path) as site:
        pushers = [asyncio.create_task(push(site, stop)) for push in (push_columns, push_cards)]
        try:
            await site.ledger.grown_by(1000)
            await faults(site)
            await site.services["web"].says("The dashboard is live at")
            await see_the_page_live(site)
            stop.set()
            await asyncio.wait_for(asyncio.gather(*pushers), DEADLINE_S)
            await settled(site)
        finally:
            for task in pushers:
                task.cancel()
        for name in ("web", "rollups", "temperature_registerer", "ingest"):
            await site.services[name].end()
        stored = await compare(site)
        tracebacks = [s.name for s in site.services.values() if s.count_in_log("Traceback")]
    assert not tracebacks
    print(
        f"{stored} readings stored, {len(site.ledger.acknowledged)} of them promised in {site.ledger.answers} answers, "
        f"{len(site.cards)} of them to a card"
    )
