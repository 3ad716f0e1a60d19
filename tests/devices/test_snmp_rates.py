from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.errors import DescriptionError
from backend.inventory.loader import load
from backend.inventory.model import SnmpSource, SnmpUser
from crawlers.simulators import snmp_agent
from crawlers.snmp import SnmpDevice
from crawlers.snmp_plan import CounterValue, Number, parse_oid
from crawlers.snmp_rates import UPTIME, Rates, increase
from tests.devices.support import EXAMPLE, sensor

S = 10**9
OID = (1, 3, 1)


def rates(
    polls: Mapping[int, Number | None] | Mapping[float, Number | None],
    uptimes: Mapping[float, float] | None = None,
) -> list[float | None]:
    """Rates of one value polled at these seconds, at a period of 1 s."""
    calculator, rates_found = Rates(1.0), []
    for second, value in polls.items():
        values: dict[tuple[int, ...], Number] = {} if value is None else {OID: value}
        if uptimes:
            values[UPTIME] = uptimes[second]
        rates_found.append(calculator.update(values, {OID}, round(second * S)).get(OID))
    return rates_found


def c32(number: int) -> CounterValue:
    return CounterValue(number, 32)


def test_rates_are_increases_per_second() -> None:
    assert rates({0: c32(100), 1: c32(150), 3: c32(160), 4: c32(160)}) == [None, 50.0, 5.0, 0.0]
    assert rates({0: 10.5, 1: 11.0, 2: 9.0}) == [None, 0.5, -2.0]


def test_counters_wrap() -> None:
    assert rates({0: c32(2**32 - 10), 1: c32(5)}) == [None, 15.0]
    # Of a Counter64 no float could hold the difference of two neighbours.
    assert rates({0: CounterValue(2**64 - 1, 64), 1: CounterValue(2, 64)}) == [None, 3.0]
    assert rates({0: CounterValue(2**60, 64), 1: CounterValue(2**60 + 1, 64)}) == [None, 1.0]


def test_a_restart_is_not_a_wrap() -> None:
    assert rates({0: c32(1000), 1: c32(3), 2: c32(5)}) == [None, None, 2.0]
    # Near its maximum a reset counter looks like an overflow; the uptime distinguishes them.
    polls = {0: c32(2**32 - 10), 1: c32(5), 2: c32(9)}
    assert rates(polls, {0: 5000.0, 1: 40.0, 2: 140.0}) == [None, None, 4.0]


def test_a_long_gap_gives_no_rate() -> None:
    assert rates({0: c32(0), 3: c32(30), 7: c32(70), 8: c32(75)}) == [None, 10.0, None, 5.0]
    assert rates({0: c32(0), 1: None, 2: c32(30)}) == [None, None, 15.0]


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_the_total_increase_is_exact_for_any_start(steps: list[int], start: int) -> None:
    total, total_increase = start, 0.0
    for step in steps:
        grown = increase(c32(total % 2**32), c32((total + step) % 2**32))
        assert grown is not None
        total_increase, total = total_increase + grown, total + step
    assert total_increase == sum(steps)


async def test_one_oid_can_be_a_rate_and_a_plain_number() -> None:
    oid = "1.3.6.1.4.1.318.1.1"
    table: dict[tuple[int, ...], int | str] = {(*parse_oid(oid), 1): 1000, UPTIME: 7}
    agent = snmp_agent.SnmpAgent(lambda: table)
    with closing(await snmp_agent.serve(agent, "127.0.0.1", 0)) as transport:
        port = transport.get_extra_info("sockname")[1]
        total = sensor("total", SnmpSource("127.0.0.1", oid, 1, port))
        flow = sensor("flow", SnmpSource("127.0.0.1", oid, 1, port, rate=True))
        device = SnmpDevice([total, flow])
        first = await device.read(10 * S)
        table[(*parse_oid(oid), 1)] = 1060
        second = await device.read(12 * S)
        await device.close()
    assert {r.sensor: r.value for r in first.readings} == {"total": 1000.0}
    assert first.missing == {}
    assert {r.sensor: r.value for r in second.readings} == {"total": 1060.0, "flow": 30.0}


def description(folder: Path, sensor_yaml: str) -> Path:
    for file in EXAMPLE.glob("*.yaml"):
        (folder / file.name).write_text(file.read_text())
    with (folder / "sensors.yaml").open("a") as stream:
        stream.write(sensor_yaml)
    return folder


def test_credentials_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
extra:
  extra1: {name: extra1, sensor_type: traffic, unit: B/s, method: snmp, ip: 10.0.0.1, oid: 1.3.6.1,
    community: '${OF_THE_PDUS}', rate: true}
  extra2: {name: extra2, sensor_type: traffic, unit: B/s, method: snmp, ip: 10.0.0.1, oid: 1.3.6.1, version: 3,
    user: '${WATCHER}', auth_key: '${WATCHER_AUTH}', priv_key: plain-key-in-the-file}
"""
    folder = description(tmp_path, text)
    monkeypatch.setenv("OF_THE_PDUS", "not public")
    monkeypatch.setenv("WATCHER", "watcher")
    monkeypatch.setenv("WATCHER_AUTH", "12345678")
    sensors = load(folder).sensors
    first, second = sensors["extra1"].source, sensors["extra2"].source
    assert isinstance(first, SnmpSource)
    assert isinstance(second, SnmpSource)
    assert (first.community, first.rate) == ("not public", True)
    assert second.user == SnmpUser("watcher", "12345678", "sha", "plain-key-in-the-file", "aes")
    assert "not public" not in repr(first)
    assert "12345678" not in repr(second)

    monkeypatch.delenv("OF_THE_PDUS")
    monkeypatch.setenv("WATCHER_AUTH", "short")
    with pytest.raises(DescriptionError) as caught:
        load(folder)
    faults = {fault.path.rpartition(".")[2]: str(fault) for fault in caught.value.faults}
    assert set(faults) == {"community", "auth_key"}
    assert "environment variable" in faults["community"]
    assert "short" not in faults["auth_key"]
