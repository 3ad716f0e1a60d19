"""Documents by hash: those of the web page, and those that clients register."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from backend.graphql.execution.cost import cost_of
from backend.graphql.execution.documents import Documents, manifest, sha256
from backend.graphql.execution.limits import MAX_COST
from backend.graphql.execution.rules import Sizes
from backend.graphql.execution.strawberry_internals import core_schema
from backend.graphql.schema import build_schema
from tests.support.graphql_client import connected, site_app
from tests.support.serve import serving
from tests.support.small_site import SmallSite

TEXT = "{ sensorTypes { name unit } }"


def by(digest: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": digest}}


async def post(app: Any, **body: Any) -> dict[str, Any]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        response = await client.post("/graphql", json=body)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def get(app: Any, headers: dict[str, str] | None = None, **parameters: Any) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get("/graphql", params=parameters, headers=headers)


def test_the_documents_of_the_web_page_are_valid_and_within_the_cost_limit() -> None:
    schema = build_schema()
    core = core_schema(schema)
    documents = Documents(core, manifest())
    assert len(manifest()) > 10
    for digest, text in manifest().items():
        assert sha256(text) == digest
        prepared = documents.prepare(text)
        assert prepared.errors == (), text
        assert prepared.document is not None
        cost = cost_of(core, schema.field_rules, prepared.document, None, {}, Sizes(400, 5))
        assert cost <= MAX_COST


async def test_the_web_page_sends_only_a_hash() -> None:
    text = next(t for t in manifest().values() if "RoomPage" in t)
    answer = await post(site_app(SmallSite()), extensions=by(sha256(text)))
    assert answer["data"]["roomMap"][0]["id"] == "row"


async def test_any_client_may_register_a_document() -> None:
    app = site_app(SmallSite())
    unknown = await post(app, extensions=by(sha256(TEXT)))
    assert unknown["errors"][0]["message"] == "PersistedQueryNotFound"
    assert unknown["errors"][0]["extensions"] == {"code": "PERSISTED_QUERY_NOT_FOUND"}
    first = await post(app, query=TEXT, extensions=by(sha256(TEXT)))
    second = await post(app, extensions=by(sha256(TEXT)))
    assert first["data"] == second["data"]
    assert first["data"]["sensorTypes"]


async def test_the_number_of_registered_documents_is_bounded() -> None:
    app = site_app(SmallSite())
    await post(app, query=TEXT, extensions=by(sha256(TEXT)))
    for number in range(256):
        other = f"query Q{number} {TEXT}"
        await post(app, query=other, extensions=by(sha256(other)))
    evicted = await post(app, extensions=by(sha256(TEXT)))
    assert evicted["errors"][0]["message"] == "PersistedQueryNotFound"


@pytest.mark.parametrize(
    "extensions",
    [by("0" * 64), {"persistedQuery": 5}, {"persistedQuery": {"version": 2, "sha256Hash": sha256(TEXT)}}],
)
async def test_a_hash_that_does_not_match_the_text_is_refused(extensions: Any) -> None:
    answer = await post(site_app(SmallSite()), query=TEXT, extensions=extensions)
    assert "persistedQuery" in answer["errors"][0]["message"]


async def test_other_documents_can_be_refused() -> None:
    text = next(t for t in manifest().values() if "RoomPage" in t)
    app = site_app(SmallSite(), only_persisted=True)
    assert "errors" not in await post(app, extensions=by(sha256(text)))
    assert "errors" not in await post(app, query=text)
    for extensions in (None, by(sha256(TEXT))):
        refused = await post(app, query=TEXT, extensions=extensions)
        assert refused["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_REQUIRED"


async def test_hashes_over_a_socket() -> None:
    site = SmallSite()
    site.hear({"fan": 1.0})
    text = next(t for t in manifest().values() if "ReadingsLive" in t)
    async with serving(site_app(site)) as address, connected(address) as socket:
        await socket._send(
            {"id": "1", "type": "subscribe", "payload": {"query": "", "extensions": by(sha256(text))}}
        )
        assert (await socket.next())["readings"]["sensors"] == ["fan"]
        await socket._send({"id": "2", "type": "subscribe", "payload": {"extensions": by("0" * 64)}})
        message = await socket.receive()
        assert (message["type"], message["id"]) == ("error", "2")
        assert message["payload"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"


async def test_an_answer_that_the_client_has_is_not_sent_again() -> None:
    text = next(t for t in manifest().values() if "RoomPage" in t)
    app = site_app(SmallSite())
    extensions = json.dumps(by(sha256(text)))
    first = await get(app, extensions=extensions)
    assert first.status_code == 200
    assert first.json()["data"]["roomMap"]
    assert first.headers["cache-control"] == "private, no-cache"
    second = await get(app, {"if-none-match": f'"other", {first.headers["etag"]}'}, extensions=extensions)
    assert (second.status_code, second.content) == (304, b"")
    assert second.headers["etag"] == first.headers["etag"]
    other = await get(app, {"if-none-match": '"other"'}, extensions=extensions)
    assert other.status_code == 200


async def test_get_accepts_only_a_hash() -> None:
    app = site_app(SmallSite(), explorer=False)
    assert (await get(app, query=TEXT)).status_code == 400
    assert (await get(app, query=TEXT, extensions=json.dumps(by(sha256(TEXT))))).status_code == 400
    assert (await get(app, extensions="{")).status_code == 400
