from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from backend.core.errors import TransientError
from backend.inventory.model import Sensor, SnmpSource, SnmpUser
from crawlers.device import Sample
from crawlers.simulators import snmp_agent
from crawlers.simulators.relocate import free_port
from crawlers.snmp import SnmpDevice
from crawlers.snmp_plan import parse_oid
from tests.devices.support import OUTLETS, outlets, read_when_started

BASE = parse_oid(OUTLETS)
TICK = 1_790_000_000 * 10**9


@asynccontextmanager
async def agent(
    table: dict[int, int | str], **how: object
) -> AsyncIterator[tuple[snmp_agent.SnmpAgent, int]]:
    """The simulator's agent on a free port of loopback."""
    rows = {(*BASE, index): value for index, value in table.items()}
    served = snmp_agent.SnmpAgent(lambda: rows, **how)  # type: ignore[arg-type]
    with closing(await snmp_agent.serve(served, "127.0.0.1", 0)) as transport:
        yield served, transport.get_extra_info("sockname")[1]


async def read(sensors: list[Sensor], **how: object) -> Sample:
    device = SnmpDevice(sensors, **how)  # type: ignore[arg-type]
    try:
        return await device.read(TICK)
    finally:
        await device.close()


def values(sample: Sample) -> dict[str, float]:
    assert (sample.readings.times == TICK).all()
    return {r.sensor: r.value for r in sample.readings}


async def test_twenty_four_outlets_come_with_one_request() -> None:
    async with agent({i: 100 + i for i in range(1, 30)}) as (served, port):
        got = await read(outlets(port, range(1, 25)))
    assert values(got) == {f"ecotype-{i}_pdu-A": 100.0 + i for i in range(1, 25)}
    assert served.requests == 1


@pytest.mark.parametrize("version", ["1", "2c"])
@pytest.mark.parametrize("indices", [[1, 2], [1, 5, 3, 4], [1, 40, 80]])
async def test_printed_values_of_an_agent_become_numbers(version: str, indices: list[int]) -> None:
    printed: dict[int, int | str] = {1: 0, 2: 2**32 - 1, 3: -7, 4: "21.4", 5: ' "112" ', 40: 128, 80: "-1e2"}
    expected = {1: 0.0, 2: 2.0**32 - 1, 3: -7.0, 4: 21.4, 5: 112.0, 40: 128.0, 80: -100.0}
    async with agent(printed) as (_, port):
        got = await read(outlets(port, indices, version=version))
    assert values(got) == {f"ecotype-{i}_pdu-A": expected[i] for i in indices}


@pytest.mark.parametrize("version", ["1", "2c"])
@pytest.mark.parametrize("bulk", [True, False])
async def test_a_missing_instance_affects_only_its_sensor(version: str, bulk: bool) -> None:
    async with agent({1: 10, 2: 20, 4: 40, 5: "n/a"}) as (_, port):
        got = await read(outlets(port, [1, 2, 3, 4, 5], version=version), bulk=bulk)
    assert values(got) == {"ecotype-1_pdu-A": 10.0, "ecotype-2_pdu-A": 20.0, "ecotype-4_pdu-A": 40.0}
    assert set(got.missing) == {"ecotype-3_pdu-A", "ecotype-5_pdu-A"}
    assert got.missing["ecotype-5_pdu-A"] == "not a number: 'n/a'"


@pytest.mark.parametrize("how", [{"max_variables": 5}, {"max_variables": 5, "refuses_large_bulk": True}])
@pytest.mark.parametrize("bulk", [True, False])
@pytest.mark.parametrize("version", ["1", "2c"])
async def test_an_agent_with_few_variables_per_answer_is_read_completely(
    how: dict[str, object], bulk: bool, version: str
) -> None:
    async with agent({i: i for i in range(1, 25)}, **how) as (served, port):
        device = SnmpDevice(outlets(port, range(1, 25), version=version), bulk=bulk)
        first = await device.read(TICK)
        learning, served.requests = served.requests, 0
        second = await device.read(TICK)
        await device.close()
    assert values(first) == values(second) == {f"ecotype-{i}_pdu-A": float(i) for i in range(1, 25)}
    assert served.requests <= min(learning, 8)


async def test_the_wrong_community_is_not_answered() -> None:
    async with agent({1: 1}, community="secret") as (served, port):
        sensors = [replace(s, period_s=0.1) for s in outlets(port, [1])]
        with pytest.raises(TransientError, match="timeout"):
            await read(sensors)
        assert served.requests == 0
        right = [replace(s, source=replace(s.source, community="secret")) for s in sensors]  # type: ignore[arg-type]
        assert values(await read(right)) == {"ecotype-1_pdu-A": 1.0}


async def test_an_agent_without_any_of_the_sensors_is_a_transient_error() -> None:
    async with agent({90: 1}) as (_, port):
        with pytest.raises(TransientError, match="no such instance"):
            await read(outlets(port, [1, 2, 3]))


async def test_getnext_walks_the_table() -> None:
    from pysnmp.hlapi.v1arch.asyncio import CommunityData, SnmpDispatcher, UdpTransportTarget, next_cmd

    async with agent({1: 10, 200: 20}) as (_, port):
        dispatcher = SnmpDispatcher()
        target = await UdpTransportTarget.create(("127.0.0.1", port), timeout=1, retries=0)
        to = dispatcher, CommunityData("public", mpModel=1), target
        _, _, _, first = await next_cmd(*to, ((*BASE, 1), None), lookupMib=False)
        _, _, _, past = await next_cmd(*to, ((*BASE, 200), None), lookupMib=False)
        dispatcher.transport_dispatcher.close_dispatcher()
    assert (tuple(first[0][0]), int(first[0][1])) == ((*BASE, 200), 20)
    assert type(past[0][1]).__name__ == "EndOfMibView"


@contextmanager
def snmpsim(folder: Path) -> Iterator[int]:
    """Somebody else's agent: snmpsim, v2c and v3, serving `folder`/public.snmprec."""
    port = free_port(socket.SOCK_DGRAM)
    command = [
        str(Path(sys.executable).with_name("snmpsim-command-responder")),
        "--quiet",
        f"--data-dir={folder}",
        f"--cache-dir={folder / 'cache'}",
        f"--agent-udpv4-endpoint=127.0.0.1:{port}",
        "--v3-user=watcher",
        "--v3-auth-key=authkey-of-watcher",
        "--v3-auth-proto=SHA256",
        "--v3-priv-key=privkey-of-watcher",
        "--v3-priv-proto=AES",
    ]
    process = subprocess.Popen(command, env=os.environ | {"SNMPSIM_ALLOW_ROOT": "true"})
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)


async def test_another_agent_is_read_by_versions_2_and_3(tmp_path: Path) -> None:
    kinds = {1: "2|112", 2: "66|4294967295", 3: "65|77", 4: "4|21.4", 5: "70|1234567890123", 7: "2|-5"}
    rows = "".join(f"{OUTLETS}.{index}|{value}\n" for index, value in kinds.items())
    (tmp_path / "public.snmprec").write_text(rows + "1.3.6.1.4.1.99999.1.0|2|1\n")
    expected = {1: 112.0, 2: 2.0**32 - 1, 3: 77.0, 4: 21.4, 5: 1234567890123.0, 7: -5.0}
    user = SnmpUser("watcher", "authkey-of-watcher", "sha256", "privkey-of-watcher", "aes", "public")
    with snmpsim(tmp_path) as port:
        v2c = await read_when_started(outlets(port, range(1, 8)), TICK)
        source = SnmpSource("127.0.0.1", OUTLETS, 0, port, "3", user=user)
        secure = [
            replace(s, source=replace(source, index=i)) for i, s in enumerate(outlets(port, range(1, 8)), 1)
        ]
        v3 = await read_when_started(secure, TICK)
        wrong = replace(user, auth_key="not-the-key-of-watcher")
        intruder = [replace(s, source=replace(s.source, user=wrong)) for s in secure]  # type: ignore[arg-type]
        with pytest.raises(TransientError):
            await read(intruder)
    for got in (v2c, v3):
        assert values(got) == {f"ecotype-{i}_pdu-A": value for i, value in expected.items()}
        assert got.missing == {"ecotype-6_pdu-A": "no such instance"}
