from __future__ import annotations

from dataclasses import replace

from backend.core.health import DeviceHealth, DeviceState
from tests.support.graphql_client import connected, data, site_app
from tests.support.serve import serving
from tests.support.small_site import SmallSite

FIELDS = """name method crawler state sensors missing periodSeconds lastAttempt lastSuccess nextAttempt latencySeconds
    polls failures failuresInARow errorRate ticksSkipped lastError waiting dropped"""
WATCH = "subscription { deviceHealth { snapshot devices { name state failures } } }"


def device(site: SmallSite, name: str = "pdu", **more: object) -> DeviceHealth:
    now = site.clock.now_ns()
    health = DeviceHealth(name, "snmp", "crawler", ("a_pdu-1", "b_pdu-1"), 1.0, DeviceState.OK, now)
    return replace(health, last_success_ns=now, latency_s=0.002, polls=10, **more)  # type: ignore[arg-type]


async def test_devices_with_all_fields() -> None:
    site = SmallSite()
    await site.board.report([device(site, missing=("b_pdu-1",), waiting=2**40), device(site, "away")])
    result = await data(site_app(site), f'{{ devices {{ {FIELDS} }} device(name: "nope") {{ name }} }}')
    assert result["device"] is None
    away, pdu = result["devices"]
    assert away["name"] == "away"
    assert pdu == {
        "name": "pdu",
        "method": "snmp",
        "crawler": "crawler",
        "state": "OK",
        "sensors": ["a_pdu-1", "b_pdu-1"],
        "missing": ["b_pdu-1"],
        "periodSeconds": 1.0,
        "lastAttempt": None,
        "lastSuccess": "2023-11-14T12:00:00.000Z",
        "nextAttempt": None,
        "latencySeconds": 0.002,
        "polls": 10,
        "failures": 0,
        "failuresInARow": 0,
        "errorRate": 0.0,
        "ticksSkipped": 0,
        "lastError": "",
        "waiting": 2**31 - 1,
        "dropped": 0,
    }


async def test_a_device_whose_crawler_is_silent_is_unheard() -> None:
    site = SmallSite()
    await site.board.report([device(site)])
    site.clock.advance(16)
    result = await data(site_app(site), '{ device(name: "pdu") { state polls } }')
    assert result["device"] == {"state": "UNHEARD", "polls": 10}


async def test_sensor_errors_are_sorted_by_count() -> None:
    site = SmallSite()
    await site.counters.count(["front1", "back1"], site.clock.now_ns())
    site.clock.advance(20)
    await site.counters.count(["back1"], site.clock.now_ns())
    result = await data(site_app(site), "{ sensorErrors { sensor count first last } }")
    assert result["sensorErrors"] == [
        {
            "sensor": "back1",
            "count": 2,
            "first": "2023-11-14T12:00:00.000Z",
            "last": "2023-11-14T12:00:20.000Z",
        },
        {
            "sensor": "front1",
            "count": 1,
            "first": "2023-11-14T12:00:00.000Z",
            "last": "2023-11-14T12:00:00.000Z",
        },
    ]


async def test_device_health_starts_with_all_devices_and_continues_with_changes() -> None:
    site = SmallSite()
    await site.board.report([device(site), device(site, "quiet")])
    async with serving(site_app(site)) as address, connected(address) as socket:
        await socket.subscribe(WATCH)
        first = (await socket.next())["deviceHealth"]
        assert first["snapshot"] is True
        assert [d["name"] for d in first["devices"]] == ["pdu", "quiet"]
        # The same again is no news, but for the stamp of the report.
        later = site.clock.now_ns() + 10**9
        await site.board.report(
            [
                replace(device(site, "quiet"), reported_ns=later),
                device(site, state=DeviceState.LOST, failures=1),
            ]
        )
        second = (await socket.next())["deviceHealth"]
        assert second == {
            "snapshot": False,
            "devices": [{"name": "pdu", "state": "LOST", "failures": 1}],
        }
