"""Jobs, continuous queries and events over GraphQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backend.core.bucket import SeriesKind
from backend.core.events import EventKind, SensorEvent
from backend.core.windows import Window
from tests.support.graphql_client import admin_app, connected, data, error
from tests.support.serve import serving
from tests.support.small_site import NOON, WATTMETERS, SmallSite

JOB = "id batch cqName kind window series whole priority state timeIntervalStart timeIntervalEnd progress windows windowsDone"
CREATE = f"""mutation ($input: CreateJobsInput!, $dry: Boolean! = false) {{ createJobs(input: $input, dryRun: $dry) {{
    __typename
    ... on JobPlan {{ dryRun windows seconds measured from to jobs {{ {JOB} }} }}
    ... on Failure {{ message path }} }} }}"""
FAILURE = "__typename ... on Jobs { jobs { id state ended } } ... on Failure { message path }"


@pytest.fixture
async def site() -> SmallSite:
    site = SmallSite()
    times = range(NOON - 2 * 3600, NOON, 10)
    for name in WATTMETERS:
        await site.write(name, times, [100.0] * len(times))
    await site.roll_up()
    return site


async def create(site: SmallSite, **variables: Any) -> Any:
    return (await data(admin_app(site), CREATE, **variables))["createJobs"]


async def test_a_dry_run_plans_the_jobs_that_a_real_run_creates(site: SmallSite) -> None:
    request = {"nodes": ["server_a"], "nodeScope": "BELOW", "windows": ["H1"], "priority": "HIGH"}
    dry = await create(site, input=request, dry=True)
    assert (dry["dryRun"], dry["windows"], len(dry["jobs"])) == (True, 6, 3)
    assert (dry["from"], dry["to"]) == ("2023-11-14T10:00:00.000Z", "2023-11-14T12:00:00.000Z")
    assert (await data(admin_app(site), "{ jobs { totalCount } }"))["jobs"]["totalCount"] == 0
    real = await create(site, input=request)
    assert real["jobs"][0] == {
        "id": "1",
        "batch": real["jobs"][1]["batch"],
        "cqName": "cq_server_a_1h",
        "kind": "NODE",
        "window": "H1",
        "series": ["server_a"],
        "whole": True,
        "priority": "HIGH",
        "state": "CREATED",
        "timeIntervalStart": "2023-11-14T10:00:00.000Z",
        "timeIntervalEnd": "2023-11-14T12:00:00.000Z",
        "progress": 0.0,
        "windows": 2,
        "windowsDone": 0,
    }


async def test_a_job_runs_to_its_end(site: SmallSite) -> None:
    await create(site, input={"sensors": ["fan"]})
    app = admin_app(site)
    await site.job_runner.prepare()
    await site.job_runner.run()
    await site.job_runner.finish()
    query = """{ job(id: "1") { state progress windowsDone windowsPerSecond secondsLeft lastRunStart lastRunEnd doneFrom
        lastExecutionSeconds attempts lastError created changed ended } none: job(id: "99") { id } odd: job(id: "x") { id }
        long: job(id: "9999999999999999999999") { id } }"""
    result = await data(app, query)
    job = result["job"]
    assert (result["none"], result["odd"], result["long"]) == (None, None, None)
    assert (job["state"], job["progress"], job["windowsDone"]) == ("FINISHED", 1.0, 240)
    assert job["lastRunEnd"] == "2023-11-14T12:00:00.000Z"
    assert job["secondsLeft"] == 0.0
    assert job["ended"] == "2023-11-14T12:00:00.000Z"


async def test_pages_of_jobs(site: SmallSite) -> None:
    await create(site, input={"kinds": ["TYPE", "SENSOR"]})
    app, query = (
        admin_app(site),
        "query ($after: String) { jobs(first: 4, after: $after) { edges { node { id } } pageInfo { %s } } }",
    )
    query %= "hasNextPage hasPreviousPage endCursor"
    first = (await data(app, query))["jobs"]
    rest = (await data(app, query, after=first["pageInfo"]["endCursor"]))["jobs"]
    assert [e["node"]["id"] for e in first["edges"] + rest["edges"]] == ["5", "4", "3", "2", "1"]
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
    states = await data(app, "{ jobs(states: [PAUSED]) { totalCount edges { node { id } } } }")
    assert states["jobs"] == {"totalCount": 0, "edges": []}
    assert "expected 1 to 1000" in (await error(app, "{ jobs(first: 0) { totalCount } }"))["message"]


@pytest.mark.parametrize("step, state", [("pause", "PAUSED"), ("cancel", "CANCELLED")])
async def test_jobs_are_paused_cancelled_resumed_and_retried(site: SmallSite, step: str, state: str) -> None:
    created = (await create(site, input={"sensors": ["fan"]}))["jobs"]
    app = admin_app(site)
    single = await data(app, f'mutation {{ {step}Job(id: "1") {{ {FAILURE} }} }}')
    assert single[f"{step}Job"]["jobs"][0]["state"] == state
    repeated = await data(app, f'mutation {{ {step}Job(id: "1") {{ {FAILURE} }} }}')
    assert repeated[f"{step}Job"]["__typename"] == "Conflict"
    rest = await data(app, f'mutation {{ {step}Jobs(batch: "{created[0]["batch"]}") {{ {FAILURE} }} }}')
    assert [job["state"] for job in rest[f"{step}Jobs"]["jobs"]] == [state] * 2
    back = "resume" if step == "pause" else "retry"
    whole = await data(app, f'mutation {{ {back}Jobs(batch: "{created[0]["batch"]}") {{ {FAILURE} }} }}')
    assert [job["state"] for job in whole[f"{back}Jobs"]["jobs"]] == ["WAITING"] * 3


async def test_an_invalid_request_names_the_argument_at_fault(site: SmallSite) -> None:
    for request, kind, path in (
        ({"nodes": ["nope"]}, "NotFound", ["input", "nodes"]),
        ({}, "InvalidInput", ["input"]),
        ({"kinds": ["NODE"], "windows": ["RAW"]}, "InvalidInput", ["input", "windows"]),
        ({"kinds": ["NODE"], "from": "2030-01-01T00:00:00Z"}, "InvalidInput", ["input", "from"]),
    ):
        failure = await create(site, input=request)
        assert (failure["__typename"], failure["path"]) == (kind, path), failure
    app = admin_app(site)
    for job_id in ("99", "x"):
        result = await data(app, f'mutation {{ cancelJob(id: "{job_id}") {{ {FAILURE} }} }}')
        assert result["cancelJob"]["__typename"] == "NotFound"


async def test_jobs_are_live(site: SmallSite) -> None:
    await create(site, input={"queries": ["cq_datacenter_1h"]})
    async with serving(admin_app(site)) as address, connected(address) as socket:
        await socket.subscribe("subscription { jobs { snapshot jobs { id state progress } } }")
        first = (await socket.next())["jobs"]
        assert first == {"snapshot": True, "jobs": [{"id": "1", "state": "CREATED", "progress": 0.0}]}
        await site.job_runner.prepare()
        await site.job_runner.run()
        await site.job_runner.finish()
        second = (await socket.next())["jobs"]
        assert second == {"snapshot": False, "jobs": [{"id": "1", "state": "FINISHED", "progress": 1.0}]}


async def test_a_faulty_continuous_query_is_reported_and_repaired(site: SmallSite) -> None:
    app = admin_app(site)
    query = "{ continuousQueries(%s) { name kind window expected series faults rolledUpTo missing dirtyWindows } }"
    assert (await data(app, query % "faulty: true"))["continuousQueries"] == []
    await site.store.drop_series(SeriesKind.NODE, Window.H1, ["server_b"])
    result = (await data(app, query % "faulty: true"))["continuousQueries"]
    assert result == [
        {
            "name": "cq_server_b_1h",
            "kind": "NODE",
            "window": "H1",
            "expected": True,
            "series": 1,
            "faults": ["MISSING"],
            "rolledUpTo": "2023-11-14T12:00:00.000Z",
            "missing": ["server_b"],
            "dirtyWindows": 0,
        }
    ]
    assert len((await data(app, query % 'search: "server_b"'))["continuousQueries"]) == 4
    mending = """mutation ($names: [ID!]!) { mendContinuousQueries(names: $names) { __typename
        ... on MendedQueries { queries { name faults actions jobs { cqName priority } } } ... on Failure { message path } } }"""
    repair = (await data(app, mending, names=["cq_server_b_1h"]))["mendContinuousQueries"]
    assert repair["queries"] == [
        {
            "name": "cq_server_b_1h",
            "faults": ["MISSING"],
            "actions": ["Created jobs to recompute 1 series."],
            "jobs": [{"cqName": "cq_server_b_1h", "priority": "HIGH"}],
        }
    ]
    nope = (await data(app, mending, names=["nope"]))["mendContinuousQueries"]
    assert (nope["__typename"], nope["path"]) == ("NotFound", ["names"])


async def test_periodic_tasks(site: SmallSite) -> None:
    await site.task_log.record("heal", site.clock.now_ns(), 0.25, "no answer")
    result = await data(
        admin_app(site),
        """{ periodicTasks { name periodSeconds late runs failures failuresInARow lastStart lastSuccess
            lastExecutionSeconds lastError } }""",
    )
    tasks = {task["name"]: task for task in result["periodicTasks"]}
    assert tasks["heal"] == {
        "name": "heal",
        "periodSeconds": 30.0,
        "late": True,
        "runs": 1,
        "failures": 1,
        "failuresInARow": 1,
        "lastStart": "2023-11-14T12:00:00.000Z",
        "lastSuccess": None,
        "lastExecutionSeconds": 0.25,
        "lastError": "no answer",
    }
    assert tasks["roll_up"]["runs"] == 0


def event(name: str, kind: EventKind = EventKind.SILENT) -> SensorEvent:
    return SensorEvent(0, name, kind, NOON * 10**9, f"{name} fell silent.", 21.5)


async def test_events_and_their_pages() -> None:
    site = SmallSite()
    await site.events.record([event("front1"), event("back1"), event("fan", EventKind.STUCK)], [])
    app = admin_app(site)
    query = """{ events(%s) { totalCount edges { cursor node { sensor kind at ended noticed value message } }
        pageInfo { hasNextPage } } }"""
    result = (await data(app, query % "first: 1"))["events"]
    assert (result["totalCount"], result["pageInfo"]["hasNextPage"]) == (3, True)
    assert result["edges"][0]["node"] == {
        "sensor": "fan",
        "kind": "STUCK",
        "at": "2023-11-14T12:00:00.000Z",
        "ended": None,
        "noticed": "2023-11-14T12:00:00.000Z",
        "value": 21.5,
        "message": "fan fell silent.",
    }
    rest = (await data(app, query % f'after: "{result["edges"][0]["cursor"]}", kinds: [SILENT]'))["events"]
    assert [edge["node"]["sensor"] for edge in rest["edges"]] == ["back1", "front1"]
    for filters, count in (
        ('sensors: ["front1"]', 1),
        ("lasting: false", 0),
        ('from: "2023-11-15T00:00:00Z"', 3),
        ('to: "2023-11-14T00:00:00Z"', 0),
    ):
        assert (await data(app, query % filters))["events"]["totalCount"] == count, filters
    assert "not a cursor" in (await error(app, query % 'after: "x"'))["message"]
    assert "not a cursor" in (await error(app, query % f'after: "{"9" * 30}"'))["message"]


@pytest.mark.parametrize("cursor", ["x", "-1", "²", "9" * 30])
async def test_an_invalid_cursor_is_an_error(cursor: str) -> None:
    app = admin_app(SmallSite())
    failure = await error(app, f'{{ jobs(after: "{cursor}") {{ totalCount }} }}')
    assert "not a cursor" in failure["message"]
    assert failure["extensions"]["code"] == "BAD_USER_INPUT"


async def test_events_are_live() -> None:
    site = SmallSite()
    await site.events.record([event("front1")], [])
    async with serving(admin_app(site)) as address, connected(address) as socket:
        await socket.subscribe("subscription { events { snapshot events { sensor kind ended } } }")
        first = (await socket.next())["events"]
        assert first == {"snapshot": True, "events": [{"sensor": "front1", "kind": "SILENT", "ended": None}]}
        (lasting,) = await site.events.open()
        await site.events.record([], [replace(lasting, ended_ns=NOON * 10**9)])
        second = (await socket.next())["events"]
        assert second["snapshot"] is False
        assert second["events"] == [
            {"sensor": "front1", "kind": "SILENT", "ended": "2023-11-14T12:00:00.000Z"}
        ]


async def test_error_counters_are_cleared() -> None:
    site = SmallSite()
    await site.counters.count(["front1", "back1"], site.clock.now_ns())
    app = admin_app(site)
    clear = "mutation { clearSensorErrors%s { ... on ClearedSensorErrors { cleared { sensor count } } } }"
    result = await data(app, clear % '(sensors: ["front1", "fan"])')
    assert result["clearSensorErrors"]["cleared"] == [{"sensor": "front1", "count": 1}]
    remaining = await data(app, "{ sensorErrors { sensor } }")
    assert remaining["sensorErrors"] == [{"sensor": "back1"}]
    await data(app, clear % "")
    assert (await data(app, "{ sensorErrors { sensor } }"))["sensorErrors"] == []
