"""Changes of users by administrators and operators, and by users."""

from __future__ import annotations

import asyncio

import pytest

from backend.accounts.errors import Conflict, InvalidInput, NotFound
from backend.accounts.log import OPERATOR, Actor
from backend.accounts.model import AuditKind, UserState
from backend.accounts.repository.users import UserFilter
from backend.core.errors import TooManyAttempts
from backend.core.rights import ANONYMOUS, TokenScope
from tests.support.accounts import ANNA, HERE, OTHER_PASSWORD, PASSWORD, AccountBench


async def test_an_operator_adds_an_authorized_user_by_the_same_transitions(bench: AccountBench) -> None:
    user = await bench.accounts.users.add("a@b.org", PASSWORD, admin=True, actor=OPERATOR, name="A")
    assert (user.state, user.is_admin) == (UserState.AUTHORIZED, True)
    events = [e.detail["event"] for e in await bench.audited(AuditKind.STATE_CHANGED)]
    assert events == ["email_sent", "confirm_email", "notify_admin", "approve"]
    with pytest.raises(Conflict):
        await bench.accounts.users.add("A@b.org", PASSWORD, admin=False, actor=OPERATOR)
    with pytest.raises(InvalidInput):
        await bench.accounts.users.add("c@b.org", "a", admin=False, actor=OPERATOR)


async def test_only_a_waiting_user_can_be_approved(bench: AccountBench) -> None:
    admin, users = await bench.admin(), bench.accounts.users
    anna, actor = await bench.confirm(), Actor(admin.id, HERE)
    with pytest.raises(Conflict, match="confirmed"):
        await users.deauthorize(anna.id, actor)
    assert (await users.decide(anna.id, approve=True, actor=actor)).state is UserState.AUTHORIZED
    for approve in (True, False):
        with pytest.raises(Conflict):
            await users.decide(anna.id, approve=approve, actor=actor)
    with pytest.raises(Conflict):
        await users.reauthorize(anna.id, actor)
    assert (await users.deauthorize(anna.id, actor)).state is UserState.UNAUTHORIZED
    assert (await users.reauthorize(anna.id, actor)).state is UserState.AUTHORIZED
    with pytest.raises(NotFound):
        await users.reauthorize("nobody", actor)


async def test_the_last_administrator_stays(bench: AccountBench) -> None:
    admin, users = await bench.admin(), bench.accounts.users
    other = await bench.user()
    for attempt in (
        lambda: users.set_admin(admin.id, OPERATOR, admin=False),
        lambda: users.delete(admin.id, OPERATOR),
        lambda: users.deauthorize(admin.id, OPERATOR),
    ):
        with pytest.raises(Conflict, match="only administrator"):
            await attempt()
    await users.set_admin(other.id, OPERATOR, admin=True)
    await users.deauthorize(other.id, OPERATOR)
    with pytest.raises(Conflict, match="only administrator"):
        await users.delete(admin.id, OPERATOR)
    await users.reauthorize(other.id, OPERATOR)
    await users.delete(admin.id, OPERATOR)
    assert await users.find(admin.id) is None


async def test_two_administrators_who_demote_each_other_at_once_leave_one(bench: AccountBench) -> None:
    one, two = await bench.admin(), await bench.admin("two@example.org")
    users = bench.accounts.users
    outcomes = await asyncio.gather(
        users.set_admin(two.id, Actor(one.id), admin=False),
        users.set_admin(one.id, Actor(two.id), admin=False),
        return_exceptions=True,
    )
    assert sorted(isinstance(o, Conflict) for o in outcomes) == [False, True]
    async with bench.store.begin() as repo:
        assert len(await repo.users.list_admins()) == 1


async def test_only_an_authorized_user_is_promoted(bench: AccountBench) -> None:
    anna, users = await bench.confirm(), bench.accounts.users
    with pytest.raises(Conflict, match="authorized"):
        await users.set_admin(anna.id, OPERATOR, admin=True)
    user = await bench.user()
    assert (await users.set_admin(user.id, OPERATOR, admin=True)).is_admin
    with pytest.raises(Conflict, match="already"):
        await users.set_admin(user.id, OPERATOR, admin=True)


async def test_a_deleted_user_is_gone_with_all_data(bench: AccountBench) -> None:
    await bench.admin()
    user = await bench.user()
    cookie = await bench.log_in(user.email)
    _, token = await bench.accounts.tokens.create("t", {TokenScope.READ}, 1, Actor(user.id))
    await bench.accounts.sign_ups.request_password_reset(user.email, HERE)
    await bench.accounts.users.delete(user.id, OPERATOR)
    assert await bench.accounts.sign_ins.authenticate_cookie(cookie) == ANONYMOUS
    assert await bench.accounts.sign_ins.authenticate_token(token, HERE) == ANONYMOUS
    async with bench.store.begin() as repo:
        assert await repo.sessions.list_for_user(user.id) == []
        assert await repo.tokens.list_for_user(user.id) == []
        assert await repo.outbox.list_all() == []
    events = await bench.audited()
    assert events[-1].kind is AuditKind.USER_DELETED
    assert user.email not in repr(events), "the log names users by ids, which lead nowhere now"


async def test_a_password_change_requires_the_old_password(bench: AccountBench) -> None:
    user = await bench.user()
    cookie = await bench.log_in(user.email)
    users, actor = bench.accounts.users, Actor(user.id, HERE)
    with pytest.raises(InvalidInput) as refused:
        await users.change_password(user.id, OTHER_PASSWORD, OTHER_PASSWORD, actor)
    assert refused.value.path == ("currentPassword",)
    with pytest.raises(InvalidInput) as refused:
        await users.change_password(user.id, PASSWORD, "user@example.org", actor)
    assert refused.value.path == ("newPassword",)
    await users.change_password(user.id, PASSWORD, OTHER_PASSWORD, actor)
    assert await bench.accounts.sign_ins.authenticate_cookie(cookie) == ANONYMOUS
    assert await bench.log_in(user.email, OTHER_PASSWORD)
    await bench.accounts.outbox_sender.send_confirmations()
    mail = bench.mailbox.take()
    assert (mail.to, "password was changed" in mail.subject) == (user.email, True)
    assert OTHER_PASSWORD not in mail.text


async def test_guessing_the_password_in_an_open_session_is_limited(bench: AccountBench) -> None:
    user = await bench.user()
    for _ in range(10):
        with pytest.raises(InvalidInput):
            await bench.accounts.users.verify_password(user.id, OTHER_PASSWORD, "password")
    with pytest.raises(TooManyAttempts):
        await bench.accounts.users.verify_password(user.id, PASSWORD, "password")


async def test_a_profile_takes_names_and_a_picture(bench: AccountBench) -> None:
    user = await bench.user()
    users, actor = bench.accounts.users, Actor(user.id)
    changed = await users.change_profile(
        user.id, "  Anna  Maria ", "Lind", "https://example.org/a.png", actor
    )
    assert (changed.first_name, changed.last_name) == ("Anna Maria", "Lind")
    for picture in ("http://example.org/a.png", "javascript:alert(1)", "https://", "https://[", "x" * 600):
        with pytest.raises(InvalidInput) as refused:
            await users.change_profile(user.id, "", "", picture, actor)
        assert refused.value.path == ("pictureUrl",)


async def test_users_are_found_by_state_and_words(bench: AccountBench) -> None:
    await bench.admin()
    bench.clock.advance(1)
    await bench.confirm()
    for which, emails in (
        (UserFilter(), ["admin@example.org", ANNA.email]),
        (UserFilter(UserState.CONFIRMED), [ANNA.email]),
        (UserFilter(search="lind ANNA"), [ANNA.email]),
        (UserFilter(search="%"), []),
        (UserFilter(search="anna nobody"), []),
    ):
        users, total = await bench.accounts.users.page(which, 10, 0)
        assert [user.email for user in users] == emails
        assert total == len(emails)
    users, total = await bench.accounts.users.page(UserFilter(), 1, 1)
    assert ([user.email for user in users], total) == ([ANNA.email], 2)
