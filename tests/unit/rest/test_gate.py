"""Checks of every request: authentication, origin, size and speed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.core.errors import TransientError
from backend.core.rights import ANONYMOUS, SCOPE_KEY, Principal, Right
from backend.rest.gate import Authenticate, Gate, RequestLimits
from backend.rest.headers import SecurityHeaders
from tests.support.account_site import running_site

USER = Principal("user", credential_id="x")


class Wall:
    """An application that notes what comes through."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})


async def through(
    app: ASGIApp, method: str = "POST", path: str = "/x", query: str = "", **headers: str
) -> Any:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    raw = [(k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in headers.items()]
    kind = "websocket" if method == "WS" else "http"
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "scheme": "ws" if kind == "websocket" else "http",
        "client": ("192.0.2.1", 1),
        "headers": raw,
    }
    await app(scope, receive, send)
    return messages[0].get("status", messages[0].get("code")) if messages else 200


def guarded(wall: Wall, public_url: str = "") -> Authenticate:
    async def by_cookie(secret: str) -> Principal:
        return USER if secret == "good" else ANONYMOUS

    async def by_token(secret: str, address: str) -> Principal:
        assert address == "192.0.2.1"
        return USER if secret == "token" else ANONYMOUS

    return Authenticate(wall, by_cookie, by_token, public_url)


@pytest.mark.parametrize(
    "headers, is_accepted",
    [
        ({}, True),
        ({"host": "a.org", "origin": "https://a.org"}, True),
        ({"host": "a.org:8081", "origin": "http://a.org:8081"}, True),
        ({"host": "a.org:443", "origin": "https://a.org"}, True),
        ({"host": "upstream:8081", "origin": "https://seduce.example.org"}, True),
        ({"host": "a.org", "sec_fetch_site": "same-origin"}, True),
        ({"host": "a.org", "sec_fetch_site": "none"}, True),
        ({"host": "a.org", "sec_fetch_site": "cross-site"}, False),
        ({"host": "a.org", "sec_fetch_site": "same-site"}, False),
        ({"host": "a.org", "origin": "https://b.org"}, False),
        ({"host": "a.org", "origin": "https://a.org.evil.com"}, False),
        ({"host": "a.org", "origin": "https://a.org:444"}, False),
        ({"host": "a.org", "origin": "null"}, False),
        ({"host": "a.org", "origin": ""}, False),
        ({"host": "a.org", "origin": "https://["}, False),
        ({"host": "upstream", "origin": "http://seduce.example.org"}, False),
        ({"origin": "https://a.org"}, False),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "WS"])
async def test_requests_with_side_effects_must_come_from_own_pages(
    headers: dict[str, str], is_accepted: bool, method: str
) -> None:
    wall = Wall()
    status = await through(guarded(wall, "https://seduce.example.org"), method, **headers)
    assert status == (200 if is_accepted else 4403 if method == "WS" else 403)
    assert bool(wall.scopes) == is_accepted


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_reads_can_be_linked_from_other_origins(method: str) -> None:
    assert await through(guarded(Wall()), method, host="a.org", origin="https://b.org") == 200


@pytest.mark.parametrize(
    "path, query, headers, known",
    [
        ("/x", "", {"cookie": "a=b; seduce=good"}, True),
        ("/x", "", {"cookie": "seduce=bad"}, False),
        ("/x", "", {"cookie": "seduce"}, False),
        ("/x", "", {"cookie": 'seduce="good'}, False),
        ("/x", "", {"cookie": "__Host-seduce=good"}, False),
        ("/x", "", {"authorization": "Bearer token"}, True),
        ("/x", "", {"authorization": "bearer  token "}, True),
        ("/x", "", {"authorization": "Basic token"}, False),
        ("/x", "", {"authorization": "Bearer x", "cookie": "seduce=good"}, False),
        ("/x", "token=token", {}, False),
        ("/export", "token=token", {}, True),
        ("/export", "format=csv&token=token", {}, True),
        ("/export", "token=x", {"cookie": "seduce=good"}, False),
    ],
)
async def test_the_principal_of_a_request(
    path: str, query: str, headers: dict[str, str], known: bool
) -> None:
    wall = Wall()
    await through(guarded(wall), "GET", path, query, **headers)
    [scope] = wall.scopes
    assert (await scope[SCOPE_KEY].principal()).is_authenticated == known
    if path == "/export":
        assert b"token" not in scope["query_string"], "what comes after sees no secret"


async def test_the_principal_is_looked_up_once_and_on_demand() -> None:
    secrets = []

    async def by_cookie(secret: str) -> Principal:
        secrets.append(secret)
        return USER

    async def by_token(secret: str, address: str) -> Principal:
        raise AssertionError

    wall = Wall()
    await through(Authenticate(wall, by_cookie, by_token), "GET", cookie="seduce=s")
    assert secrets == []
    caller = wall.scopes[0][SCOPE_KEY]
    assert [await caller.principal() for _ in range(3)] == [USER] * 3
    assert secrets == ["s"]


async def test_the_gate_refuses_if_rights_cannot_be_checked() -> None:
    async def away(*_: str) -> Principal:
        raise TransientError("no database")

    wall = Wall()
    gate = Gate(wall, Right.READ, public_read=False)
    assert await through(Authenticate(gate, away, away), "GET", cookie="seduce=s") == 503
    assert wall.scopes == []
    assert await through(Gate(wall, Right.READ, public_read=False), "GET") == 401, "without anybody who says"


async def test_a_head_too_large_is_refused() -> None:
    wall = Wall()
    bounded = RequestLimits(wall, max_head_bytes=1000)
    assert await through(bounded, "GET", cookie="x" * 2000) == 431
    assert await through(bounded, "GET", query="x" * 2000) == 431
    assert await through(bounded, "WS", cookie="x" * 2000) == 1009
    assert wall.scopes == []
    assert await through(bounded, "GET", cookie="x" * 500) == 200


async def refuse_to_send(message: Message) -> None:
    raise AssertionError(message)


async def test_a_missing_body_times_out() -> None:
    read = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            read.append(message["body"])
        read.append(message["type"])

    pieces: asyncio.Queue[Message] = asyncio.Queue()
    pieces.put_nowait({"type": "http.request", "body": b"a", "more_body": True})

    scope = {"type": "http", "headers": [], "query_string": b""}
    await asyncio.wait_for(RequestLimits(app, body_timeout_s=0.05)(scope, pieces.get, refuse_to_send), 20)
    assert read == [b"a", "http.disconnect"]


async def test_messages_after_the_body_have_no_timeout() -> None:
    """A subscription or an export waits for its client to leave, however long that takes."""
    pieces: asyncio.Queue[Message] = asyncio.Queue()
    pieces.put_nowait({"type": "http.request", "body": b"a", "more_body": False})
    events = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        pieces.put_nowait({"type": "http.disconnect"})
        events.append(await waiting)

    scope = {"type": "http", "headers": [], "query_string": b""}
    await asyncio.wait_for(RequestLimits(app, body_timeout_s=0.02)(scope, pieces.get, refuse_to_send), 20)
    assert events == [{"type": "http.disconnect"}]


@pytest.mark.parametrize("scheme, is_expected", [("http", False), ("https", True)])
async def test_hsts_is_sent_over_tls_only(scheme: str, is_expected: bool) -> None:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    scope = {"type": "http", "scheme": scheme, "headers": []}
    await SecurityHeaders(Wall())(scope, asyncio.Queue[Message]().get, send)
    headers = dict(messages[0]["headers"])
    assert (b"strict-transport-security" in headers) == is_expected
    policy = headers[b"content-security-policy"].decode()
    assert "default-src 'self'" in policy
    assert "script-src" not in policy, "scripts come from here alone, none stand in a page"
    assert "frame-ancestors 'none'" in policy


async def test_an_unknown_host_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mailed links and sessions are for our own names; a page elsewhere may have pointed another at us."""
    async with running_site(tmp_path, monkeypatch, public_url="https://seduce.example.org") as site:
        for host, status in (("evil.example", 400), ("seduce.example.org", 200), ("127.0.0.1", 200)):
            assert (await site.client.get("/healthz", headers={"Host": host})).status_code == status
        await site.accounts.sign_ups.request_password_reset("x@example.org", "")
        assert site.accounts.rules.public_url == "https://seduce.example.org"
