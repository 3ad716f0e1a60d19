"""Eight PDUs of which two are dead. The others are still read every second."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, closing
from dataclasses import replace

import numpy as np

from backend.core.clock import SystemClock
from backend.core.health import DeviceState
from crawlers.registry import build_crawler
from crawlers.simulators import snmp_agent
from crawlers.snmp_plan import parse_oid
from tests.devices.support import OUTLETS, MemorySink, outlets

S = 10**9
PDUS, DEAD, OF_EACH, TICKS = 8, 2, 24, 5


async def test_two_dead_pdus_do_not_delay_the_other_six() -> None:
    table = {(*parse_oid(OUTLETS), i): 100 + i for i in range(1, OF_EACH + 1)}
    sensors = []
    with ExitStack() as stack:
        for pdu in range(PDUS):
            if pdu < DEAD:  # the port is open, and nothing answers
                silent = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                silent.bind(("127.0.0.1", 0))
                port = silent.getsockname()[1]
            else:
                agent = snmp_agent.SnmpAgent(lambda: table)
                transport = stack.enter_context(closing(await snmp_agent.serve(agent, "127.0.0.1", 0)))
                port = transport.get_extra_info("sockname")[1]
            sensors += [
                replace(s, name=f"{pdu}/{s.name}", parent=f"pdu-{pdu}")
                for s in outlets(port, range(1, OF_EACH + 1))
            ]
        sink = MemorySink()
        crawler = build_crawler(sensors, sink, SystemClock())
        running = asyncio.create_task(crawler.run())
        await sink.filled((PDUS - DEAD) * OF_EACH * (TICKS + 1))
        health = crawler.health
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    read = sink.rows.by_sensor()
    assert {name.partition("/")[0] for name in read} == {str(pdu) for pdu in range(DEAD, PDUS)}
    assert len(read) == (PDUS - DEAD) * OF_EACH
    for name, points in read.items():
        assert len(points) >= TICKS, name
        assert (points.times % S == 0).all()
        assert (np.diff(points.times) == S).all(), f"{name} misses a tick"
    by_state = [
        h.state for _, h in sorted(health.items(), key=lambda item: item[1].device.rpartition("(")[2])
    ]
    assert by_state == [DeviceState.LOST] * DEAD + [DeviceState.OK] * (PDUS - DEAD)
    assert sum(h.failures for h in health.values() if h.state is DeviceState.OK) == 0
