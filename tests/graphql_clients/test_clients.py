"""The documents in README.md and docs/graphql.md run unchanged in common GraphQL clients."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from gql import Client, gql
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from graphql import (
    OperationType,
    build_client_schema,
    get_introspection_query,
    get_operation_ast,
    parse,
    print_schema,
    validate,
)

from backend.graphql.execution.strawberry_internals import core_schema
from backend.graphql.schema import build_schema
from tests.support.graphql_client import site_app
from tests.support.serve import serving
from tests.support.small_site import NOON, SmallSite

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs" / "graphql.md")
BLOCK = re.compile(r"^```graphql\n(.*?)^```", re.MULTILINE | re.DOTALL)
DOCUMENTS = {
    f"{page.name}:{number}": text
    for page in PAGES
    for number, text in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")), 1)
}
# Mutations need a log-in; the tests of accounts run them.
DOCUMENTS = {name: text for name, text in DOCUMENTS.items() if not re.match(r"\s*mutation\b", text)}
VARIABLES = {"from": datetime.fromtimestamp(NOON - 3600, UTC).isoformat()}


def is_subscription(text: str) -> bool:
    operation = get_operation_ast(parse(text))
    assert operation is not None
    return operation.operation is OperationType.SUBSCRIPTION


@pytest.fixture
async def url() -> AsyncIterator[str]:
    site = SmallSite()
    for name in ("a_pdu-1", "b_pdu-1", "fan", "sun"):
        await site.write(name, range(NOON - 3600, NOON), [100.0] * 3600)
    await site.roll_up()
    site.hear({"fan": 100.0, "front1": 21.0})
    async with serving(site_app(site)) as address:
        yield f"http://{address}/graphql"


def check(name: str, data: Any) -> None:
    """Check that an answer has data, and that its series have values."""
    assert data, name
    for series in data.get("series", ()):
        assert series["timestamps"], name
    if "readings" in data:
        assert data["readings"]["snapshot"] is True
        assert data["readings"]["values"] == [100.0]


def test_the_pages_have_documents() -> None:
    assert len(DOCUMENTS) >= 4
    assert {is_subscription(text) for text in DOCUMENTS.values()} == {True, False}


async def test_graphql_core_reads_the_schema_by_introspection(url: str) -> None:
    async with httpx2.AsyncClient() as client:
        answer = (await client.post(url, json={"query": get_introspection_query()})).json()
        schema = build_client_schema(answer["data"])
        assert print_schema(schema) == print_schema(core_schema(build_schema()))
        for name, text in DOCUMENTS.items():
            assert validate(schema, parse(text)) == [], name
            if not is_subscription(text):
                answer = (await client.post(url, json={"query": text, "variables": VARIABLES})).json()
                assert "errors" not in answer, answer
                check(name, answer["data"])


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_gql_for_python(url: str, name: str) -> None:
    document = gql(DOCUMENTS[name])
    document.variable_values = VARIABLES if "$from" in DOCUMENTS[name] else {}
    if is_subscription(DOCUMENTS[name]):
        socket = WebsocketsTransport(url=url.replace("http", "ws"))
        async with Client(transport=socket, fetch_schema_from_transport=True) as session:
            async for data in session.subscribe(document):
                check(name, data)
                break
        return
    async with Client(transport=HTTPXAsyncTransport(url=url), fetch_schema_from_transport=True) as session:
        check(name, await session.execute(document))


async def node_answers(url: str, client: str) -> list[dict[str, Any]]:
    node = shutil.which("node", path=f"{os.environ['PATH']}:{ROOT / '.venv' / 'node-bin'}")
    assert node, "Node is missing: run scripts/npm.sh"
    requests = {
        name: {"query": text, "variables": VARIABLES if "$from" in text else {}, "client": client}
        for name, text in DOCUMENTS.items()
    }
    process = await asyncio.create_subprocess_exec(
        node,
        str(Path(__file__).parent / "ask.mjs"),
        url,
        json.dumps(requests),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("client", ["urql", "graphql-ws"])
async def test_npm_clients(url: str, client: str) -> None:
    """urql sends documents by hash; graphql-ws sends all operations over its socket."""
    answers = await node_answers(url, client)
    assert len(answers) == 2 * len(DOCUMENTS)
    for answer in answers:
        assert not answer.get("errors"), answer
        check(answer["name"], answer["data"])
