from __future__ import annotations

import asyncio

import pytest
import websockets

from tests.support.graphql_client import Socket, connected, site_app
from tests.support.serve import serving
from tests.support.small_site import SmallSite

READINGS = """subscription ($sensors: [ID!], $types: [String!]) {
    readings(sensors: $sensors, types: $types) { snapshot sensors timestamps values } }"""
TREE = "subscription ($root: ID) { energyTree(root: $root) { at nodes { id watts coverage missing } } }"


async def batch(socket: Socket) -> tuple[bool, dict[str, float]]:
    result = (await socket.next())["readings"]
    assert len(result["sensors"]) == len(result["timestamps"]) == len(result["values"])
    return result["snapshot"], dict(zip(result["sensors"], result["values"], strict=True))


async def test_readings_start_with_a_snapshot_and_continue_with_new_readings() -> None:
    site = SmallSite()
    site.hear({"fan": 1.0, "front1": 20.0})
    async with serving(site_app(site)) as address, connected(address) as socket:
        await socket.subscribe(READINGS)
        assert await batch(socket) == (True, {"fan": 1.0, "front1": 20.0})
        await site.bus.publish(site.hear({"fan": 2.0}))
        assert await batch(socket) == (False, {"fan": 2.0})


async def test_readings_of_selected_sensors_and_types() -> None:
    site = SmallSite()
    site.hear({"fan": 1.0, "front1": 20.0, "back1": 30.0})
    async with serving(site_app(site)) as address, connected(address) as socket:
        await socket.subscribe(READINGS, sensors=["fan", "front1"], types=["temperature"])
        assert await batch(socket) == (True, {"front1": 20.0})
        await site.bus.publish(site.hear({"fan": 2.0, "back1": 31.0, "front1": 21.0}))
        assert await batch(socket) == (False, {"front1": 21.0})


async def test_an_unknown_sensor_ends_the_subscription() -> None:
    site = SmallSite()
    async with serving(site_app(site)) as address, connected(address) as socket:
        await socket.subscribe(READINGS, sensors=["nope"])
        message = await socket.receive()
        (failure,) = message["payload"]["errors"] if message["type"] == "next" else message["payload"]
        assert "unknown sensor 'nope'" in failure["message"]
        assert (await socket.receive())["type"] == "complete"


async def test_a_tree_is_sent_at_once_and_after_every_change() -> None:
    site = SmallSite()
    site.hear({"fan": 5.0})
    async with serving(site_app(site)) as address, connected(address) as socket:
        await socket.subscribe(TREE, root="cooling")
        first = (await socket.next())["energyTree"]
        assert first["nodes"] == [{"id": "cooling", "watts": 5.0, "coverage": 1.0, "missing": []}]
        await site.bus.publish(site.hear({"fan": 6.0}))
        second = (await socket.next())["energyTree"]
        assert second["nodes"][0]["watts"] == 6.0


async def test_a_subscription_leaves_no_subscriber_on_the_bus() -> None:
    """Completed, or cut off: the bus knows no subscriber afterwards."""
    site = SmallSite()
    async with serving(site_app(site)) as address:
        async with connected(address) as socket:
            await socket.subscribe(READINGS, key="1")
            await socket.subscribe(TREE, key="2")
            await socket.next()
            await socket.next()
            await socket.complete("1")
        while site.bus._subscriptions:
            await asyncio.sleep(0.01)


async def test_a_page_of_another_origin_cannot_subscribe() -> None:
    async with serving(site_app(SmallSite())) as address:
        with pytest.raises(websockets.InvalidStatus):
            async with connected(address, origin="http://elsewhere.example"):
                pass
        async with connected(address, origin=f"http://{address}") as socket:
            await socket.subscribe(READINGS)
            assert (await batch(socket))[0]
