"""Two PDUs that answer SNMP on loopback, and a description of one or both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from crawlers.simulators import snmp_agent
from crawlers.snmp_plan import parse_oid

OID = "1.3.6.1.4.1.318.1.1.26.9.4.3.1.7"


@dataclass(frozen=True, slots=True)
class TwoPdus:
    """`ports` of the agents of pdu-A and pdu-B; each has outlets 1 to 3."""

    folder: Path
    ports: dict[str, int]

    def describe(self, *outlets: tuple[str, int], location: str = "here") -> None:
        """Write a description that has these outlets, (PDU, index), under one node a PDU."""
        names = {pdu: [f"s{i}_pdu-{pdu}" for p, i in outlets if p == pdu] for pdu, _ in outlets}
        sensors = [
            f"  {name}: {{name: {name}, sensor_type: wattmeter, unit: W, method: snmp, parent: pdu-{pdu}, ip: 127.0.0.1, "
            f"port: {self.ports[pdu]}, oid: {OID}, index: {i}, array: true, location: {location}}}"
            for pdu, i in outlets
            for name in [f"s{i}_pdu-{pdu}"]
        ]
        self._write("sensors.yaml", ["pdu:", *sensors])
        nodes = [f"datacenter: {{id: datacenter, name: all, root: true, children: [{', '.join(names)}]}}"]
        for pdu, below in names.items():
            leaves = [name.replace("-", "_") for name in below]
            nodes.append(f"{pdu}: {{id: {pdu}, name: pdu-{pdu}, children: [{', '.join(leaves)}]}}")
            nodes += [
                f"{leaf}: {{id: {leaf}, name: {leaf}, target: {s}}}"
                for leaf, s in zip(leaves, below, strict=True)
            ]
        self._write("multitree.yaml", nodes)

    def spoil(self) -> None:
        """Two faults, in two files."""
        self._write(
            "sensors.yaml",
            ["pdu:", "  x: {name: x, sensor_type: wattmeter, unit: W, method: carrier pigeon}"],
        )

    def _write(self, name: str, lines: Sequence[str]) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_text("\n".join(lines) + "\n")


@asynccontextmanager
async def two_pdus(folder: Path) -> AsyncIterator[TwoPdus]:
    async with AsyncExitStack() as stack:
        ports = {}
        for number, pdu in enumerate("AB"):
            rows = {(*parse_oid(OID), i): 100 * (number + 1) + i for i in (1, 2, 3)}
            agent = snmp_agent.SnmpAgent(lambda rows=rows: rows)  # type: ignore[misc]
            transport = await snmp_agent.serve(agent, "127.0.0.1", 0)
            stack.callback(transport.close)
            ports[pdu] = transport.get_extra_info("sockname")[1]
        yield TwoPdus(folder, ports)
