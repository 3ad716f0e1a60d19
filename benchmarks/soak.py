"""Soak test: the supervised programs for half an hour at 1,000 sensors x 1 Hz, with faults, and a verdict per guarantee.

    python -m benchmarks.soak [--minutes 30] [--sensors 1000] [--keep FOLDER]

Uses real supervisord, InfluxDB, Redis, PostgreSQL, Celery, crawlers and SNMP agents. A proxy before the ingest
endpoint records what the endpoint acknowledged. Faults come one after the other: endpoint, InfluxDB, Redis,
PostgreSQL, Celery and a web process are killed, and the connection between crawlers and endpoint is cut. Exits with 0
if all verdicts are good.

no lost reading   every acknowledged reading is stored, once
flat memory       no process grows by more than 20 % and 30 MB from the second quarter to the last
reads             p99 of GraphQL reads is under 200 ms, while nothing is down
roll-ups          30 s windows lag under 60 s, while nothing is down and from a minute after
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
import numpy as np

from backend.core.windows import NS_PER_SECOND
from backend.store.influxdb.store import InfluxDBStore
from benchmarks.soak_devices import CRAWLERS, OUTLETS, agents, describe
from tests.support import postgres
from tests.support.recording_proxy import Ledger, RecordingProxy
from tests.support.supervised import Supervised, spare_ports, supervised

EXAMPLES_CRAWLERS: Final = (
    *(f"pdu_crawler_z1_{n}" for n in (10, 11, 20, 21, 40, 41, 50, 51)),
    "poe_crawler",
    "modbus_crawler_inrow",
    "modbus_crawler_entech",
    "sensors_crawler",
)
AWAY_S: Final = 15.0
P99_S: Final = 0.2
LAG_S: Final = 60.0
AFTER_S: Final = 60.0
"""Seconds for which a fault still affects the measurements after its end."""


class SecondsLedger(Ledger):
    """A `Ledger` with one byte per second and sensor: half an hour of 1,000 sensors are 1.8 million readings."""

    def __init__(self, begin_s: int, seconds: int) -> None:
        super().__init__()
        self._begin = begin_s
        self.seconds: defaultdict[str, np.ndarray] = defaultdict(lambda: np.zeros(seconds, bool))

    def record_sent(self, body: bytes) -> list[tuple[str, int, float]]:
        rows = super().record_sent(body)
        self.sent.clear()
        return rows

    async def record_answer(self, rows: list[tuple[str, int, float]], body: bytes) -> None:
        await super().record_answer(rows, body)
        for sensor, at in self.acknowledged:
            self.seconds[sensor][at // NS_PER_SECOND - self._begin] = True
        self.acknowledged.clear()


@dataclass
class Measurements:
    """Measurements during the run."""

    reads_s: list[float] = field(default_factory=list)
    failed: int = 0
    lag_s: list[float] = field(default_factory=list)
    memory: defaultdict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    calm_from: float = 0.0
    """Time (monotonic) until which a fault affects the measurements."""

    @property
    def calm(self) -> bool:
        return time.monotonic() > self.calm_from


def crawler(group: int) -> str:
    return (
        f"\n[program:crawler_{group}]\ncommand=/opt/seduce/.venv/bin/python -m crawlers.snmp --pdu=-g{group} "
        "--spool /var/lib/seduce/spools/%(program_name)s\npriority=400\nstartretries=1000\ndirectory=/opt/seduce\n"
        'environment=SEDUCE_SETTINGS_FILE="/etc/seduce/env"\nautorestart=true\nstopwaitsecs=30\n'
        "stdout_logfile=/var/log/seduce/%(program_name)s.log\nredirect_stderr=true\n"
    )


async def read_loop(site: Supervised, names: list[str], measurements: Measurements) -> None:
    """Send the queries of a page and a notebook ten times per second, to the two web processes in turn."""
    dice = random.Random(1)
    async with httpx.AsyncClient(timeout=30) as client:
        while True:
            since = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
            query = dice.choice(
                [
                    "{ energyTree { nodes { id watts coverage } } }",
                    "{ sensors(first: 100) { totalCount edges { node { name latest { value ageSeconds } } } } }",
                    f'{{ series(sensors: ["{dice.choice(names)}"], from: "{since}", window: RAW) {{ timestamps values }} }}',
                    f'{{ series(nodes: ["datacenter", "S000"], from: "{since}") {{ timestamps mean min max coverage }} }}',
                ]
            )
            port = site.ports[dice.choice(("web", "api"))]
            calm, began = measurements.calm, time.perf_counter()
            try:
                answer = await client.post(f"http://127.0.0.1:{port}/graphql", json={"query": query})
                good = answer.status_code == 200 and "errors" not in answer.json()
            except httpx.HTTPError:
                good = False
            if calm and measurements.calm:
                measurements.reads_s.append(time.perf_counter() - began)
                measurements.failed += not good
            await asyncio.sleep(0.1)


async def watch_loop(site: Supervised, measurements: Measurements) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        while True:
            for name, pid, size in await asyncio.to_thread(sizes, site):
                measurements.memory[f"{name} {pid}"].append((time.monotonic(), size))
            with suppress(httpx.HTTPError):
                page = (await client.get(f"http://127.0.0.1:{site.ports['web']}/metrics")).text
                for line in page.splitlines():
                    if line.startswith('seduce_rollup_lag_seconds{window="30s"}') and measurements.calm:
                        measurements.lag_s.append(float(line.split()[1]))
            await asyncio.sleep(5)


def sizes(site: Supervised) -> list[tuple[str, int, int]]:
    """Return name, process id and resident bytes of our own programs."""
    program_sizes = []
    for words in (line.split() for line in site.control("status").splitlines() if "RUNNING" in line):
        name, pid = words[0], int(words[3].rstrip(","))
        with suppress(OSError):
            if name not in ("influxdb", "redis"):
                program_sizes.append((name, pid, sum(resident(one) for one in (pid, *children(pid)))))
    return program_sizes


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def faults(
    site: Supervised,
    server: postgres.Postgres,
    proxy: RecordingProxy,
    measurements: Measurements,
    seconds: float,
) -> None:
    """Cause one fault after the other, spread over the run; the last tenth is without faults."""

    async def stopped(program: str) -> None:
        await asyncio.to_thread(site.control, "signal", "KILL", program)
        await asyncio.to_thread(site.control, "stop", program)
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(site.control, "start", program)

    async def killed(program: str) -> None:
        os.kill(await asyncio.to_thread(site.pid, program), signal.SIGKILL)

    async def postgresql() -> None:
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(server.start)

    async def line() -> None:
        await proxy.cut()
        await asyncio.sleep(AWAY_S)
        await proxy.restore()

    plan = {
        "ingest endpoint killed": lambda: killed("ingest"),
        "InfluxDB killed, restarted later": lambda: stopped("influxdb"),
        "Redis killed, restarted later": lambda: stopped("redis"),
        "PostgreSQL killed, restarted later": postgresql,
        "connection to the endpoint cut": line,
        "Celery worker killed": lambda: killed("celery_worker"),
        "web process killed": lambda: killed("api"),
    }
    for name, act in plan.items():
        await asyncio.sleep(0.9 * seconds / (len(plan) + 1))
        say(name)
        measurements.calm_from = time.monotonic() + 3600
        await act()
        measurements.calm_from = time.monotonic() + min(AFTER_S, 0.4 * seconds / len(plan))


async def compare(site: Supervised, ledger: SecondsLedger, begin_s: int) -> tuple[int, int, int]:
    """Return the numbers of readings acknowledged, lost, and stored twice."""
    store = InfluxDBStore(f"influxdb+http://127.0.0.1:{site.ports['influxdb']}/seduce")
    await store.open()
    promised = lost = twice = 0
    try:
        for sensor, seconds in ledger.seconds.items():
            raw = await store.raw([sensor], 0, 2**62)
            there = np.zeros(len(seconds), bool)
            if sensor in raw:
                at = raw[sensor].times // NS_PER_SECOND - begin_s
                twice += len(at) - len(np.unique(at))
                there[at[(at >= 0) & (at < len(there))]] = True
            promised += int(seconds.sum())
            lost += int((seconds & ~there).sum())
    finally:
        await store.close()
    return promised, lost, twice


def growth(memory: Mapping[str, list[tuple[float, int]]], begin: float, end: float) -> list[str]:
    """Return the processes that lived from the second quarter to the last and grew."""
    grown, quarter = [], (end - begin) / 4
    for name, samples in memory.items():
        second = [size for at, size in samples if begin + quarter <= at < begin + 2 * quarter]
        last = [size for at, size in samples if at >= end - quarter]
        if second and last:
            before, after = float(np.median(second)), float(np.median(last))
            say(f"  {name}: {before / 1e6:.0f} MB, later {after / 1e6:.0f} MB")
            if after > 1.2 * before and after - before > 30e6:
                grown.append(name)
    return grown


def say(text: str) -> None:
    print(f"{datetime.now():%H:%M:%S} {text}", flush=True)


async def soak(folder: Path, minutes: float, sensors: int) -> bool:
    seconds, begin_s = minutes * 60, int(time.time()) - 60
    ledger, measurements, ports = SecondsLedger(begin_s, round(seconds) + 1200), Measurements(), spare_ports()
    async with agents(-(-sensors // OUTLETS)) as addresses, RecordingProxy(ports["ingest"], ledger) as proxy:
        names = describe(folder / "description", addresses)
        with postgres.stoppable() as server:
            async with supervised(
                folder / "set",
                folder / "description",
                server.url,
                EXAMPLES_CRAWLERS,
                "".join(map(crawler, range(CRAWLERS))),
                ports,
                ingest_url=f"http://127.0.0.1:{proxy.port}",
            ) as site:
                await site.all_running()
                say(
                    f"{len(names)} sensors at 1 Hz, {len(site.states())} programs, for {minutes:g} minutes; data in {folder}"
                )
                begin = time.monotonic()
                measurements.calm_from = begin + min(AFTER_S, seconds / 6)
                working = [
                    asyncio.create_task(read_loop(site, names, measurements)),
                    asyncio.create_task(watch_loop(site, measurements)),
                    asyncio.create_task(faults(site, server, proxy, measurements, seconds)),
                ]
                await asyncio.sleep(seconds)
                for task in working:
                    task.cancel()
                ended = await asyncio.gather(*working, return_exceptions=True)
                end = time.monotonic()
                await site.all_running()
                for group in range(CRAWLERS):
                    await asyncio.to_thread(site.control, "stop", f"crawler_{group}")
                await wait_until_drained(site)
                promised, lost, twice = await compare(site, ledger, begin_s)
    errors = [error for error in ended if isinstance(error, Exception)]
    return verdicts(
        measurements,
        promised,
        lost,
        twice,
        growth(measurements.memory, begin, end),
        errors,
        len(names) * seconds,
    )


async def wait_until_drained(site: Supervised) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(300):
        while True:
            with suppress(httpx.HTTPError, KeyError):
                answer = await client.get(f"http://127.0.0.1:{site.ports['ingest']}/readyz")
                if answer.json()["spool"]["readings_waiting"] == 0:
                    return
            await asyncio.sleep(0.5)


def verdicts(
    measurements: Measurements,
    promised: int,
    lost: int,
    twice: int,
    grown: list[str],
    wrong: list[Exception],
    ticks: float,
) -> bool:
    reads = np.array(measurements.reads_s or [np.nan])
    p50, p99 = np.nanpercentile(reads, 50), np.nanpercentile(reads, 99)
    lag = max(measurements.lag_s, default=float("nan"))
    share = 100 * promised / ticks
    readings_text = (
        f"{promised:,} acknowledged ({share:.1f} % of all ticks), {lost} lost, {twice} stored twice"
    )
    reads_text = (
        f"{len(reads):,}, p50 {1e3 * p50:.0f} ms, p99 {1e3 * p99:.0f} ms, {measurements.failed} failed"
    )
    lines = {
        f"no lost reading: {readings_text}": promised > 0 and lost == 0 and twice == 0,
        f"flat memory: {', '.join(grown) or 'no process'} grew": not grown,
        f"reads: {reads_text}": bool(p99 < P99_S) and not measurements.failed,
        f"roll-ups: maximum lag of 30 s windows {lag:.0f} s": lag < LAG_S,
        f"the test itself: {'; '.join(map(repr, wrong)) or 'nothing failed'}": not wrong,
    }
    for text, good in lines.items():
        print(f"{'OK  ' if good else 'FAIL'}  {text}")
    return all(lines.values())


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--minutes", type=float, default=30.0)
    options.add_argument("--sensors", type=int, default=1000)
    options.add_argument(
        "--keep", type=Path, help="folder for data and logs, which is kept; default: a temporary one"
    )
    arguments = options.parse_args()
    if reason := postgres.why_not():
        print(reason)
        return 2
    if arguments.keep:
        arguments.keep.mkdir(parents=True)
        return 0 if asyncio.run(soak(arguments.keep.absolute(), arguments.minutes, arguments.sensors)) else 1
    with tempfile.TemporaryDirectory(prefix="seduce-soak-") as folder:
        return 0 if asyncio.run(soak(Path(folder), arguments.minutes, arguments.sensors)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
