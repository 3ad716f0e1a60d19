"""Limits that a driver learned from refusals of a device are tried again later."""

from __future__ import annotations

from contextlib import closing

import pytest
from pymodbus.constants import ExcCodes

from crawlers import modbus, snmp
from crawlers.simulators import snmp_agent
from crawlers.snmp_plan import parse_oid
from tests.devices.support import OUTLETS, outlets
from tests.devices.test_modbus_device import holding, reads, server

TICK = 1_790_000_000 * 10**9


async def test_the_limit_of_variables_is_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snmp, "RELEARN_POLLS", 1)
    table = {(*parse_oid(OUTLETS), i): i for i in range(1, 25)}
    agent = snmp_agent.SnmpAgent(lambda: table, max_variables=3, refuses_large_bulk=True)
    with closing(await snmp_agent.serve(agent, "127.0.0.1", 0)) as transport:
        device = snmp.SnmpDevice(outlets(transport.get_extra_info("sockname")[1], range(1, 25)))
        assert len((await device.read(TICK)).readings) == 24
        agent.max_variables = 64
        for _ in range(4):
            assert len((await device.read(TICK)).readings) == 24
        agent.requests = 0
        assert len((await device.read(TICK)).readings) == 24
        await device.close()
    assert agent.requests == 1


async def test_registers_that_were_refused_together_are_tried_together_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(modbus, "RELEARN_POLLS", 3)
    requests: list[tuple[int, int]] = []

    async def refuse_once(
        fc: int, start: int, at: int, count: int, regs: list[int], written: object
    ) -> ExcCodes | None:
        requests.append((at, count))
        return ExcCodes.ILLEGAL_ADDRESS if len(requests) == 1 else None

    side = holding(1, {10: [1, 2, 3, 4, 5]})
    side.action = refuse_once
    async with server(side) as port:
        [device] = modbus.devices([reads(port, r) for r in (10, 14)])
        for _ in range(3):
            assert len((await device.read(TICK)).readings) == 2
        await device.close()
    assert requests == [(10, 5), (10, 1), (14, 1), (10, 1), (14, 1), (10, 5)]
