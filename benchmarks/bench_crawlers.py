"""CPU time of all crawlers together: 350 sensors of every kind at 1 Hz, two of eight PDUs down.

Devices and the ingest endpoint run in a process of their own, so that the figures are the crawlers' alone. Goal:
under 25 % of one core.

    python -m benchmarks.bench_crawlers [seconds]
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import time
from collections import Counter
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import orjson
import uvicorn

from backend.core.clock import SystemClock
from backend.inventory.loader import load
from backend.inventory.model import Inventory, PushSource, Sensor, SnmpSource
from crawlers.registry import build_crawler
from crawlers.simulators.fleet import SimulatedFleet
from crawlers.simulators.model import DataCentreModel
from crawlers.simulators.relocate import free_port, relocate
from crawlers.sink import HttpSink

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "datacenter"
SENSORS, DEAD, GOAL = 350, 2, 0.25


def build_inventory() -> Inventory:
    """Return the example on free ports, every device at 1 Hz, with PDU outlets added up to 350 sensors."""
    example = relocate(load(EXAMPLE))
    polled = [
        replace(s, period_s=1.0) for s in example.sensors.values() if not isinstance(s.source, PushSource)
    ]
    pdus: dict[str, list[Sensor]] = {}
    for sensor in polled:
        if isinstance(sensor.source, SnmpSource) and (sensor.parent or "").startswith("pdu-"):
            pdus.setdefault(sensor.parent or "", []).append(sensor)
    for number in range(SENSORS - len(polled)):
        outlets = pdus[sorted(pdus)[number % len(pdus)]]
        first = outlets[0]
        assert isinstance(first.source, SnmpSource)
        index = 1 + max(s.source.index or 0 for s in outlets if isinstance(s.source, SnmpSource))
        more = replace(first, name=f"spare-{number}", source=replace(first.source, index=index))
        outlets.append(more)
        polled.append(more)
    return replace(example, sensors={s.name: s for s in polled})


def without_dead_pdus(inventory: Inventory) -> Inventory:
    """Return what the simulators serve: all devices except the first PDUs."""
    dead = sorted(
        {s.parent or "" for s in inventory.sensors.values() if (s.parent or "").startswith("pdu-")}
    )[:DEAD]
    return replace(inventory, sensors={n: s for n, s in inventory.sensors.items() if s.parent not in dead})


def serve(inventory: Inventory, port: int, line: Connection) -> None:
    """Serve the devices, and an endpoint that counts what each sensor delivered; send the counts on request."""
    counts: Counter[str] = Counter()

    async def endpoint(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        counts.update(orjson.loads(body)["sensors"])
        answer = b'{"status":"success","rejected":[]}'
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", b"%d" % len(answer))],
            }
        )
        await send({"type": "http.response.body", "body": answer})

    async def run() -> None:
        async with SimulatedFleet(inventory, DataCentreModel(inventory, 1)):
            config = uvicorn.Config(endpoint, port=port, log_level="error", lifespan="off")
            server = asyncio.create_task(uvicorn.Server(config).serve())
            line.send("ready")
            while await asyncio.to_thread(line.recv) != "end":
                line.send(dict(counts))
            server.cancel()

    asyncio.run(run())


async def measure(inventory: Inventory, port: int, seconds: float) -> tuple[float, float]:
    """Return CPU and wall seconds of all crawlers in one process, after a start-up that is not counted."""
    sink = HttpSink(f"http://127.0.0.1:{port}")
    crawler = build_crawler(inventory, sink, SystemClock())
    running = asyncio.create_task(crawler.run())
    await asyncio.sleep(5)
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await sink.close()
    states = Counter(h.state.value for h in crawler.health.values())
    print(f"devices: {', '.join(f'{n} {state}' for state, n in sorted(states.items()))}")
    print(f"ticks skipped: {sum(h.ticks_skipped for h in crawler.health.values())}")
    return cpu, wall


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    inventory, port = build_inventory(), free_port()
    parent_end, child_end = multiprocessing.Pipe()
    devices = multiprocessing.get_context("spawn").Process(
        target=serve, args=(without_dead_pdus(inventory), port, child_end), daemon=True
    )
    devices.start()
    parent_end.recv()
    cpu, wall = asyncio.run(measure(inventory, port, seconds))
    parent_end.send("counts")
    counts: dict[str, int] = parent_end.recv()
    parent_end.send("end")
    devices.join(5)
    devices.terminate()
    share = cpu / wall
    rate = sum(counts.values()) / (wall + 5)
    print(f"{len(inventory.sensors)} sensors, {len(counts)} of them received, {rate:.0f} readings/s pushed")
    print(
        f"{100 * share:.1f} % of one core for all crawlers; goal: under {100 * GOAL:.0f} %: {'met' if share < GOAL else 'MISSED'}"
    )
    return 0 if share < GOAL else 1


if __name__ == "__main__":
    raise SystemExit(main())
