"""Reads of the earlier API below `/api`: paths, keys and shapes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from backend.inventory.loader import load
from backend.queries import measurements, rest_shapes
from backend.queries.measurements import MeasurementService
from backend.rest.reads import ReadRoutes
from tests.support.serve import serving
from tests.support.small_site import NOON, SmallSite

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "datacenter"
DAY = "23-11-14"
"""The day of NOON."""


@asynccontextmanager
async def api(site: SmallSite) -> AsyncIterator[httpx2.AsyncClient]:
    sensors = site.queries.sensors
    reads = ReadRoutes(site.inventory, sensors, MeasurementService(sensors, site.store), site.clock)
    async with (
        serving(Starlette(routes=reads.routes())) as address,
        httpx2.AsyncClient(base_url=f"http://{address}/api") as client,
    ):
        yield client


async def got(client: httpx2.AsyncClient, path: str, **params: str) -> Any:
    response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


async def test_sensors_and_their_types() -> None:
    site = SmallSite()
    site.hear({"28unknown": 20.0})
    async with api(site) as client:
        assert (await got(client, "/sensors"))["sensors"] == [*site.inventory.sensors, "28unknown"]
        assert await got(client, "/sensors_types") == {"sensor_types": ["temperature", "wattmeter"]}
        content = await got(client, "/sensors_types/wattmeter/sensors")
        assert content == {"sensors": ["a_pdu-1", "a_pdu-2", "b_pdu-1", "fan", "sun"]}
        assert await got(client, "/sensors_types/none/sensors") == {"sensors": []}


async def test_the_old_addresses_answer_the_same() -> None:
    async with api(SmallSite()) as client:
        host = str(client.base_url).removesuffix("/api/")
        for path in (
            "/sensors",
            "/sensors_types",
            "/sensors_types/wattmeter/sensors",
            "/servers/all/sensors",
            "/sensors/fan/measurements",
            "/power_infrastructure/description/tree",
            "/infrastructure/description/tree",
        ):
            assert await got(client, host + path) == await got(client, path), path
        index = await got(client, host + "/api")
        assert index == await got(client, "/")
        assert index["api_specification_url"] == "/openapi.json"


async def test_servers_with_their_sensors() -> None:
    async with api(SmallSite()) as client:
        assert await got(client, "/servers/all/sensors") == [
            {"name": "a", "temp": {"front": "front1", "back": "back1"}, "power": ["a_pdu-1", "a_pdu-2"]},
            {"name": "b", "temp": {}, "power": ["b_pdu-1"]},
        ]


async def test_readings_of_an_interval_with_both_its_ends() -> None:
    site = SmallSite()
    await site.write("fan", [NOON, NOON + 30.5, NOON + 60, NOON + 61], [1.0, 2.5, 3.0, 4.0])
    async with api(site) as client:
        content = await got(
            client, "/sensors/fan/measurements", start_date=f"{DAY}-12-00", end_date=f"{DAY}-12-01"
        )
        assert content == {
            "sensor_name": "fan",
            "start_date": f"{NOON}s",
            "end_date": f"{NOON + 60}s",
            "timestamps": ["2023-11-14T12:00:00Z", "2023-11-14T12:00:30.500000Z", "2023-11-14T12:01:00Z"],
            "values": [1.0, 2.5, 3.0],
            "is_downsampled": False,
        }


async def test_without_dates_the_last_hour() -> None:
    site = SmallSite()
    await site.write("fan", [NOON - 3601, NOON - 3600, NOON - 1], [1.0, 2.0, 3.0])
    async with api(site) as client:
        assert (await got(client, "/sensors/fan/measurements"))["values"] == [2.0, 3.0]
        empty = await got(client, "/sensors/sun/measurements")
        assert (empty["timestamps"], empty["values"]) == ([], [])


async def test_a_sensor_that_only_the_store_knows() -> None:
    site = SmallSite()
    await site.write("of old/times", [NOON - 5], [1.0])
    async with api(site) as client:
        assert (await got(client, "/sensors/of%20old%2Ftimes/measurements"))["values"] == [1.0]


@pytest.mark.parametrize(
    "path, status, where, what",
    [
        ("/sensors/nobody/measurements", 404, "sensor_id", "nobody"),
        ("/sensors/fan/measurements?start_date=2023-11-14", 400, "start_date", "not a date"),
        ("/sensors/fan/measurements?end_date=23-02-30-00-00", 400, "end_date", "not a valid date"),
        ("/sensor", 404, "path", "/api/sensor"),
        ("/sensors/no%0Abody/measurements", 404, "sensor_id", "no\\nbody"),
    ],
)
async def test_what_is_refused(path: str, status: int, where: str, what: str) -> None:
    async with api(SmallSite()) as client:
        response = await client.get(path)
        error = response.json()["error"]
        assert (response.status_code, error["where"], what in error["what"]) == (status, where, True)
        assert error["mend"]


async def test_too_many_readings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurements, "MAX_ROWS", 9)
    site = SmallSite()
    await site.write("fan", range(NOON - 10, NOON), range(10))
    async with api(site) as client:
        response = await client.get("/sensors/fan/measurements")
        assert response.status_code == 400
        assert "/export?sensors=fan" in response.json()["error"]["mend"]


async def test_a_store_that_is_down() -> None:
    site = SmallSite()
    site.store.down = True
    async with api(site) as client:
        response = await client.get("/sensors/fan/measurements")
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")


async def test_the_trees() -> None:
    async with api(SmallSite()) as client:
        power = await got(client, "/power_infrastructure/description/tree")
        assert (power["level"], power["node"]["root"]) == (0, True)
        assert power["node"]["children"] == ["hardware_cluster", "cooling", "spare"]
        cooling = power["children"][1]
        assert cooling == {
            "level": 1,
            "node": {"id": "cooling", "name": "Cooling", "root": False, "target": "fan"},
            "children": [],
        }
        room = await got(client, "/infrastructure/description/tree")
        assert room["children"] == power["children"]
        assert room["power"] == {"a": {"pdu-1": "a_pdu-1", "a_pdu-2": "a_pdu-2"}, "b": {"pdu-1": "b_pdu-1"}}
        assert room["temperature"]["Z1.1"]["back"] == {"3": {"serie": "back1", "tags": ["a"]}}


def test_children_are_spelt_as_in_the_description() -> None:
    inventory = load(EXAMPLE)
    rack = rest_shapes.nested_tree(inventory.consumption)["children"][0]["children"][0]["children"][0]
    assert rack["node"]["children"][0] == "ecotype-37"
    assert rack["children"][0]["node"]["id"] == "ecotype_37"
    server = {s["name"]: s for s in rest_shapes.servers(inventory)}["ecotype-48"]
    assert set(server["temp"]) == {"front", "back"}
    assert server["power"] == ["ecotype-48_pdu-Z1.10", "ecotype-48_pdu-Z1.11"]
