"""CPU time of the crawler per SNMP outlet: 24 outlets of one PDU, by GETBULK and by GET.

The agent runs in a process of its own, so that the figures are the crawler's alone. Goal: at most 0.09 ms per outlet.

    python -m benchmarks.bench_snmp [polls]
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection

from backend.inventory.model import Sensor, SnmpSource
from crawlers.simulators import snmp_agent
from crawlers.snmp import SnmpDevice
from crawlers.snmp_plan import parse_oid

BASE = "1.3.6.1.4.1.318.1.1.26.9.4.3.1.7"
OUTLETS = 24
GOAL_MS = 0.09


def serve(ready: Connection) -> None:
    async def run() -> None:
        table = {(*parse_oid(BASE), i): 100 + i for i in range(1, OUTLETS + 1)}
        transport = await snmp_agent.serve(snmp_agent.SnmpAgent(lambda: table), "127.0.0.1", 0)
        ready.send(transport.get_extra_info("sockname")[1])
        await asyncio.Event().wait()

    asyncio.run(run())


def outlets(port: int) -> list[Sensor]:
    return [
        Sensor(f"server-{i}", "wattmeter", "W", "snmp", "pdu", SnmpSource("127.0.0.1", BASE, i, port), "here")
        for i in range(1, OUTLETS + 1)
    ]


async def measure(port: int, polls: int, bulk: bool) -> tuple[float, float]:
    """Return CPU and wall time per outlet, in ms."""
    device = SnmpDevice(outlets(port), bulk=bulk)
    for _ in range(5):
        assert len((await device.read(0)).readings) == OUTLETS
    cpu, wall = time.process_time(), time.perf_counter()
    for tick in range(polls):
        await device.read(tick)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    await device.close()
    return 1_000 * cpu / polls / OUTLETS, 1_000 * wall / polls / OUTLETS


def main() -> int:
    polls = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    parent_end, child_end = multiprocessing.Pipe()
    agent = multiprocessing.get_context("spawn").Process(target=serve, args=(child_end,), daemon=True)
    agent.start()
    port = parent_end.recv()
    best = 0.0
    for what, bulk in (("one GETBULK", True), ("one GET of 24", False)):
        runs = [asyncio.run(measure(port, polls, bulk)) for _ in range(3)]
        cpu, wall = min(runs)
        best = best or cpu
        print(f"{what:14} {cpu:.3f} ms of CPU per outlet, {wall:.3f} ms wall")
    agent.terminate()
    print(f"goal {GOAL_MS} ms by GETBULK: {'met' if best <= GOAL_MS else 'MISSED'}")
    return 0 if best <= GOAL_MS else 1


if __name__ == "__main__":
    raise SystemExit(main())
