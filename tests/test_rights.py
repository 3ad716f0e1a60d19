"""Rights: every field and route has one, and every kind of caller is tested against all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import websockets

from backend.accounts.connection_rights import CHECK_INTERVAL_S
from backend.accounts.log import OPERATOR
from backend.bus.memory import MemoryBus
from backend.core.rights import Right, TokenScope
from backend.graphql.schema import build_schema
from backend.processes.application import Application
from backend.processes.ingest import create_ingest
from backend.processes.one_process import create_app
from backend.processes.shared import Overrides
from backend.processes.web import create_web
from backend.rest.permissions import ROUTES
from backend.settings import Settings
from scripts import permissions_doc
from tests.support import entry_points
from tests.support.account_site import Site, running_site
from tests.support.accounts import HERE, links
from tests.support.graphql_client import connected
from tests.support.reference_store import ReferenceStore
from tests.support.small_site import small_inventory
from tests.support.waiting import DEADLINE_S

FIELD_LIST = list(entry_points.fields())
FIELDS = {name: rules.right for name, rules in build_schema().field_rules.items() if rules.right}
REFUSED = {"UNAUTHENTICATED", "FORBIDDEN"}


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    async with running_site(tmp_path, monkeypatch) as running:
        yield running


def test_every_root_field_has_a_right_and_is_tested() -> None:
    assert {root_field.name for root_field in FIELD_LIST} == set(FIELDS)


def test_the_page_of_permissions_is_up_to_date() -> None:
    assert permissions_doc.PAGE.read_text() == permissions_doc.page(), "run python -m scripts.permissions_doc"


def applications(folder: Path) -> list[Application]:
    parts = Overrides(inventory=small_inventory(), store=ReferenceStore(), bus=MemoryBus(), page=folder)
    settings = Settings(data_dir=folder)
    return [create_app(settings, parts), create_web(settings, parts), create_ingest(settings, parts)]


def test_every_route_has_a_right_and_no_right_is_unused(tmp_path: Path) -> None:
    paths = {path for app in applications(tmp_path) for path in entry_points.routes(app)}
    assert paths == set(ROUTES)


def test_a_route_without_a_right_keeps_the_application_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.processes.web_app.EXPORT_PATH", "/new-route")
    with pytest.raises(KeyError, match="/new-route"):
        applications(tmp_path)


@dataclass(frozen=True)
class Caller:
    """A kind of caller, with its rights. `headers` creates its credentials."""

    name: str
    may: frozenset[Right] = field(default_factory=frozenset)
    is_authenticated: bool = True
    refused_outright: bool = False
    """The server refuses every request, even for entry points that are open to anyone."""

    async def headers(self, site: Site, users: Mapping[str, str]) -> dict[str, str]:
        return await _CREDENTIALS[self.name](site, users)


async def _anonymous(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    return {}


async def _authorized(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    return await site.cookie(users["user"])


async def _administrator(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    return await site.cookie(users["admin"])


async def _deauthorized(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    """A session of an administrator who is deauthorized since."""
    user = await site.user(admin=True)
    headers = await site.cookie(user)
    await site.accounts.users.deauthorize(user, OPERATOR)
    return headers


async def _demoted(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    user = await site.user(admin=True)
    headers = await site.cookie(user)
    await site.accounts.users.set_admin(user, OPERATOR, admin=False)
    return headers


async def _deleted(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    user = await site.user(admin=True)
    headers = await site.cookie(user)
    await site.accounts.users.delete(user, OPERATOR)
    return headers


async def _stolen(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    """The cookie of a session whose owner has logged out."""
    headers = await site.cookie(users["admin"])
    assert (await site.ask("mutation { logOut }", headers))["data"] == {"logOut": True}
    return headers


async def _idle(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    headers = await site.cookie(users["admin"])
    site.clock.advance(31 * 60)
    return headers


async def _read_token(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    return await site.token(users["admin"], TokenScope.READ)


async def _export_token(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    return await site.token(users["admin"], TokenScope.EXPORT)


async def _admin_token(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    return await site.token(users["admin"], TokenScope.ADMIN)


async def _expired_token(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    headers = await site.token(await site.user(admin=True), *TokenScope)
    site.clock.advance(86_400)
    return headers


async def _bad_token_with_a_good_cookie(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    return await site.cookie(users["admin"]) | {"Authorization": "Bearer seduce_pat_nonsense"}


async def _forged_origin(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    """A page of another site, in the browser of an administrator."""
    return await site.cookie(users["admin"]) | {"Origin": "https://evil.example"}


async def _forged_host(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    """A page on the same host, but on another port: another origin."""
    return await site.cookie(users["admin"]) | {"Origin": "http://127.0.0.1:1"}


async def _null_origin(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    return await site.cookie(users["admin"]) | {"Origin": "null"}


async def _cross_site(site: Site, users: Mapping[str, str]) -> dict[str, str]:
    return await site.cookie(users["admin"]) | {"Sec-Fetch-Site": "cross-site"}


_PERSON = frozenset({Right.READ, Right.EXPORT, Right.ACCOUNT})
CALLERS = (
    Caller("anonymous", is_authenticated=False),
    Caller("authorized", _PERSON),
    Caller("administrator", _PERSON | {Right.ADMIN}),
    Caller("deauthorized", is_authenticated=False),
    Caller("demoted", _PERSON),
    Caller("deleted", is_authenticated=False),
    Caller("stolen", is_authenticated=False),
    Caller("idle", is_authenticated=False),
    Caller("read_token", frozenset({Right.READ})),
    Caller("export_token", frozenset({Right.EXPORT})),
    Caller("admin_token", frozenset({Right.ADMIN})),
    Caller("expired_token", is_authenticated=False),
    Caller("bad_token_with_a_good_cookie", is_authenticated=False),
    Caller("forged_origin", refused_outright=True),
    Caller("forged_host", refused_outright=True),
    Caller("null_origin", refused_outright=True),
    Caller("cross_site", refused_outright=True),
)
_CREDENTIALS = {
    name.removeprefix("_"): create
    for name, create in list(globals().items())
    if callable(create) and name.startswith("_")
}


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
async def test_each_caller_against_every_entry_point(site: Site, caller: Caller) -> None:
    users = {"admin": await site.user(admin=True), "user": await site.user()}
    await site.user(admin=True)  # the first administrator is then not the last one
    for root_field in FIELD_LIST:
        headers = await caller.headers(site, users)
        answer = await (site.watch if root_field.operation == "subscription" else site.ask)(
            root_field.document, headers
        )
        _check_field(caller, root_field, answer)
    await _require_device_keys(site)
    for path, right in ROUTES.items():
        await _check_route(site, caller, path, right, await caller.headers(site, users))


async def _require_device_keys(site: Site) -> None:
    """Create a device key: from then on this machine needs one too. The ingest endpoints notice it within seconds."""
    await site.accounts.keys.create("a-key", "", OPERATOR)
    async with asyncio.timeout(DEADLINE_S):
        while (await site.client.post("/ingest", json=[])).status_code != 401:
            await asyncio.sleep(0.05)


def _check_field(caller: Caller, root_field: entry_points.Field, answer: Any) -> None:
    right, context = FIELDS[root_field.name], f"{caller.name}: {root_field.name}: {answer}"
    if caller.refused_outright:
        assert answer == 403, context
        return
    if root_field.operation == "subscription" and not caller.is_authenticated:
        assert answer == 4401, context
        return
    assert isinstance(answer, dict), context
    codes = {e.get("extensions", {}).get("code") for e in answer.get("errors") or ()}
    if right is Right.ANYONE or right in caller.may:
        assert not codes & REFUSED, context
    else:
        assert codes == {"FORBIDDEN" if caller.is_authenticated else "UNAUTHENTICATED"}, context
        assert answer.get("data") is None, context


async def _check_route(
    site: Site, caller: Caller, path: str, right: Right, headers: Mapping[str, str]
) -> None:
    context = f"{caller.name}: {path}"
    if right is Right.DEVICE:
        answer = await site.client.post(path, json=[], headers=dict(headers))
        if path == "/temperature/list":  # temperature cards cannot send a key; their network authorizes them
            assert answer.status_code == (403 if caller.refused_outright else 200), context
        else:
            assert answer.status_code == (403 if caller.refused_outright else 401), context
        return
    answer = await site.client.get(path or "/", headers=dict(headers), follow_redirects=True)
    # A page of another site cannot read the answer: no header allows it.
    assert "access-control-allow-origin" not in answer.headers, context
    # A browser with a session may load a file for its user from any link.
    if right in (Right.READ, Right.EXPORT) and right not in caller.may and not caller.refused_outright:
        assert answer.status_code == (403 if caller.is_authenticated else 401), f"{context}: {answer.text}"
        assert set(answer.json()) == {"error"}, context
    else:
        assert answer.status_code not in (401, 403), f"{context}: {answer.text}"


async def test_a_token_in_the_address_is_accepted_for_exports_only(site: Site) -> None:
    admin = await site.user(admin=True)
    secret = (await site.token(admin, *TokenScope))["Authorization"].removeprefix("Bearer ")
    wrong = (await site.token(admin, TokenScope.READ))["Authorization"].removeprefix("Bearer ")
    for query, status in (
        (f"?token={secret}", 200),
        (f"?format=csv&token={secret}", 200),
        (f"?token={wrong}", 403),
    ):
        assert (await site.client.get(f"/export{query}")).status_code == status
    for token in ("", "x", "%ff"):
        assert (await site.client.get(f"/export?token={token}")).status_code == 401
    body = {"query": "{ overview { consumption { value } } }"}
    answer = (await site.client.post(f"/graphql?token={secret}", json=body)).json()
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_used_mailed_link_gives_no_access(site: Site) -> None:
    admin = await site.user(admin=True)
    user = await site.accounts.users.find(admin)
    assert user is not None
    await site.accounts.sign_ups.request_password_reset(user.email, HERE)
    await site.accounts.outbox_sender.send_confirmations()
    secret = links(site.mailbox.take())["reset"]
    reset = (
        f'mutation {{ resetPassword(token: "{secret}", password: "violet.tractor.moth.4") {{ __typename }} }}'
    )
    assert (await site.ask(reset, {}))["data"] == {"resetPassword": {"__typename": "Done"}}
    for document in (
        reset,
        f'{{ mailedLink(token: "{secret}") {{ __typename }} }}',
        f'mutation {{ confirmEmail(token: "{secret}", password: "x") {{ __typename }} }}',
        f'mutation {{ decideRequest(token: "{secret}", approve: true) {{ __typename }} }}',
    ):
        [result] = (await site.ask(document, {}))["data"].values()
        assert result == {"__typename": "NotFound"}
    for root_field in FIELD_LIST:
        if root_field.operation != "subscription" and FIELDS[root_field.name] is not Right.ANYONE:
            headers = {"Authorization": f"Bearer {secret}", "Cookie": f"seduce={secret}"}
            answer = await site.ask(root_field.document, headers)
            assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "document",
    [
        "{ access { publicRead } users { totalCount } }",
        "{ a: access { publicRead } b: users { totalCount } }",
        "query { ...F } fragment F on Query { ...G } fragment G on Query { users { totalCount } }",
        "{ ... { ... on Query { users { totalCount } } } }",
        "query Q($no: Boolean = false) { users @include(if: $no) { totalCount } }",
        "{ me { id } auditLog { entries { id } } }",
    ],
)
async def test_no_form_of_a_document_bypasses_the_rights(site: Site, document: str) -> None:
    answer = await site.ask(document, await site.cookie(await site.user()))
    assert [e["extensions"]["code"] for e in answer["errors"]] == ["FORBIDDEN"]
    assert answer["data"] is None


async def test_only_the_operation_that_runs_needs_rights(site: Site) -> None:
    document = "query A { access { publicRead } } query B { users { totalCount } }"
    for name, refused in (("A", False), ("B", True), ("A", False)):
        body = {"query": document, "operationName": name}
        answer = (await site.client.post("/graphql", json=body)).json()
        assert ("errors" in answer) == refused


async def test_a_subscription_ends_when_its_user_loses_the_right(site: Site) -> None:
    assert 2 * CHECK_INTERVAL_S <= 5, "a check and the close within 5 s"
    user = await site.user()
    headers = await site.cookie(user)
    async with connected(site.address, additional_headers=headers) as socket:
        await socket.subscribe("subscription { readings { snapshot } }")
        assert await socket.next() == {"readings": {"snapshot": True}}
        await site.accounts.users.deauthorize(user, OPERATOR)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.receive()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


async def test_a_connection_is_closed_when_rights_are_added(site: Site) -> None:
    user = await site.user()
    async with connected(site.address, additional_headers=await site.cookie(user)) as socket:
        await socket.subscribe("subscription { readings { snapshot } }")
        await socket.next()
        await site.accounts.users.set_admin(user, OPERATOR, admin=True)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.receive()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


async def test_a_websocket_accepts_a_token_at_its_start(site: Site) -> None:
    secret = (await site.token(await site.user(), TokenScope.READ))["Authorization"].removeprefix("Bearer ")
    async with connected(site.address, payload={"token": secret}) as socket:
        await socket.subscribe("subscription { readings { snapshot } }")
        assert await socket.next() == {"readings": {"snapshot": True}}
    for wrong in ("nonsense", "seduce_pat_" + "x" * 43, 17):
        with pytest.raises(websockets.ConnectionClosed) as closed:
            async with connected(site.address, payload={"token": wrong}):
                pass
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


async def test_public_reads_open_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_site(tmp_path, monkeypatch, public_read=True) as site:
        for root_field in FIELD_LIST:
            answer = await (site.watch if root_field.operation == "subscription" else site.ask)(
                root_field.document, {}
            )
            codes = {e.get("extensions", {}).get("code") for e in answer.get("errors") or ()}
            assert bool(codes & REFUSED) == (FIELDS[root_field.name] in (Right.ACCOUNT, Right.ADMIN)), (
                root_field.name
            )
        assert (await site.client.get("/export")).status_code == 200
