"""Accounts over GraphQL: cookies, result unions and the views of an administrator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from backend.accounts.log import OPERATOR
from backend.accounts.model import AuditKind
from backend.accounts.repository.audit import AuditFilter
from backend.core.rights import TokenScope
from tests.support.account_site import Site, running_site
from tests.support.accounts import ANNA, HERE, PASSWORD, links

LOG_IN = """mutation($email: String!, $password: String!) { logIn(email: $email, password: $password) {
  __typename ... on LoggedIn { user { email isAdmin state lastLogIn } } ... on Failure { message path } } }"""


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    async with running_site(tmp_path, monkeypatch) as result:
        yield result


async def post(
    site: Site, query: str, headers: dict[str, str] | None = None, **variables: Any
) -> httpx2.Response:
    return await site.client.post(
        "/graphql", json={"query": query, "variables": variables}, headers=headers or {}
    )


async def data(site: Site, query: str, headers: dict[str, str] | None = None, **variables: Any) -> Any:
    answer = (await post(site, query, headers, **variables)).json()
    assert "errors" not in answer, answer
    return answer["data"]


async def test_log_in_sets_the_session_cookie_and_log_out_deletes_it(site: Site) -> None:
    await site.accounts.users.add("anna@example.org", PASSWORD, admin=False, actor=OPERATOR)
    answer = await post(site, LOG_IN, email="Anna@example.org", password=PASSWORD)
    result = answer.json()["data"]["logIn"]
    assert result["__typename"] == "LoggedIn"
    assert result["user"]["email"] == "anna@example.org"
    cookie = answer.headers["set-cookie"]
    name, _, rest = cookie.partition("=")
    assert name == "seduce"
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Max-Age=43200"} <= set(rest.split("; "))
    assert "Secure" not in rest, "the connection is not TLS"
    assert "no-store" in answer.headers.get("cache-control", "no-store")
    assert (await data(site, "{ me { email } access { permissions byToken } }")) == {
        "me": {"email": "anna@example.org"},
        "access": {"permissions": ["READ", "EXPORT", "ACCOUNT"], "byToken": False},
    }
    out = await post(site, "mutation { logOut }")
    assert 'seduce=""' in out.headers["set-cookie"]
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert (await data(site, "{ me { email } access { permissions } }")) == {
        "me": None,
        "access": {"permissions": []},
    }


async def test_expected_failures_are_part_of_the_answer(site: Site) -> None:
    await site.accounts.users.add("anna@example.org", PASSWORD, admin=False, actor=OPERATOR)
    refused = await post(site, LOG_IN, email="anna@example.org", password="wrong")
    assert refused.json()["data"]["logIn"] == {
        "__typename": "NotAllowed",
        "message": "The e-mail address or the password is wrong.",
        "path": [],
    }
    assert "set-cookie" not in refused.headers
    sign_up = """mutation { signUp(email: "a@b.org", password: "short", lastName: "B") {
      __typename ... on Failure { message path } } }"""
    assert (await data(site, sign_up))["signUp"] == {
        "__typename": "InvalidInput",
        "message": "At least 12 characters. Use several uncommon words.",
        "path": ["password"],
    }
    for _ in range(9):
        await post(site, LOG_IN, email="anna@example.org", password="wrong")
    many = """mutation { logIn(email: "anna@example.org", password: "wrong") {
      __typename ... on TooManyAttempts { message retryAfterSeconds } } }"""
    result = (await data(site, many))["logIn"]
    assert result["__typename"] == "TooManyAttempts"
    assert 0 < result["retryAfterSeconds"] <= 900


async def test_over_tls_the_cookie_is_secure_and_bound_to_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a trusted proxy says it; nobody else's word about it counts."""
    proxy_headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
    for trusted, secure in (("127.0.0.1", True), ("10.0.0.0/8", False), ("", False)):
        folder = tmp_path / (trusted.replace("/", "-") or "none")
        async with running_site(folder, monkeypatch, trusted_proxies=trusted) as site:
            await site.accounts.users.add("anna@example.org", PASSWORD, admin=True, actor=OPERATOR)
            answer = await post(site, LOG_IN, proxy_headers, email="anna@example.org", password=PASSWORD)
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-seduce=" if secure else "seduce=")
            assert ("Secure" in cookie) == secure
            assert ("strict-transport-security" in answer.headers) == secure
            headers = proxy_headers | {"Cookie": cookie.partition(";")[0]}
            [session] = (await data(site, "{ mySessions { address current } }", headers))["mySessions"]
            assert session == {"address": "198.51.100.7" if secure else "127.0.0.1", "current": True}
            if secure:
                plain = {"Cookie": cookie.partition(";")[0]}
                assert (await data(site, "{ me { id } }", plain))["me"] is None


async def test_a_token_can_be_created_used_and_deleted(site: Site) -> None:
    headers = await site.cookie(await site.user())
    make = """mutation { createToken(name: "note book", scopes: [READ], days: 7) {
      ... on NewToken { secret token { id name scopes lastUsed expires created } } } }"""
    created = (await data(site, make, headers))["createToken"]
    bearer = {"Authorization": f"Bearer {created['secret']}"}
    assert (await data(site, "{ access { permissions byToken } sensors { totalCount } }", bearer))[
        "access"
    ] == {
        "permissions": ["READ"],
        "byToken": True,
    }
    [listed] = (await data(site, "{ myTokens { id name scopes lastUsed lastAddress } }", headers))["myTokens"]
    assert listed["lastUsed"] is not None
    assert listed["lastAddress"] == "127.0.0.1"
    assert created["secret"] not in str(listed)
    delete = "mutation($id: ID!) { deleteToken(id: $id) { __typename } }"
    assert (await data(site, delete, headers, id=listed["id"]))["deleteToken"] == {"__typename": "Done"}
    assert (await data(site, delete, headers, id=listed["id"]))["deleteToken"] == {"__typename": "NotFound"}
    assert (await post(site, "{ sensors { totalCount } }", bearer)).json()["errors"]


async def test_a_user_ends_sessions_changes_the_password_and_deletes_the_account(site: Site) -> None:
    user = await site.user()
    await site.user(admin=True)
    here, there = await site.cookie(user), await site.cookie(user)
    sessions = (await data(site, "{ mySessions { id current } }", here))["mySessions"]
    [other] = [s["id"] for s in sessions if not s["current"]]
    end = "mutation($id: ID!) { endSession(id: $id) { __typename } }"
    assert (await data(site, end, here, id=other))["endSession"] == {"__typename": "Done"}
    assert (await data(site, "{ me { id } }", there))["me"] is None
    await site.cookie(user)
    assert (await data(site, "mutation { endOtherSessions }", here))["endOtherSessions"] == 1
    change = f"""mutation {{ changePassword(currentPassword: "{PASSWORD}", newPassword: "violet.tractor.moth.4") {{
      __typename ... on Failure {{ message path }} }} }}"""
    assert (await data(site, change, here))["changePassword"] == {"__typename": "Done"}
    assert (await data(site, "{ me { id } }", here))["me"] is None
    new_session = await site.cookie(user)
    leave = 'mutation { deleteMyAccount(password: "violet.tractor.moth.4") { __typename } }'
    assert (await data(site, leave, new_session))["deleteMyAccount"] == {"__typename": "Done"}
    assert await site.accounts.users.find(user) is None


async def test_an_administrator_lists_users_decides_on_them_and_reads_the_audit_log(site: Site) -> None:
    admin = await site.user(admin=True)
    headers = await site.cookie(admin)
    await site.accounts.sign_ups.sign_up(ANNA, HERE)
    await site.accounts.outbox_sender.send_confirmations()
    await site.accounts.sign_ups.confirm(links(site.mailbox.take())["confirm"], PASSWORD, HERE)
    listed = """query($after: String) { users(first: 1, after: $after) {
      totalCount edges { cursor node { id email state } } pageInfo { hasNextPage endCursor } } }"""
    first = (await data(site, listed, headers))["users"]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (2, True)
    second = (await data(site, listed, headers, after=first["pageInfo"]["endCursor"]))["users"]
    nodes = {e["node"]["email"]: e["node"] for e in (*first["edges"], *second["edges"])}
    anna = nodes["anna@example.org"]
    assert anna["state"] == "CONFIRMED"
    steps = (
        ("approveUser", "AUTHORIZED"),
        ("deauthorizeUser", "UNAUTHORIZED"),
        ("approveUser", None),
        ("reauthorizeUser", "AUTHORIZED"),
        ("promoteUser", "AUTHORIZED"),
        ("promoteUser", None),
        ("demoteUser", "AUTHORIZED"),
    )
    for name, state in steps:
        document = f"mutation($id: ID!) {{ {name}(id: $id) {{ __typename ... on User {{ state }} }} }}"
        result = (await data(site, document, headers, id=anna["id"]))[name]
        assert result == ({"__typename": "User", "state": state} if state else {"__typename": "Conflict"}), (
            name
        )
    log = """query($kinds: [AuditKind!], $user: ID, $first: Int, $after: String) {
      auditLog(kinds: $kinds, user: $user, first: $first, after: $after) {
        entries { kind actor { email } subject { email } address details { name value } }
        pageInfo { hasNextPage endCursor } } }"""
    page = (await data(site, log, headers, kinds=["PROMOTED", "DEMOTED"]))["auditLog"]
    assert [e["kind"] for e in page["entries"]] == ["DEMOTED", "PROMOTED"]
    assert page["entries"][0]["subject"] == {"email": "anna@example.org"}
    assert page["entries"][0]["actor"] == {"email": "user1@example.org"}
    assert page["entries"][0]["address"] == "127.0.0.1"
    entries, after = [], None
    while True:
        page = (await data(site, log, headers, user=anna["id"], first=3, after=after))["auditLog"]
        entries += page["entries"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert entries[-1]["kind"] == "SIGNED_UP"
    assert len(entries) > 6
    for wrong in ({"first": 0}, {"first": 201}, {"after": "x"}):
        assert (await post(site, log, headers, **wrong)).json()["errors"][0]["extensions"][
            "code"
        ] == "BAD_USER_INPUT"


async def test_device_keys_are_created_listed_and_deleted(site: Site) -> None:
    headers = await site.cookie(await site.user(admin=True))
    make = """mutation($network: String!) { createDeviceKey(name: "pdu", network: $network) {
      __typename ... on NewDeviceKey { secret key { id name network lastUsed } } ... on Failure { path } } }"""
    assert (await data(site, make, headers, network="nonsense"))["createDeviceKey"]["path"] == ["network"]
    created = (await data(site, make, headers, network="10.0.0.0/8"))["createDeviceKey"]
    assert (await data(site, make, headers, network=""))["createDeviceKey"]["__typename"] == "Conflict"
    [listed] = (await data(site, "{ deviceKeys { id name network lastUsed } }", headers))["deviceKeys"]
    assert listed == created["key"]
    delete = "mutation($id: ID!) { deleteDeviceKey(id: $id) { __typename } }"
    assert (await data(site, delete, headers, id=listed["id"]))["deleteDeviceKey"] == {"__typename": "Done"}


async def test_log_in_over_a_websocket_or_by_a_form_is_refused(site: Site) -> None:
    await site.accounts.users.add("anna@example.org", PASSWORD, admin=True, actor=OPERATOR)
    headers = await site.cookie(await site.user())
    document = f'mutation {{ logIn(email: "anna@example.org", password: "{PASSWORD}") {{ __typename }} }}'
    answer = await site.watch(document, headers)
    assert answer["data"] == {"logIn": {"__typename": "Conflict"}}
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        sent = await site.client.post(
            "/graphql", content=b'{"query": "{ me { id } }"}', headers={"Content-Type": kind}
        )
        assert sent.status_code in (400, 415)
    answer = await site.client.get("/graphql", params={"query": "mutation { logOut }"})
    assert answer.status_code >= 400


async def test_a_refusal_does_not_reveal_whether_an_object_exists(site: Site) -> None:
    """A refusal comes before anything is looked up: it is the same for what is there and what is not."""
    admin = await site.user(admin=True)
    answers = set()
    for user_id in (admin, "nobody"):
        answer = (await post(site, "query($id: ID!) { user(id: $id) { email } }", None, id=user_id)).json()
        answers.add(str(answer))
    assert len(answers) == 1


async def test_corrections_are_written_to_the_audit_log_first(site: Site) -> None:
    token = await site.token(await site.user(admin=True), TokenScope.READ, TokenScope.ADMIN)
    for document in (
        'mutation { clearSensorErrors(sensors: ["front1"]) { __typename } }',
        'mutation { mendContinuousQueries(names: ["cq_datacenter_1h"]) { __typename } }',
        'mutation { cancelJob(id: "1") { __typename } }',
        'mutation { createJobs(input: {nodes: ["datacenter"]}, dryRun: true) { __typename } }',
    ):
        await data(site, document, token)
    log = await site.accounts.audit.page(AuditFilter((AuditKind.CORRECTION,)), 10)
    assert [(event.detail["what"], event.detail["of"]) for event in reversed(log)] == [
        ("clearSensorErrors", "front1"),
        ("mendContinuousQueries", "cq_datacenter_1h"),
        ("cancelJob", "1"),
    ]
