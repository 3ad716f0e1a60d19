"""Personal tokens and device keys."""

from __future__ import annotations

import pytest
from starlette.types import Message, Receive, Send
from starlette.types import Scope as AsgiScope

from backend.accounts.device_keys import DeviceKeyCache
from backend.accounts.errors import Conflict, InvalidInput, NotFound
from backend.accounts.log import OPERATOR, Actor
from backend.accounts.model import AuditKind
from backend.core.asgi import send_json
from backend.core.rights import ANONYMOUS, Credential, Right, TokenScope
from backend.ingest.keys import CombinedKeys, ConfiguredKeys, DeviceAuth, Networks, generate_key
from tests.support.accounts import HERE, AccountBench

DAY = 86_400


async def test_a_token_authenticates_its_user(bench: AccountBench) -> None:
    user = await bench.user()
    token, secret = await bench.accounts.tokens.create("note book", {TokenScope.READ}, 30, Actor(user.id))
    assert secret.startswith("seduce_pat_")
    who = await bench.accounts.sign_ins.authenticate_token(secret, HERE)
    assert (who.user_id, who.credential, who.scopes) == (user.id, Credential.TOKEN, {TokenScope.READ})
    assert who.has(Right.READ, public_read=False)
    assert not who.has(Right.EXPORT, public_read=False)
    assert not who.has(Right.ACCOUNT, public_read=False)
    [stored] = await bench.accounts.tokens.list_for_user(user.id)
    assert (stored.id, stored.used_ns, stored.address) == (token.id, bench.clock.now_ns(), HERE)
    assert secret not in repr(stored)
    for wrong in ("", secret + "x", secret[11:], "seduce_pat_", "seduce_pat_" + "ä" * 200):
        assert await bench.accounts.sign_ins.authenticate_token(wrong, HERE) == ANONYMOUS


async def test_a_token_ends_by_expiry_deletion_and_deauthorization(bench: AccountBench) -> None:
    user, sign_ins = await bench.user(), bench.accounts.sign_ins
    actor = Actor(user.id)
    _, short = await bench.accounts.tokens.create("short", {TokenScope.READ}, 1, actor)
    long, secret = await bench.accounts.tokens.create("long", {TokenScope.READ}, 366, actor)
    bench.clock.advance(DAY - 1)
    assert (await sign_ins.authenticate_token(short, HERE)).is_authenticated
    bench.clock.advance(1)
    assert await sign_ins.authenticate_token(short, HERE) == ANONYMOUS
    await bench.accounts.users.deauthorize(user.id, OPERATOR)
    assert await sign_ins.authenticate_token(secret, HERE) == ANONYMOUS
    await bench.accounts.users.reauthorize(user.id, OPERATOR)
    assert (await sign_ins.authenticate_token(secret, HERE)).is_authenticated
    with pytest.raises(NotFound):
        await bench.accounts.tokens.delete(long.id, Actor((await bench.admin()).id))
    await bench.accounts.tokens.delete(long.id, actor)
    assert await sign_ins.authenticate_token(secret, HERE) == ANONYMOUS


async def test_the_scope_admin_is_for_current_administrators(bench: AccountBench) -> None:
    await bench.admin("first@example.org")
    admin, user = await bench.admin(), await bench.user()
    with pytest.raises(InvalidInput) as refused:
        await bench.accounts.tokens.create("t", {TokenScope.ADMIN}, 1, Actor(user.id))
    assert refused.value.path == ("scopes",)
    _, secret = await bench.accounts.tokens.create("t", {TokenScope.ADMIN}, 1, Actor(admin.id))
    _, plain = await bench.accounts.tokens.create("p", {TokenScope.READ}, 1, Actor(admin.id))
    sign_ins = bench.accounts.sign_ins
    assert (await sign_ins.authenticate_token(secret, HERE)).has(Right.ADMIN, public_read=False)
    assert not (await sign_ins.authenticate_token(plain, HERE)).has(Right.ADMIN, public_read=False)
    await bench.accounts.users.set_admin(admin.id, OPERATOR, admin=False)
    assert not (await sign_ins.authenticate_token(secret, HERE)).has(Right.ADMIN, public_read=False)


@pytest.mark.parametrize(
    "where, name, scopes, days",
    [
        ("name", " ", {TokenScope.READ}, 1),
        ("scopes", "t", set(), 1),
        ("days", "t", {TokenScope.READ}, 0),
        ("days", "t", {TokenScope.READ}, 367),
    ],
)
async def test_invalid_tokens_name_the_field(
    bench: AccountBench, where: str, name: str, scopes: set[TokenScope], days: int
) -> None:
    user = await bench.user()
    with pytest.raises(InvalidInput) as refused:
        await bench.accounts.tokens.create(name, scopes, days, Actor(user.id))
    assert refused.value.path == (where,)


async def test_the_use_of_a_token_is_logged_when_it_begins_and_from_elsewhere(bench: AccountBench) -> None:
    user = await bench.user()
    _, secret = await bench.accounts.tokens.create("t", {TokenScope.READ}, 1, Actor(user.id))
    for seconds, address in (
        (0, HERE),
        (1, HERE),
        (1, "198.51.100.1"),
        (61, "198.51.100.1"),
        (3601, "198.51.100.1"),
    ):
        bench.clock.advance(seconds)
        await bench.accounts.sign_ins.authenticate_token(secret, address)
    used = await bench.audited(AuditKind.TOKEN_USED)
    assert [e.address for e in used] == [HERE, "198.51.100.1", "198.51.100.1"]


async def test_a_device_key_is_valid_from_its_network_only(bench: AccountBench) -> None:
    keys = bench.accounts.keys
    with pytest.raises(InvalidInput):
        await keys.create("with space", "", OPERATOR)
    with pytest.raises(InvalidInput):
        await keys.create("pdu", "10.0.0.1/8", OPERATOR)
    key, secret = await keys.create("pdu", "10.0.0.0/8", OPERATOR)
    _, free = await keys.create("anywhere", "", OPERATOR)
    with pytest.raises(Conflict):
        await keys.create("pdu", "", OPERATOR)
    cache = DeviceKeyCache(bench.store, bench.clock)
    assert len(cache) == 1, "before the first read, an endpoint must not assume that there are no keys"
    assert cache.owner(secret.encode(), "10.1.1.1") is None
    await cache.refresh()
    assert len(cache) == 2
    assert cache.owner(secret.encode(), "10.1.1.1") == "pdu"
    assert cache.owner(secret.encode(), "::ffff:10.1.1.1") == "pdu"
    assert cache.owner(secret.encode(), "192.0.2.1") is None
    assert cache.owner(secret.encode(), "") is None
    assert cache.owner(free.encode(), "192.0.2.1") == "anywhere"
    assert cache.owner(b"something", "10.1.1.1") is None
    await cache.refresh()
    assert {k.name: k.used_ns for k in await keys.list_all()} == dict.fromkeys(
        ("pdu", "anywhere"), bench.clock.now_ns()
    )
    await keys.delete(key.id, OPERATOR)
    await cache.refresh()
    assert cache.owner(secret.encode(), "10.1.1.1") is None
    with pytest.raises(NotFound):
        await keys.delete(key.id, OPERATOR)
    assert [e.detail["key"] for e in await bench.audited(AuditKind.KEY_MADE, AuditKind.KEY_DELETED)] == [
        "pdu",
        "anywhere",
        "pdu",
    ]


async def test_this_machine_is_trusted_only_while_there_is_no_key_anywhere(bench: AccountBench) -> None:
    cache = DeviceKeyCache(bench.store, bench.clock)
    await cache.refresh()

    async def answer(scope: AsgiScope, receive: Receive, send: Send) -> None:
        await send_json(send, 200, b"{}")

    async def no_body() -> Message:
        raise AssertionError

    async def status(guard: DeviceAuth, secret: str = "") -> int:
        messages: list[Message] = []

        async def send(message: Message) -> None:
            messages.append(message)

        headers = [(b"authorization", f"Bearer {secret}".encode())]
        scope = {"type": "http", "path": "/ingest", "client": ("127.0.0.1", 1), "headers": headers}
        await guard(scope, no_body, send)
        return messages[0]["status"]

    guard = DeviceAuth(
        answer, CombinedKeys(ConfiguredKeys.load(""), cache), Networks.none(), Networks.loopback()
    )
    assert await status(guard) == 200
    _, secret = await bench.accounts.keys.create("pdu", "", OPERATOR)
    await cache.refresh()
    assert await status(guard) == 401
    assert await status(guard, secret) == 200
    key, entry = generate_key("settings")
    both = DeviceAuth(
        answer, CombinedKeys(ConfiguredKeys.load(entry), cache), Networks.none(), Networks.loopback()
    )
    assert [await status(both, s) for s in (key, secret, "x")] == [200, 200, 401]
