"""Response times of three typical GraphQL queries, over HTTP on loopback, with the example data centre in DuckDB.

    python benchmarks/bench_graphql.py [runs]

Server and client are separate processes.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from backend.core.bucket import Buckets, SeriesKind
from backend.core.reading import Readings
from backend.core.windows import NS_PER_SECOND, Window
from backend.inventory.loader import load
from backend.inventory.model import Inventory
from backend.processes.one_process import create_app
from backend.processes.server import run
from backend.processes.shared import Overrides
from backend.settings import Settings
from tests.support.manual_clock import ManualClock
from tests.support.serve import serving

ROOT = Path(__file__).resolve().parents[1]
DAY_S = 86_400
NOW_S = 20_000 * DAY_S
RAW_SENSORS = 50
CHARTED = 10


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def raw_day(names: list[str]) -> Readings:
    """Return a day of one reading per second of each sensor, sorted by (sensor, time)."""
    rng = np.random.default_rng(1)
    times = np.arange(NOW_S - DAY_S, NOW_S, dtype=np.int64) * NS_PER_SECOND
    walk = 150 + np.cumsum(rng.normal(size=len(times)))
    return Readings(
        names,
        np.repeat(np.arange(len(names), dtype=np.int32), len(times)),
        np.tile(times, len(names)),
        np.concatenate([np.round(walk + i, 1) for i in range(len(names))]),
    )


def week_of(names: list[str], window: Window) -> Buckets:
    """Return synthetic roll-ups of the last seven days."""
    starts = np.arange(NOW_S - 7 * DAY_S, NOW_S, window.seconds, dtype=np.int64) * NS_PER_SECOND
    size = len(starts) * len(names)
    mean = np.random.default_rng(2).normal(150, 20, size)
    count = np.full(size, float(window.seconds))
    codes = np.repeat(np.arange(len(names), dtype=np.int32), len(starts))
    return Buckets(
        names,
        codes,
        np.tile(starts, len(names)),
        count,
        mean * count,
        count,
        mean - 5,
        mean + 5,
        mean,
        count,
        count,
    )


async def fill(services: Any, inventory: Inventory) -> None:
    names = list(inventory.sensors)
    await services.store.write(raw_day(names[:RAW_SENSORS]))
    for window in (Window.M1, Window.H1):
        await services.store.write_buckets(SeriesKind.SENSOR, window, week_of(names, window))
        await services.state.set_watermark(window, NOW_S * NS_PER_SECOND)
    await services.store.write_buckets(SeriesKind.SENSOR, Window.S30, week_of(names[:CHARTED], Window.S30))
    await services.state.set_watermark(Window.S30, NOW_S * NS_PER_SECOND)
    last = Readings.from_rows(names, [services.clock.now_ns()] * len(names), [120.5] * len(names))
    services.last_values.merge(last)


async def serve(folder: Path, port: Any, done: Any) -> None:
    inventory = load(ROOT / "examples" / "datacenter")
    clock = ManualClock(NOW_S * NS_PER_SECOND)
    app = create_app(Settings(public_read=True, data_dir=folder), Overrides(clock=clock, inventory=inventory))
    async with serving(app) as address:
        await app.state.services.runner.stop()
        await fill(app.state.services, inventory)
        port.send(int(address.rpartition(":")[2]))
        await asyncio.to_thread(done.wait)


def run_server(folder: Path, port: Any, done: Any) -> None:
    run(serve(folder, port, done))


def questions(names: list[str]) -> dict[str, dict[str, Any]]:
    raw = """query ($s: [ID!], $from: DateTime!, $to: DateTime) {
        series(sensors: $s, from: $from, to: $to, window: RAW, maxPoints: 100000) { timestamps values } }"""
    week = """query ($s: [ID!], $from: DateTime!, $to: DateTime, $n: Int) {
        series(sensors: $s, from: $from, to: $to, maxPoints: $n) { sensor window timestamps values } }"""
    energy = """query ($s: [ID!], $from: DateTime!, $to: DateTime, $gaps: GapPolicy) {
        energy(sensors: $s, from: $from, to: $to, gapPolicy: $gaps, window: H1) {
          kwh coverage bars { timestamps kwh coverage } } }"""
    tree = "{ energyTree { at nodes { id name parent target watts coverage sensorsExpected sensorsReporting missing } } }"
    day = {"from": iso(NOW_S - DAY_S), "to": iso(NOW_S)}
    seven = {"s": names[:CHARTED], "from": iso(NOW_S - 7 * DAY_S), "to": iso(NOW_S)}
    return {
        "86,400 raw points of one sensor": {"query": raw, "variables": {"s": names[:1], **day}},
        "one sensor, a day of raw points thinned to 2,000": {
            "query": raw.replace("100000", "2000"),
            "variables": {"s": names[:1], **day},
        },
        "10 sensors x 7 days, 168 points each": {"query": week, "variables": {**seven, "n": 168}},
        "10 sensors x 7 days, maxPoints 2,000": {"query": week, "variables": {**seven, "n": 2000}},
        "10 sensors x 7 days, maxPoints 2,000, with coverage": {
            "query": week.replace("values }", "values coverage }"),
            "variables": {**seven, "n": 2000},
        },
        "energy of 10 sensors x 7 days by hours": {"query": energy, "variables": seven},
        "the same, gaps held": {"query": energy, "variables": {**seven, "gaps": "HOLD"}},
        "last values of the whole tree": {"query": tree},
        "all sensors with their last values": {
            "query": """{ sensors(first: 1000) { totalCount edges { node {
                name type unit location latest { value ageSeconds } } } } }"""
        },
    }


def measure(
    connection: http.client.HTTPConnection, body: dict[str, Any], runs: int
) -> tuple[list[float], Any, int]:
    durations_ms: list[float] = []
    payload = json.dumps(body)
    answer = b""
    for _ in range(runs + 3):
        start = time.perf_counter()
        connection.request("POST", "/graphql", payload, {"content-type": "application/json"})
        answer = connection.getresponse().read()
        durations_ms.append((time.perf_counter() - start) * 1e3)
    return durations_ms[3:], json.loads(answer), len(answer)


def points(data: dict[str, Any]) -> str:
    if "series" in data:
        return f"{sum(len(s['timestamps']) for s in data['series']):,} points"
    if "energy" in data:
        return f"{sum(len(e['bars']['kwh']) for e in data['energy']):,} bars"
    if "energyTree" in data:
        return f"{len(data['energyTree']['nodes'])} nodes"
    return f"{data['sensors']['totalCount']} sensors"


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    names = list(load(ROOT / "examples" / "datacenter").sensors)
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(False)
    done = context.Event()
    with tempfile.TemporaryDirectory() as folder:
        server = context.Process(target=run_server, args=(Path(folder), sender, done))
        server.start()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", receiver.recv())
            connection.connect()
            # Header and body are sent separately; the second must not wait for an acknowledgement of the first.
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            print(f"{'':52}{'median':>9}{'min':>9}   ({runs} runs)")
            for title, body in questions(names).items():
                durations_ms, answer, size = measure(connection, body, runs)
                assert "errors" not in answer, answer["errors"]
                print(
                    f"{title:52}{statistics.median(durations_ms):6.1f} ms{min(durations_ms):6.1f} ms"
                    f"   {points(answer['data'])}, {size / 1e3:,.0f} kB"
                )
        finally:
            done.set()
            server.join()


if __name__ == "__main__":
    main()
