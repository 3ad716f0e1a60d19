"""Reads of list members are combined into one read of the store. Series can share one grid."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.graphql_client import ask, data, error, site_app
from tests.support.small_site import NOON, SmallSite

FROM = '"2023-11-14T11:00:00Z"'
TO = '"2023-11-14T12:00:00Z"'


@pytest.fixture
async def site() -> SmallSite:
    """An hour that ends at noon: everything at 100 W; one plug is silent."""
    site = SmallSite()
    for name in ("a_pdu-1", "b_pdu-1", "fan", "sun"):
        await site.write(name, range(NOON - 3600, NOON), [100.0] * 3600)
    await site.write("front1", range(NOON - 3600, NOON, 10), [20.0] * 360)
    await site.roll_up()
    return site


def counting(site: SmallSite, monkeypatch: Any, name: str) -> list[list[str]]:
    """Record the names in every call of a method of the store."""
    reads: list[list[str]] = []
    method = getattr(site.store, name)

    async def counted(*args: Any, **kwargs: Any) -> Any:
        reads.append(list(args[1] if name == "buckets" else args[0]))
        return await method(*args, **kwargs)

    monkeypatch.setattr(site.store, name, counted)
    return reads


async def test_series_of_a_page_of_sensors_are_one_read(site: SmallSite, monkeypatch: Any) -> None:
    reads = counting(site, monkeypatch, "buckets")
    result = await data(
        site_app(site),
        f"""{{ sensors(type: "wattmeter") {{ edges {{ node {{ name
            series(from: {FROM}, to: {TO}, window: M1) {{ sensor unit window timestamps values }} }} }} }} }}""",
    )
    nodes = [edge["node"] for edge in result["sensors"]["edges"]]
    assert reads == [[n["name"] for n in nodes]]
    assert [n["series"]["sensor"] for n in nodes] == [n["name"] for n in nodes]
    fan = next(n["series"] for n in nodes if n["name"] == "fan")
    assert (fan["unit"], fan["window"], len(fan["timestamps"])) == ("W", "M1", 60)
    assert set(fan["values"]) == {100.0}


async def test_reads_with_different_arguments_stay_separate(site: SmallSite, monkeypatch: Any) -> None:
    reads = counting(site, monkeypatch, "buckets")
    result = await data(
        site_app(site),
        f"""{{ sensors(names: ["fan", "sun"]) {{ edges {{ node {{
            fine: series(from: {FROM}, to: {TO}, window: S30) {{ window timestamps }}
            coarse: series(from: {FROM}, to: {TO}, window: M1, statistics: [MAX]) {{ window max mean }} }} }} }} }}""",
    )
    assert len(reads) == 2
    for edge in result["sensors"]["edges"]:
        assert (edge["node"]["fine"]["window"], len(edge["node"]["fine"]["timestamps"])) == ("S30", 120)
        assert edge["node"]["coarse"] == {"window": "M1", "max": [100.0] * 60, "mean": None}


async def test_energy_is_null_for_sensors_without_a_unit_of_power(site: SmallSite) -> None:
    result = await data(
        site_app(site),
        f"""{{ sensors(names: ["fan", "front1", "nope"]) {{ totalCount
            edges {{ node {{ name energy(from: {FROM}, to: {TO}) {{ sensor kwh coverage }} }} }} }} }}""",
    )
    assert result["sensors"]["totalCount"] == 2
    energy = {e["node"]["name"]: e["node"]["energy"] for e in result["sensors"]["edges"]}
    assert energy == {"fan": {"sensor": "fan", "kwh": pytest.approx(0.1), "coverage": 1.0}, "front1": None}


async def test_energy_and_series_of_all_tree_nodes_are_few_reads(site: SmallSite, monkeypatch: Any) -> None:
    site.hear({"a_pdu-1": 100.0, "fan": 100.0})
    reads = counting(site, monkeypatch, "buckets")
    result = await data(
        site_app(site),
        f"""{{ energyTree {{ nodes {{ id watts missing missingChildren balance {{ node }}
            energy(from: {FROM}, to: {TO}) {{ node kwh coverage missing }}
            series(from: {FROM}, to: {TO}, window: M1) {{ node values }} }} }} }}""",
    )
    nodes = {n["id"]: n for n in result["energyTree"]["nodes"]}
    assert all(n["series"]["node"] == n["energy"]["node"] == name for name, n in nodes.items())
    assert nodes["datacenter"]["energy"]["kwh"] == pytest.approx(0.3)
    assert nodes["datacenter"]["energy"]["coverage"] == pytest.approx(0.75)
    assert nodes["hardware_cluster"]["missingChildren"] == ["server_b"]
    assert nodes["server_a"]["missingChildren"] == ["a_2"]
    assert nodes["datacenter"]["missingChildren"] == []
    assert nodes["datacenter"]["balance"] is None
    assert nodes["server_a"]["energy"]["missing"] == nodes["server_a"]["missing"] == ["a_pdu-2"]
    assert len(reads) <= 6  # not one for each of the nodes


async def test_an_error_has_the_path_of_its_list_member(site: SmallSite) -> None:
    answer = await ask(
        site_app(site),
        f"""{{ sensors(names: ["fan"]) {{ edges {{ node {{ name
            series(from: {FROM}, to: {TO}, maxPoints: 0) {{ unit }} }} }} }} }}""",
    )
    (failure,) = answer["errors"]
    assert failure["path"] == ["sensors", "edges", 0, "node", "series"]
    assert "maxPoints" in failure["message"]


async def test_aligned_series_share_their_timestamps(site: SmallSite) -> None:
    query = """{ series(sensors: ["fan", "front1", "a_pdu-2"], nodes: ["datacenter"], from: "2023-11-14T11:30:05Z",
        to: "2023-11-14T11:45:00Z", aligned: %s) { sensor window timestamps values } }"""
    loose = (await data(site_app(site), query % "false"))["series"]
    assert loose[0]["window"] == "RAW"
    aligned = (await data(site_app(site), query % "true"))["series"]
    assert [s["window"] for s in aligned] == ["S30"] * 4
    assert all(s["timestamps"] == aligned[0]["timestamps"] for s in aligned)
    assert len(aligned[0]["timestamps"]) == 30
    assert aligned[2]["values"] == [None] * 30


@pytest.mark.parametrize(
    ("arguments", "words"),
    [('sensors: ["fan"], window: RAW', "no common times"), ('sensors: ["stray"]', "'stray' is not in")],
)
async def test_series_that_cannot_be_aligned_are_an_error(
    site: SmallSite, arguments: str, words: str
) -> None:
    site.hear({"stray": 20.0})
    query = f"{{ series({arguments}, from: {FROM}, aligned: true) {{ unit }} }}"
    assert words in (await error(site_app(site), query))["message"]
