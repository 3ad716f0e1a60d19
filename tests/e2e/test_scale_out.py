"""Two web processes and two ingest doors behind a real nginx, over one PostgreSQL, one Redis and one InfluxDB."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets

from backend.core.windows import NS_PER_SECOND, Window
from backend.db.engine import Database
from backend.db.rollup_state import SqlRollupState
from backend.ingest.keys import generate_key
from backend.store.influxdb.store import InfluxDBStore
from tests.conftest import need
from tests.support import postgres
from tests.support.graphql_client import connected
from tests.support.influx import InfluxServer, fresh_name
from tests.support.processes import EXAMPLE, ROOT, Service, free_port
from tests.support.redis import RedisServer
from tests.support.waiting import DEADLINE_S

SENSORS = [f"ecotype-{n}_pdu-Z1.10" for n in range(37, 47)]
WEB, DOORS = ("web-1", "web-2"), ("ingest-1", "ingest-2")
ROWS = 10


@dataclass
class Site:
    address: str
    store_url: str
    database_url: str
    key: str
    services: dict[str, Service] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    acknowledged: dict[tuple[str, int], float] = field(default_factory=dict)
    sent: set[tuple[str, int]] = field(default_factory=set)


@asynccontextmanager
async def nginx(folder: Path, ports: dict[str, int]) -> AsyncIterator[str]:
    """The example's configuration on free ports."""
    text = (ROOT / "examples" / "nginx" / "seduce.conf").read_text()
    places = {"8081": "web-1", "8083": "web-2", "8082": "ingest-1", "8084": "ingest-2"}
    text = re.sub(r"127\.0\.0\.1:(\d+)", lambda m: f"127.0.0.1:{ports[places[m[1]]]}", text)
    port = free_port()
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
    (folder / "seduce.conf").write_text(text)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}worker_processes 1;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}include {folder}/seduce.conf;\n}}\n"
    )
    command = [need("nginx", "nginx"), "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=DEADLINE_S)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen([*command, "-g", "daemon off;"])
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 20)


@asynccontextmanager
async def running_site(folder: Path) -> AsyncIterator[Site]:
    for name in ("influx", "redis", "nginx"):
        (folder / name).mkdir()
    async with AsyncExitStack() as stack:
        influx = InfluxServer(need("influxd", "influxdb"), folder / "influx")
        redis = RedisServer(need("redis-server", "redis-server"), folder / "redis")
        for server in (influx, redis):
            stack.callback(server.stop)
            await asyncio.to_thread(server.start)
        database_url = stack.enter_context(postgres.server())
        key, entry = generate_key("crawlers")
        ports = {name: free_port() for name in (*WEB, *DOORS)}
        address = await stack.enter_async_context(nginx(folder / "nginx", ports))
        site = Site(address, influx.url(fresh_name()), database_url, key, ports=ports)
        for name in (*DOORS, *WEB):
            settings = {
                "description_dir": str(EXAMPLE),
                "data_dir": str(folder / "data" / name),
                "store_url": site.store_url,
                "database_url": database_url,
                "bus_url": redis.url(2),
                "device_keys": entry,
                "public_read": "true",
                "allowed_hosts": "127.0.0.1",
                "port": str(ports[name]),
                "ingest_port": str(ports[name]),
            }
            environment = {f"SEDUCE_{k.upper()}": v for k, v in settings.items()}
            service = Service(name, ["backend.cli.main", name.partition("-")[0]], folder, environment)
            site.services[name] = service
            stack.callback(service.abandon)
            await service.start()
        for name in WEB:
            await site.services[name].says("The dashboard is live at", within_s=300)
        for name in DOORS:
            await site.services[name].says("The ingest endpoint is live at", within_s=300)
        yield site


async def push_for_ever(site: Site, number: int) -> None:
    """The same readings again until they are acknowledged, by whichever door."""
    url, serial = f"http://{site.address}/ingest", 0
    headers = {"Authorization": f"Bearer {site.key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=5) as client:
        while True:
            begin = time.time_ns() // 10**6 * 10**6 + number
            serial += 1
            rows = {
                (SENSORS[i % len(SENSORS)], begin + i * 10_000): float(serial * 100 + i) for i in range(ROWS)
            }
            body = {
                "sensors": [s for s, _ in rows],
                "times": [t for _, t in rows],
                "values": list(rows.values()),
            }
            site.sent.update(rows)
            while not await pushed(client, url, body):
                await asyncio.sleep(0.05)
            site.acknowledged.update(rows)
            await asyncio.sleep(0.02)


async def pushed(client: httpx2.AsyncClient, url: str, body: object) -> bool:
    try:
        answer = await client.post(url, json=body)
    except httpx2.HTTPError:
        return False
    assert answer.status_code in (200, 502, 503, 504), answer.text
    return answer.status_code == 200


async def until(condition: Callable[[], Any], within_s: float = DEADLINE_S) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.05)


async def grown(site: Site, rows: int) -> None:
    goal = len(site.acknowledged) + rows
    await until(lambda: len(site.acknowledged) >= goal)


async def watch(site: Site, received: set[tuple[str, int, float]]) -> None:
    """A page: it comes back when its process goes, to whichever nginx gives it."""
    query = "subscription($s: [ID!]) { readings(sensors: $s) { snapshot sensors timestamps values } }"
    while True:
        try:
            async with connected(site.address) as socket:
                await socket.subscribe(query, s=SENSORS)
                while True:
                    batch = (await socket.next())["readings"]
                    received.update(zip(batch["sensors"], batch["timestamps"], batch["values"], strict=True))
        except (OSError, websockets.WebSocketException):
            await asyncio.sleep(0.1)


async def accepted(site: Site, door: str) -> int:
    async with httpx2.AsyncClient() as client:
        page = (await client.get(f"http://127.0.0.1:{site.ports[door]}/metrics")).text
    match = re.search(r"^seduce_ingest_readings_accepted_total (\d+)", page, re.MULTILINE)
    assert match is not None
    return int(match[1])


async def compare(site: Site) -> int:
    store = InfluxDBStore(site.store_url)
    await store.open()
    try:
        raw = await store.raw(SENSORS, 0, 2**62)
        counted = await store.count(SENSORS, 0, 2**62)
    finally:
        await store.close()
    stored = {
        (sensor, t): v
        for sensor, points in raw.items()
        for t, v in zip(points.times.tolist(), points.values.tolist(), strict=True)
    }
    assert {s: len(p) for s, p in raw.items()} == counted, "stored twice"
    assert {i: stored.get(i) for i in site.acknowledged} == site.acknowledged, "a promised reading is lost"
    assert stored.keys() <= site.sent
    return len(stored)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_any_process_may_go_and_nothing_sticks_to_one(tmp_path: Path) -> None:
    if reason := postgres.why_not():
        pytest.skip(reason)
    received: set[tuple[str, int, float]] = set()
    async with running_site(tmp_path) as site:
        tasks = [asyncio.create_task(push_for_ever(site, n)) for n in range(3)]
        tasks.append(asyncio.create_task(watch(site, received)))
        await grown(site, 1000)
        both = [await accepted(site, door) for door in DOORS]
        assert min(both) > 0, f"one door gets everything: {both}"
        await until(lambda: len(received) > 100)

        await site.services["ingest-1"].kill()
        await grown(site, 500)
        await site.services["web-2"].kill()
        async with httpx2.AsyncClient(base_url=f"http://{site.address}", timeout=20) as client:
            for _ in range(10):
                answer = await client.post("/graphql", json={"query": "{ sensorTypes { name } }"})
                assert answer.status_code == 200, answer.text
        before = len(received)
        await until(lambda: len(received) > before + 100)
        await site.services["ingest-1"].start()
        await site.services["web-2"].start()
        await site.services["ingest-2"].kill()
        await site.services["ingest-1"].says("The ingest endpoint is live at", 2)
        await grown(site, 500)
        await site.services["ingest-2"].start()
        await site.services["ingest-2"].says("The ingest endpoint is live at", 2)
        await late_readings_are_marked_by_either_door(site)

        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await drained(site)
        for service in site.services.values():
            assert await service.end() in (0, -signal.SIGTERM)
        stored = await compare(site)
        assert not [s.name for s in site.services.values() if s.count_in_log("Traceback")]
    print(f"{stored} readings stored, {len(site.acknowledged)} acknowledged, {len(received)} seen live")


async def drained(site: Site) -> None:
    async with httpx2.AsyncClient() as client, asyncio.timeout(DEADLINE_S):
        for door in DOORS:
            while (await client.get(f"http://127.0.0.1:{site.ports[door]}/readyz")).json()["spool"][
                "readings_waiting"
            ]:
                await asyncio.sleep(0.1)


async def late_readings_are_marked_by_either_door(site: Site) -> None:
    """Late readings are recognised by the roll-up horizon in the shared database, not by the state of one endpoint."""
    database = Database(site.database_url)
    state = SqlRollupState(database)
    now = time.time_ns()
    await state.set_horizon(Window.S30.floor(now))
    headers = {"Authorization": f"Bearer {site.key}"}
    late_sensors = set()
    async with httpx2.AsyncClient(headers=headers, timeout=10) as client:
        for number, door in enumerate(DOORS):
            at = now - (7200 + 60 * number) * NS_PER_SECOND
            body = {"sensors": [SENSORS[number]], "times": [at], "values": [1.0]}
            answer = await client.post(f"http://127.0.0.1:{site.ports[door]}/ingest", json=body)
            assert answer.status_code == 200
            site.sent.add((SENSORS[number], at))
            site.acknowledged[SENSORS[number], at] = 1.0
            late_sensors.add(SENSORS[number])
    async with asyncio.timeout(DEADLINE_S):
        while not late_sensors <= {span.sensor for span in await state.dirty(1000)}:
            await asyncio.sleep(0.1)
    await database.close()
