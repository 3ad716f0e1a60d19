"""Energy, ratios and balance over GraphQL."""

from __future__ import annotations

import pytest

from tests.support.graphql_client import data, error, site_app
from tests.support.small_site import NOON, SmallSite

HOUR = 3600
FROM = '"2023-11-14T10:00:00Z"'


@pytest.fixture
async def site() -> SmallSite:
    """Two hours that end at noon: everything at 100 W; one plug is silent."""
    site = SmallSite()
    for name in ("a_pdu-1", "b_pdu-1", "fan", "sun"):
        await site.write(name, range(NOON - 2 * HOUR, NOON), [100.0] * 2 * HOUR)
    await site.roll_up()
    return site


async def test_energy_with_bars(site: SmallSite) -> None:
    query = f"""{{ energy(sensors: ["fan"], nodes: ["server_a"], from: {FROM}, window: H1) {{
        sensor node from until kwh meanWatts rangeSeconds coveredSeconds heldSeconds coverage missing gapPolicy holdSeconds
        bars {{ window timestamps kwh coverage }} }} }}"""
    fan, server = (await data(site_app(site), query))["energy"]
    assert fan == {
        "sensor": "fan",
        "node": None,
        "from": "2023-11-14T10:00:00.000Z",
        "until": "2023-11-14T12:00:00.000Z",
        "kwh": 0.2,
        "meanWatts": 100.0,
        "rangeSeconds": 7200.0,
        "coveredSeconds": 7200.0,
        "heldSeconds": 0.0,
        "coverage": 1.0,
        "missing": [],
        "gapPolicy": "NONE",
        "holdSeconds": None,
        "bars": {
            "window": "H1",
            "timestamps": [(NOON - 2 * HOUR) * 1000, (NOON - HOUR) * 1000],
            "kwh": [0.1, 0.1],
            "coverage": [1.0, 1.0],
        },
    }
    assert (server["sensor"], server["node"], server["kwh"], server["coverage"]) == (
        None,
        "server_a",
        0.2,
        0.5,
    )
    assert server["missing"] == ["a_pdu-2"]


async def test_a_gap_is_held_up_to_the_limit(site: SmallSite) -> None:
    site.clock.advance(HOUR)
    await site.write("sun", [NOON + HOUR - 10], [1.0])
    await site.roll_up()
    query = f"""{{ energy(sensors: ["fan"], from: {FROM}, gapPolicy: HOLD, holdSeconds: 600) {{
        kwh coverage heldSeconds gapPolicy holdSeconds bars {{ kwh }} }} }}"""
    (fan,) = (await data(site_app(site), query))["energy"]
    assert fan.pop("kwh") == pytest.approx(0.2 + 600 * 100 / 3.6e6)
    assert fan.pop("coverage") == pytest.approx(2 / 3)
    assert fan == {"heldSeconds": 600.0, "gapPolicy": "HOLD", "holdSeconds": 600.0, "bars": None}


async def test_an_energy_tree_over_a_range(site: SmallSite) -> None:
    query = f"""{{ energyTreeOver(root: "hardware_cluster", from: {FROM}) {{ from until nodes {{
        id name parent target kwh meanWatts coverage sensorsExpected sensorsReporting missing }} }} }}"""
    result = (await data(site_app(site), query))["energyTreeOver"]
    assert result["until"] == "2023-11-14T12:00:00.000Z"
    nodes = {n["id"]: n for n in result["nodes"]}
    assert nodes["hardware_cluster"] == {
        "id": "hardware_cluster",
        "name": "Hardware_Cluster",
        "parent": None,
        "target": None,
        "kwh": 0.4,
        "meanWatts": 200.0,
        "coverage": pytest.approx(2 / 3),
        "sensorsExpected": 3,
        "sensorsReporting": 2,
        "missing": ["a_pdu-2"],
    }
    assert (nodes["server_b"]["sensorsReporting"], nodes["server_b"]["missing"]) == (1, [])
    assert (nodes["a_2"]["kwh"], nodes["a_2"]["coverage"], nodes["a_2"]["target"]) == (None, 0.0, "a_pdu-2")


async def test_the_root_of_a_tree_needs_no_id(site: SmallSite) -> None:
    query = f"""{{
        consumption: energyRoot {{ id name parent energy(from: {FROM}) {{ kwh }} series(from: {FROM}, maxPoints: 2) {{ node }} }}
        production: energyRoot(tree: PRODUCTION) {{ id }}
        whole: energyTree {{ nodes {{ id name }} }} }}"""
    answer = await data(site_app(site), query)
    root = answer["consumption"]
    first = answer["whole"]["nodes"][0]
    assert (root["id"], root["name"], root["parent"]) == (first["id"], first["name"], None)
    assert root["series"]["node"] == root["id"]
    assert root["energy"]["kwh"] > 0
    assert answer["production"]["id"] != root["id"]


async def test_ratios_by_windows(site: SmallSite) -> None:
    query = f"""{{ pue(from: {FROM}, window: H1) {{ window timestamps values coverage value totalCoverage
        withheldWindows withheld }} renewableShare(from: {FROM}) {{ window values value withheldWindows }} }}"""
    answer = await data(site_app(site), query)
    assert answer["pue"] == {
        "window": "H1",
        "timestamps": [(NOON - 2 * HOUR) * 1000, (NOON - HOUR) * 1000],
        "values": [None, None],
        "coverage": [pytest.approx(2 / 3)] * 2,
        "value": None,
        "totalCoverage": pytest.approx(2 / 3),
        "withheldWindows": 2,
        "withheld": "Not enough data: 67% of the range is covered; at least 90% is needed.",
    }
    assert answer["renewableShare"]["window"] == "M1"
    assert answer["renewableShare"]["withheldWindows"] == 120


async def test_balance_of_one_node_and_of_all_nodes(site: SmallSite) -> None:
    app = site_app(site)
    assert await data(app, "{ balances { node } }") == {"balances": []}
    failure = await error(app, '{ balance(node: "datacenter") { node meterWatts } }')
    assert failure["extensions"]["code"] == "BAD_USER_INPUT"
    assert "simplified_children" in failure["message"]


async def test_a_sensor_without_a_unit_of_power_has_no_energy(site: SmallSite) -> None:
    failure = await error(site_app(site), f'{{ energy(sensors: ["front1"], from: {FROM}) {{ kwh }} }}')
    assert "front1 (celsius)" in failure["message"]
    many = ", ".join(f'"s{i}"' for i in range(300))
    failure = await error(site_app(site), f"{{ energy(sensors: [{many}], from: {FROM}) {{ kwh }} }}")
    assert failure["extensions"]["code"] == "TOO_COSTLY"
