"""The simulated PDUs of the soak test, and their site description."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from crawlers.simulators import snmp_agent
from crawlers.snmp_plan import parse_oid

OUTLETS: Final = 24
CRAWLERS: Final = 4
OID: Final = "1.3.6.1.4.1.318.1.1.26.9.4.3.1.7"


def describe(folder: Path, ports: list[int]) -> list[str]:
    """Write a description with one PDU per port, 24 outlets each, and one node per PDU. Return the sensor names."""
    names, sensors, nodes = [], ["pdu:"], []
    pdus = [f"S{number:03}" for number in range(len(ports))]
    nodes.append(f"datacenter: {{id: datacenter, name: all, root: true, children: [{', '.join(pdus)}]}}")
    for number, (pdu, port) in enumerate(zip(pdus, ports, strict=True)):
        leaves = []
        for index in range(1, OUTLETS + 1):
            name = f"server-{number}-{index}_pdu-{pdu}-g{number % CRAWLERS}"
            leaf = f"{pdu}_{index}"
            names.append(name)
            leaves.append(leaf)
            sensors.append(
                f"  {name}: {{name: {name}, sensor_type: wattmeter, unit: W, method: snmp, parent: pdu-{pdu}, ip: 127.0.0.1, "
                f"port: {port}, oid: {OID}, index: {index}, array: true, location: server-{number}-{index}}}"
            )
            nodes.append(f"{leaf}: {{id: {leaf}, name: {leaf}, target: {name}}}")
        nodes.append(f"{pdu}: {{id: {pdu}, name: {pdu}, children: [{', '.join(leaves)}]}}")
    folder.mkdir()
    (folder / "sensors.yaml").write_text("\n".join(sensors) + "\n")
    (folder / "multitree.yaml").write_text("\n".join(nodes) + "\n")
    return names


def serve_agents(count: int, pipe: Connection) -> None:
    """Serve the PDUs in a process of their own, so that they are not part of the measurement."""

    async def main() -> None:
        ports = []
        for number in range(count):
            oids = [(*parse_oid(OID), index) for index in range(1, OUTLETS + 1)]

            def table(number: int = number, oids: list[Any] = oids) -> Mapping[Any, int]:
                now = int(time.time())
                return {oid: 80 + (number * 7 + oid[-1] * 3 + now) % 200 for oid in oids}

            transport = await snmp_agent.serve(snmp_agent.SnmpAgent(table), "127.0.0.1", 0)
            ports.append(transport.get_extra_info("sockname")[1])
        pipe.send(ports)
        await asyncio.Event().wait()

    asyncio.run(main())


@asynccontextmanager
async def agents(count: int) -> AsyncIterator[list[int]]:
    parent_end, child_end = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve_agents, args=(count, child_end), daemon=True
    )
    process.start()
    try:
        yield await asyncio.to_thread(parent_end.recv)
    finally:
        process.kill()
