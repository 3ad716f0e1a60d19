from __future__ import annotations

import json

import httpx2
import pytest

from tests.support.graphql_client import ask, data, error, site_app
from tests.support.small_site import NOON, SmallSite

MS = 1000


@pytest.fixture
def site() -> SmallSite:
    return SmallSite()


async def test_sensors_page_by_page(site: SmallSite) -> None:
    site.hear({"front1": 21.5}, ago_s=2)
    app = site_app(site)
    query = """query ($after: String) { sensors(type: "temperature", first: 2, after: $after) {
        totalCount edges { cursor node { name type unit location method parent tags info periodSeconds
        latest { time value ageSeconds stale } rack { rack side position servers } } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    first = (await data(app, query))["sensors"]
    assert first["totalCount"] == 3
    assert first["edges"][0]["node"] == {
        "name": "front1",
        "type": "temperature",
        "unit": "celsius",
        "location": "front1",
        "method": "temperature_push",
        "parent": "card-1",
        "tags": ["inside_temperature"],
        "info": "",
        "periodSeconds": 1.0,
        "latest": {"time": "2023-11-14T11:59:58.000Z", "value": 21.5, "ageSeconds": 2.0, "stale": False},
        "rack": {"rack": "Z1.1", "side": "FRONT", "position": 3, "servers": ["a"]},
    }
    assert first["edges"][1]["node"]["latest"] is None
    assert first["pageInfo"]["hasNextPage"] is True
    rest = (await data(app, query, after=first["pageInfo"]["endCursor"]))["sensors"]
    assert [e["node"]["name"] for e in rest["edges"]] == ["outside"]
    assert rest["pageInfo"]["hasNextPage"] is False
    assert rest["pageInfo"]["hasPreviousPage"] is True


async def test_one_sensor_or_none(site: SmallSite) -> None:
    answer = await data(
        site_app(site), '{ a: sensor(name: "fan") { unit } b: sensor(name: "nope") { unit } }'
    )
    assert answer == {"a": {"unit": "W"}, "b": None}


async def test_series_as_columns_with_gaps_as_null(site: SmallSite) -> None:
    seconds = [s for s in range(NOON - 120, NOON) if not NOON - 90 <= s < NOON - 60]
    await site.write("fan", seconds, [1.0] * 90)
    await site.roll_up()
    query = """{ series(sensors: ["fan"], nodes: ["cooling"], from: "2023-11-14T11:58:00Z", window: S30,
        statistics: [MEAN, COUNT, MEDIAN]) { sensor node unit window stepSeconds timestamps values
        mean min count median coverage } }"""
    fan, cooling = (await data(site_app(site), query))["series"]
    starts = [(NOON - ago) * MS for ago in (120, 90, 60, 30)]
    assert fan == {
        "sensor": "fan",
        "node": None,
        "unit": "W",
        "window": "S30",
        "stepSeconds": 30.0,
        "timestamps": starts,
        "values": [1.0, None, 1.0, 1.0],
        "mean": [1.0, None, 1.0, 1.0],
        "min": None,
        "count": [30.0, 0.0, 30.0, 30.0],
        "median": [1.0, None, 1.0, 1.0],
        "coverage": [1.0, 0.0, 1.0, 1.0],
    }
    assert (cooling["sensor"], cooling["node"], cooling["values"]) == (None, "cooling", [1.0, None, 1.0, 1.0])


async def test_coverage_is_read_when_a_fragment_selects_it(site: SmallSite) -> None:
    await site.write("fan", range(NOON - 60, NOON), [1.0] * 60)
    await site.roll_up()
    query = """query { series(nodes: ["cooling"], from: "2023-11-14T11:59:00Z", window: S30) { values ...More } }
        fragment More on Series { ... on Series { share: coverage } }"""
    assert (await data(site_app(site), query))["series"] == [{"values": [1.0, 1.0], "share": [1.0, 1.0]}]


async def test_times_may_have_any_time_zone(site: SmallSite) -> None:
    await site.write("fan", [NOON - 10], [1.0])
    query = 'query ($from: DateTime!, $to: DateTime) { series(sensors: ["fan"], from: $from, to: $to) { values } }'
    result = await data(
        site_app(site), query, **{"from": "2023-11-14T12:59:00+01:00", "to": "2023-11-14T12:00:00Z"}
    )
    assert result["series"] == [{"values": [1.0]}]


async def test_racks_room_tree_and_overview(site: SmallSite) -> None:
    site.hear({"a_pdu-1": 100.0, "front1": 22.0, "sun": 50.0})
    answer = await data(
        site_app(site),
        """{ racks { id units equipment { name type position wattmeters watts wattmetersReporting }
                     probes { sensor side position servers celsius ageSeconds } }
             roomMap { id name info location color x y sensors } sensorTypes { name unit count }
             energyTree(tree: PRODUCTION) { at nodes { id name parent target watts coverage missing
               sensorsExpected sensorsReporting } }
             overview { at consumption { value unit coverage sensorsExpected sensorsReporting withheld
               history { timestamps values } } pue { value withheld } sensorsTotal sensorsReporting
               problems { kind message sensors since } } }""",
    )
    assert answer["racks"][0]["probes"][0]["side"] == "FRONT"
    assert answer["racks"][0]["equipment"][1]["watts"] == 100.0
    assert answer["roomMap"][0]["sensors"] == ["fan"]
    assert answer["energyTree"]["nodes"][0] == {
        "id": "overall_production",
        "name": "Overall_Production",
        "parent": None,
        "target": None,
        "watts": 50.0,
        "coverage": 1.0,
        "missing": [],
        "sensorsExpected": 1,
        "sensorsReporting": 1,
    }
    assert answer["overview"]["consumption"]["value"] == 100.0
    assert len(answer["overview"]["consumption"]["history"]["values"]) == 60
    assert answer["overview"]["pue"]["value"] is None
    assert {p["kind"] for p in answer["overview"]["problems"]} == {"SILENT", "PARTIAL"}


async def test_the_fast_path_answers_like_the_executor(site: SmallSite) -> None:
    """Aliases, fragments, directives and __typename on plain objects."""
    answer = await data(
        site_app(site),
        """query ($no: Boolean!) { energyTree { __typename nodes { ...Part again: id watts @skip(if: $no) } } }
           fragment Part on EnergyNode { id ... on EnergyNode { coverage } }""",
        no=True,
    )
    assert answer["energyTree"]["__typename"] == "EnergyTree"
    assert answer["energyTree"]["nodes"][0] == {"id": "datacenter", "coverage": 0.0, "again": "datacenter"}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ('{ series(sensors: ["x"], from: "2023-11-14T11:00:00Z") { unit } }', "unknown sensor 'x'"),
        ('{ series(sensors: ["fan"], from: "2023-11-15T00:00:00Z") { unit } }', "is not before"),
        ('{ series(sensors: ["fan"], from: "2023-11-14T11:00:00") { unit } }', "has no time zone"),
        ('{ series(sensors: ["fan"], from: "yesterday") { unit } }', "not ISO 8601"),
        ('{ energyTree(root: "x") { at } }', "no such node"),
        ('{ energyTree(at: "2033-11-14T11:00:00Z") { at } }', "in the future"),
        ('{ sensors(after: "x") { totalCount } }', "not a cursor"),
        ("{ sensors(first: -1) { totalCount } }", "expected 0 to"),
        ("{ nope }", "Cannot query field"),
        ("{ ", "Syntax Error"),
    ],
)
async def test_invalid_requests_have_clear_messages(site: SmallSite, query: str, words: str) -> None:
    failure = await error(site_app(site), query)
    assert words in failure["message"]
    assert failure["extensions"]["code"] == "BAD_USER_INPUT"


async def test_an_unavailable_store_is_reported_as_such(site: SmallSite) -> None:
    site.store.down = True
    query = '{ series(sensors: ["fan"], from: "2023-11-14T11:59:00Z") { values } }'
    failure = await error(site_app(site), query)
    assert failure["extensions"]["code"] == "UNAVAILABLE"
    assert "cannot be reached now" in failure["message"]


async def test_an_unexpected_error_is_masked_and_logged_once_under_its_id(
    site: SmallSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(site.queries.racks.__class__, "racks", lambda _: broken())
    answer = await ask(site_app(site), "{ racks { id } }")
    (failure,) = answer["errors"]
    assert "secret" not in json.dumps(answer)
    assert failure["extensions"]["code"] == "INTERNAL"
    assert failure["extensions"]["id"] in failure["message"]
    logged = [r for r in caplog.records if r.levelname == "ERROR"]
    assert len(logged) == 1
    assert failure["extensions"]["id"] in logged[0].getMessage()
    assert logged[0].exc_info is not None


async def test_introspection_can_be_switched_off(site: SmallSite) -> None:
    query = "{ __schema { queryType { name } } }"
    assert (await data(site_app(site), query))["__schema"]["queryType"]["name"] == "Query"
    hidden = await ask(site_app(site, introspection=False), query)
    assert hidden["data"] is None
    assert all("introspection" in e["message"].lower() for e in hidden["errors"])


async def test_the_explorer_can_be_switched_off(site: SmallSite) -> None:
    for explorer, status in ((True, 307), (False, 404)):
        transport = httpx2.ASGITransport(app=site_app(site, explorer=explorer))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            page = await client.get("/graphql", headers={"accept": "text/html"})
            query = await client.get("/graphql?query={sensorTypes{name}}")
        assert page.status_code == status
        assert query.status_code in (400, 404)
