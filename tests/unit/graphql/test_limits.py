"""Limits on documents, costs, variables, bodies and time."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from backend.graphql.execution import shape
from backend.graphql.execution.documents import Documents
from backend.graphql.execution.strawberry_internals import core_schema
from backend.graphql.schema import build_schema
from benchmarks.hostile import CYCLE, DOUBLING, aliased, deep, documents, huge_variables, wide
from tests.support.graphql_client import ask, data, error, site_app
from tests.support.small_site import SmallSite

FROM = '"2023-11-14T11:00:00Z"'


@pytest.fixture
def site() -> SmallSite:
    return SmallSite()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (aliased(31), "31 aliases, with fragments expanded; the limit is 30"),
        ("{" + "a " * 700 + "}", "more than 600 tokens"),
        ("# " + "a" * 60_000 + "\n{ overview { at } }", "60,0"),
        (deep(11), "11 levels of fields"),
        (wide(40), "repeated fields"),
        ("{ overview { at " + "@include(if: true) " * 51 + "} }", "51 directives"),
        (DOUBLING, "more than 1,000,000,000 fields"),
        ("query(" + " ".join(f"$v{i}: Int" for i in range(51)) + ") { roomMap { name } }", "51 variables"),
        (CYCLE, "spreads itself"),
        (
            "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
            "3 nested introspection lists",
        ),
    ],
)
async def test_a_document_with_an_extreme_shape_is_refused(site: SmallSite, query: str, words: str) -> None:
    failure = await error(site_app(site), query)
    assert words in failure["message"]
    assert failure["extensions"]["code"] == "BAD_USER_INPUT"


def test_fragments_that_double_at_every_step_are_measured_once_each() -> None:
    """2^50 paths: whoever walked them would not come back."""
    spreads = " ".join(f"fragment F{i} on Query {{ ...F{i + 1} ...F{i + 1} }}" for i in range(50))
    document = Documents(core_schema(build_schema(persisted={})), {}).prepare(
        "{ ...F0 } " + spreads + " fragment F50 on Query { overview { at } }"
    )
    assert "more than 1,000,000,000" in document.errors[0].message


def test_introspection_by_tools_is_within_the_limits() -> None:
    from graphql import get_introspection_query

    documents_of = Documents(core_schema(build_schema(persisted={})), {})
    for text in (get_introspection_query(), get_introspection_query(input_value_deprecation=True)):
        assert documents_of.prepare(text).errors == ()


async def test_a_costly_query_is_refused_before_it_runs(site: SmallSite) -> None:
    site.store.down = True  # nothing may be asked of it
    query = f"""query ($names: [ID!]!) {{ ...Twice }}
        fragment Twice on Query {{
          a: series(sensors: $names, from: {FROM}, maxPoints: 100000, statistics: [MEAN, MAX]) {{ unit }}
          b: series(nodes: ["cooling"], from: {FROM}, maxPoints: 200000) {{ unit }} }}"""
    failure = await error(site_app(site), query, names=["fan", "sun", "a_pdu-1"])
    assert failure["extensions"] == {"code": "TOO_COSTLY", "cost": 1_300_004, "limit": 1_000_000}
    assert "1,300,004" in failure["message"]
    assert "1,000,000" in failure["message"]


async def test_lists_within_lists_multiply(site: SmallSite) -> None:
    one = f"series(from: {FROM}, maxPoints: 1000, statistics: []) {{ values }}"
    answer = await ask(site_app(site), f"{{ sensors(first: 5) {{ edges {{ node {{ name {one} }} }} }} }}")
    assert answer["extensions"]["cost"] == {"asked": 5 * (1 + 1000 + 1), "limit": 1_000_000}
    failure = await error(
        site_app(site, max_cost=5_000), f"{{ sensors(first: 5) {{ edges {{ node {{ name {one} }} }} }} }}"
    )
    assert failure["extensions"] == {"code": "TOO_COSTLY", "cost": 5010, "limit": 5_000}


async def test_every_answer_reports_its_cost(site: SmallSite) -> None:
    answer = await ask(site_app(site), "{ energyTree { at nodes { id watts } } roomMap { name } }")
    nodes = len(answer["data"]["energyTree"]["nodes"])
    assert answer["extensions"]["cost"] == {"asked": nodes * 3 + 10, "limit": 1_000_000}


async def test_a_query_that_takes_too_long_is_stopped(site: SmallSite, monkeypatch: Any) -> None:
    ended: list[str] = []

    async def for_ever(*_: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    monkeypatch.setattr(site.store, "raw", for_ever)
    query = f'{{ series(sensors: ["fan"], from: {FROM}, window: RAW) {{ values }} }}'
    failure = await error(site_app(site, time_limit_s=0.05), query)
    assert failure["extensions"]["code"] == "TIMED_OUT"
    assert ended == ["cancelled"]


async def test_too_many_variable_values_are_refused(site: SmallSite) -> None:
    query = f"query ($names: [ID!]) {{ series(sensors: $names, from: {FROM}) {{ unit }} }}"
    assert "5,000 values" in (await error(site_app(site), query, names=["x"] * 5_001))["message"]


async def test_a_body_that_is_too_large_is_refused(site: SmallSite) -> None:
    transport = httpx2.ASGITransport(app=site_app(site))
    body = b'{"query": "{ overview { at } }", "variables": {"x": "' + b"a" * 300_000 + b'"}}'

    async def chunks() -> Any:
        for at in range(0, len(body), 10_000):
            yield body[at : at + 10_000]

    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        headers = {"content-type": "application/json"}
        with_length = await client.post("/graphql", content=body, headers=headers)
        without_length = await client.post("/graphql", content=chunks(), headers=headers)
    assert (with_length.status_code, without_length.status_code) == (413, 413)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[1, 2]", 400),
        (b'"query"', 400),
        (b'{"query": 5}', 400),
        (b'{"query": "{ overview { at } }", "operationName": []}', 400),
        (b'{"query": "{ overview { at } }", "variables": 3}', 400),
        (b"{", 400),
        (b"[" * 5000, 400),
        (b"{}", 400),
    ],
)
async def test_a_body_that_is_not_a_graphql_request_is_refused(
    site: SmallSite, body: bytes, status: int
) -> None:
    transport = httpx2.ASGITransport(app=site_app(site))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("query A { roomMap { name } }", "B", "no operation 'B'; it has 'A'"),
        ("{ roomMap { name } }", "B", "no operation 'B'; it has one without a name"),
        ("query A { roomMap { name } } query B { roomMap { id } }", None, "2 operations ('A', 'B')"),
    ],
)
async def test_a_missing_operation_is_named(site: SmallSite, text: str, name: str | None, words: str) -> None:
    transport = httpx2.ASGITransport(app=site_app(site))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.post("/graphql", json={"query": text, "operationName": name})
    assert words in answer.json()["errors"][0]["message"]


async def test_documents_are_parsed_and_validated_once(site: SmallSite) -> None:
    app = site_app(site)
    lookups = app.state.schema.documents.lookups
    await data(app, "{ sensorTypes { name unit } }")
    before = dict(lookups)
    for _ in range(5):
        await data(app, "{ sensorTypes { name unit } }")
    assert lookups["miss"] == before["miss"]
    assert lookups["hit"] >= before.get("hit", 0) + 5


async def test_invalid_documents_do_not_evict_valid_ones(site: SmallSite) -> None:
    app = site_app(site)
    await data(app, "{ sensorTypes { name unit } }")
    for number in range(300):
        await ask(app, f"{{ nothing{number} }}")
    before = app.state.schema.documents.lookups["miss"]
    await data(app, "{ sensorTypes { name unit } }")
    assert app.state.schema.documents.lookups["miss"] == before


def _hostile() -> Iterator[tuple[str, dict[str, Any] | None]]:
    yield from documents(60)
    yield huge_variables(4_000)


async def test_hostile_documents_take_little_of_the_servers_time(site: SmallSite) -> None:
    """CPU time of this process, which waits for nobody: the library alone takes a second for some of these, or for ever."""
    app = site_app(site)
    spent = []
    gc.disable()  # what other tests left behind is not to be looked through meanwhile
    try:
        for query, variables in _hostile():
            before = time.process_time()
            answer = await ask(app, query, **(variables or {}))
            spent.append((time.process_time() - before, query[:60]))
            assert "errors" in answer, query
    finally:
        gc.enable()
    worst, query = max(spent)
    assert worst < 0.25, query


def test_the_documentation_has_the_limits() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "graphql.md").read_text()
    for limit in (
        shape.MAX_TOKENS,
        shape.MAX_DEPTH,
        shape.MAX_ALIASES,
        shape.MAX_DIRECTIVES,
        shape.MAX_REPEATS,
        shape.MAX_FIELDS,
        shape.MAX_VARIABLES,
    ):
        assert f"{limit:,}" in page


async def test_errors_suggest_no_names_of_a_hidden_schema(site: SmallSite) -> None:
    query = "{ roomMapp { name } }"
    assert "Did you mean" in (await error(site_app(site), query))["message"]
    assert "Did you mean" not in (await error(site_app(site, introspection=False), query))["message"]
