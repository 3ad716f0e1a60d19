"""net-snmp's snmpd, the agent that most machines run, read by all three versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from backend.core.errors import TransientError
from backend.inventory.model import Sensor, SnmpSource, SnmpUser
from crawlers.snmp import SnmpDevice, devices
from tests.conftest import need
from tests.devices.support import read_when_started, sensor
from tests.support.snmpd import AUTH_KEY, PRIV_KEY, snmpd

S = 10**9
TICK = 1_790_000_000 * S
TEST_OID = "1.3.6.1.4.1.99999.1"
USER = SnmpUser("watcher", AUTH_KEY, "sha", PRIV_KEY, "aes")
OIDS = {
    "text": f"{TEST_OID}.1.0",
    "integer": f"{TEST_OID}.2.0",
    "gauge": f"{TEST_OID}.3.0",
    "counter": f"{TEST_OID}.4.0",
    "ticks": f"{TEST_OID}.5.0",
    "absent": f"{TEST_OID}.77.0",
    "uptime": "1.3.6.1.2.1.1.3.0",
    "octets": "1.3.6.1.2.1.2.2.1.10.1",
    "octets64": "1.3.6.1.2.1.31.1.1.1.6.1",
}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    overrides = (
        f'override .{OIDS["text"]} octet_str " 21.4 "',
        f"override .{OIDS['integer']} integer -7",
        f"override .{OIDS['gauge']} unsigned 4294967295",
        f"override .{OIDS['counter']} counter 77",
        f"override .{OIDS['ticks']} timeticks 360000",
    )
    with snmpd(need("snmpd", "snmpd"), tmp_path_factory.mktemp("snmpd"), *overrides) as port:
        yield port


def sensors(
    port: int, version: str = "2c", names: tuple[str, ...] = tuple(OIDS), **more: object
) -> list[Sensor]:
    source = SnmpSource("127.0.0.1", "", None, port, version, "hidden", USER if version == "3" else None)  # type: ignore[arg-type]
    return [
        sensor(name, replace(source, oid=OIDS[name], **more))  # type: ignore[arg-type]
        for name in names
        if version != "1" or name != "octets64"  # SNMPv1 has no Counter64
    ]


@pytest.mark.parametrize("version", ["1", "2c", "3"])
async def test_every_type_by_every_version(port: int, version: str) -> None:
    got = await read_when_started(sensors(port, version), TICK)
    values = {r.sensor: r.value for r in got.readings}
    assert values.pop("uptime") > 0
    assert values.pop("octets") >= 0
    assert values.pop("octets64", 0.0) >= 0
    assert values == {
        "text": 21.4,
        "integer": -7.0,
        "gauge": 2.0**32 - 1,
        "counter": 77.0,
        "ticks": 360_000.0,
    }
    assert set(got.missing) == {"absent"}


async def test_a_table_of_the_agent_comes_by_getbulk(port: int) -> None:
    await read_when_started(sensors(port, names=("uptime",)), TICK)
    column = SnmpSource("127.0.0.1", TEST_OID, None, port, community="hidden")
    [device] = devices([sensor(f"v{i}", replace(column, oid=f"{TEST_OID}.{i}.0")) for i in range(1, 6)])
    assert len((await device.read(TICK)).readings) == 5
    await device.close()


async def test_a_wrong_key_or_community_gets_nothing(port: int) -> None:
    await read_when_started(sensors(port, names=("uptime",)), TICK)
    wrong = replace(USER, auth_key="not-the-key-of-watcher")
    for source in ({"version": "3", "user": wrong}, {"community": "public"}):
        [polled] = [replace(s, period_s=0.2) for s in sensors(port, names=("integer",), **source)]
        device = SnmpDevice([polled])
        with pytest.raises(TransientError):
            await device.read(TICK)
        await device.close()


@pytest.mark.parametrize("version", ["2c", "3"])
async def test_octets_of_an_interface_as_a_rate(port: int, version: str) -> None:
    """The agent looks at its interfaces every few seconds only, so that some rates are 0."""
    await read_when_started(sensors(port, version, ("uptime",)), TICK)
    rated = sensors(port, version, ("octets", "octets64"), rate=True)
    [device] = devices([*rated, *sensors(port, version, ("uptime",))])
    first = await device.read(TICK)
    assert [r.sensor for r in first.readings] == ["uptime"]
    assert first.missing == {}
    for second in range(1, 5):
        sample = await device.read(TICK + second * S)
        values = {r.sensor: r.value for r in sample.readings}
        assert set(values) == {"uptime", "octets", "octets64"}
        assert values["octets"] >= 0
        assert values["octets64"] >= 0
    await device.close()
