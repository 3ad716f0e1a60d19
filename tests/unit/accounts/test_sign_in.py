"""Log-in, sessions, and the principal of a request."""

from __future__ import annotations

import asyncio

import pytest

from backend.accounts import connection_rights
from backend.accounts.errors import LogInRefused, NotFound
from backend.accounts.log import OPERATOR
from backend.accounts.model import AuditKind
from backend.accounts.passwords import Passwords
from backend.core.errors import TooManyAttempts, TransientError
from backend.core.rights import ANONYMOUS, Credential, Right
from tests.support.accounts import HERE, OTHER_PASSWORD, PASSWORD, AccountBench


async def test_a_log_in_starts_a_session(bench: AccountBench) -> None:
    user = await bench.user()
    cookie = await bench.log_in("USER@example.org ")
    who = await bench.accounts.sign_ins.authenticate_cookie(cookie)
    assert (who.user_id, who.is_admin, who.credential) == (user.id, False, Credential.SESSION)
    assert who.has(Right.READ, public_read=False)
    assert who.has(Right.ACCOUNT, public_read=False)
    assert not who.has(Right.ADMIN, public_read=False)
    assert await bench.accounts.sign_ins.authenticate_cookie("something else") == ANONYMOUS
    [session] = await bench.accounts.sign_ins.list_sessions(user.id)
    assert (session.address, session.agent) == (HERE, "test")
    stored = await bench.accounts.users.find(user.id)
    assert stored is not None
    assert stored.login_ns == bench.clock.now_ns()


async def test_a_log_in_rotates_the_session(bench: AccountBench) -> None:
    user = await bench.user()
    old = await bench.log_in(user.email)
    new = (await bench.accounts.sign_ins.log_in(user.email, PASSWORD, HERE, "test", old)).secret
    assert new != old
    assert await bench.accounts.sign_ins.authenticate_cookie(old) == ANONYMOUS
    assert (await bench.accounts.sign_ins.authenticate_cookie(new)).is_authenticated


async def test_wrong_address_and_wrong_password_look_the_same(bench: AccountBench) -> None:
    user = await bench.user()
    messages = []
    for email, password in ((user.email, OTHER_PASSWORD), ("nobody@example.org", PASSWORD)):
        with pytest.raises(LogInRefused) as refused:
            await bench.log_in(email, password)
        messages.append(str(refused.value))
    assert messages[0] == messages[1]
    assert len(bench.slept) == 2
    failed = await bench.audited(AuditKind.LOG_IN_FAILED)
    assert [(e.subject_id, e.detail["why"], e.address) for e in failed] == [
        (user.id, "password", HERE),
        ("", "unknown", HERE),
    ]
    assert "nobody" not in repr(failed), "an unknown address is not stored: it may be a password"


async def test_the_same_work_is_done_for_an_unknown_address(
    bench: AccountBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []
    whole = Passwords._verify

    def counted(self: Passwords, password: str, known: str) -> bool:
        verified.append(known[:9])
        return whole(self, password, known)

    monkeypatch.setattr(Passwords, "_verify", counted)
    user = await bench.user()
    for email in (user.email, "nobody@example.org"):
        with pytest.raises(LogInRefused):
            await bench.log_in(email, OTHER_PASSWORD)
    assert verified == ["$argon2id", "$argon2id"]


async def test_guessing_is_limited_per_account_from_all_addresses(bench: AccountBench) -> None:
    user = await bench.user()
    for attempt in range(10):
        with pytest.raises(LogInRefused):
            await bench.accounts.sign_ins.log_in(user.email, OTHER_PASSWORD, f"10.0.0.{attempt}", "")
    with pytest.raises(TooManyAttempts):
        await bench.accounts.sign_ins.log_in(user.email, PASSWORD, "10.0.1.1", "")
    bench.clock.advance(901)
    assert await bench.log_in(user.email)


async def test_guessing_is_limited_per_address_for_all_accounts(bench: AccountBench) -> None:
    """An IPv6 network counts as one address, because one host can use all of its addresses."""
    sign_ins = bench.accounts.sign_ins
    for attempt in range(100):
        with pytest.raises(LogInRefused):
            await sign_ins.log_in(f"user{attempt}@example.org", PASSWORD, f"2001:db8::{attempt:x}", "")
    user = await bench.user()
    with pytest.raises(TooManyAttempts):
        await sign_ins.log_in(user.email, PASSWORD, "2001:db8::ffff", "")
    assert (await sign_ins.log_in(user.email, PASSWORD, "2001:db8:1::1", "")).secret


async def test_a_log_in_that_succeeds_forgets_the_failures(bench: AccountBench) -> None:
    user = await bench.user()
    for _ in range(3):
        for _ in range(7):
            with pytest.raises(LogInRefused):
                await bench.accounts.sign_ins.log_in(user.email, OTHER_PASSWORD, "", "")
            await bench.rates.forget("log-in:")
        assert await bench.log_in(user.email)


async def test_sessions_end_by_idleness_and_by_age(bench: AccountBench) -> None:
    user = await bench.user()
    cookie = await bench.log_in(user.email)
    bench.clock.advance(29 * 60)
    assert (await bench.accounts.sign_ins.authenticate_cookie(cookie)).is_authenticated
    bench.clock.advance(30 * 60)
    assert await bench.accounts.sign_ins.authenticate_cookie(cookie) == ANONYMOUS
    cookie = await bench.log_in(user.email)
    for _ in range(12 * 3 - 1):
        bench.clock.advance(20 * 60)
        assert (await bench.accounts.sign_ins.authenticate_cookie(cookie)).is_authenticated
    bench.clock.advance(20 * 60)
    assert await bench.accounts.sign_ins.authenticate_cookie(cookie) == ANONYMOUS


async def test_a_user_sees_and_ends_its_sessions_and_no_others(bench: AccountBench) -> None:
    user, other = await bench.user(), await bench.user("other@example.org")
    mine, also_mine, others = [await bench.log_in(e) for e in (user.email, user.email, other.email)]
    sign_ins = bench.accounts.sign_ins
    foreign = (await sign_ins.list_sessions(other.id))[0]
    with pytest.raises(NotFound):
        await sign_ins.end_session(foreign.id, user.id, HERE)
    who = await sign_ins.authenticate_cookie(mine)
    assert await sign_ins.end_other_sessions(who, HERE) == 1
    assert await sign_ins.authenticate_cookie(also_mine) == ANONYMOUS
    assert (await sign_ins.authenticate_cookie(others)).is_authenticated
    await sign_ins.log_out(who, HERE)
    assert await sign_ins.authenticate_cookie(mine) == ANONYMOUS


async def test_deauthorization_ends_sessions_at_once(bench: AccountBench) -> None:
    user = await bench.user()
    cookie = await bench.log_in(user.email)
    await bench.accounts.users.deauthorize(user.id, OPERATOR)
    assert await bench.accounts.sign_ins.authenticate_cookie(cookie) == ANONYMOUS
    with pytest.raises(LogInRefused, match="not authorized"):
        await bench.log_in(user.email)


async def test_secrets_are_stored_as_hashes(bench: AccountBench) -> None:
    user = await bench.user()
    cookie = await bench.log_in(user.email)
    assert user.password_hash.startswith("$argon2id$")
    async with bench.store.begin() as repo:
        assert await repo.sessions.find_by_secret(cookie) is None


async def test_open_connections_are_flagged_when_their_rights_change(bench: AccountBench) -> None:
    admin, user = await bench.admin(), await bench.user()
    cookies = [await bench.log_in(u.email) for u in (admin, user)]
    boss, reader = [await bench.accounts.sign_ins.authenticate_cookie(c) for c in cookies]
    rights = bench.accounts.connection_rights
    with (
        rights.watch(boss) as over_boss,
        rights.watch(reader) as over_reader,
        rights.watch(ANONYMOUS) as over_none,
    ):
        await rights.check_all()
        assert not over_boss.changed.is_set()
        assert not over_reader.changed.is_set()
        await bench.accounts.users.deauthorize(user.id, OPERATOR)
        await bench.accounts.users.set_admin((await bench.user("new@example.org")).id, OPERATOR, admin=True)
        await bench.accounts.users.set_admin(admin.id, OPERATOR, admin=False)
        await rights.check_all()
        assert over_reader.changed.is_set()
        assert over_reader.reason.value == "invalid"
        assert over_boss.reason.value == "changed"
        assert not over_none.changed.is_set()


async def test_an_open_connection_counts_as_use(bench: AccountBench) -> None:
    user = await bench.user()
    cookie = await bench.log_in(user.email)
    who = await bench.accounts.sign_ins.authenticate_cookie(cookie)
    with bench.accounts.connection_rights.watch(who) as watched:
        for _ in range(3):
            bench.clock.advance(20 * 60)
            await bench.accounts.connection_rights.check_all()
        assert not watched.changed.is_set()
    assert (await bench.accounts.sign_ins.authenticate_cookie(cookie)).is_authenticated


async def test_connections_end_if_rights_cannot_be_checked_for_long(
    bench: AccountBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_rights, "CHECK_INTERVAL_S", 0.001)
    user = await bench.user()
    who = await bench.accounts.sign_ins.authenticate_cookie(await bench.log_in(user.email))

    async def away() -> None:
        raise TransientError("no database")

    monkeypatch.setattr(bench.accounts.connection_rights, "check_all", away)
    looking = asyncio.create_task(bench.accounts.connection_rights.run())
    with bench.accounts.connection_rights.watch(who) as watched:
        await asyncio.wait_for(watched.changed.wait(), 10)
    looking.cancel()
