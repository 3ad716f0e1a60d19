"""Sign-up, confirmation, approval and password reset by mailed links."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.accounts.errors import Conflict, InvalidInput, InvalidLink, LogInRefused
from backend.accounts.log import OPERATOR
from backend.accounts.model import AuditKind, Purpose, UserState
from backend.accounts.rates import MIN_ANSWER_S
from backend.accounts.repository.users import UserFilter
from backend.accounts.rules import CONFIRM_LINK_NS, DECIDE_LINK_NS, RESET_LINK_NS
from backend.core.errors import TooManyAttempts
from backend.core.rights import ANONYMOUS
from tests.support.accounts import ANNA, HERE, OTHER_PASSWORD, PASSWORD, AccountBench, links


async def test_from_sign_up_to_the_first_log_in(bench: AccountBench) -> None:
    one, two = await bench.admin(), await bench.admin("second@example.org")
    await bench.accounts.sign_ups.sign_up(ANNA, HERE)
    users = bench.accounts.users
    assert (await users.find_by_email("ANNA@example.org")).state is UserState.CREATED
    assert await bench.accounts.outbox_sender.send_confirmations() == 1
    assert (await users.find_by_email(ANNA.email)).state is UserState.WAITING_CONFIRMATION_EMAIL
    mail = bench.mailbox.take()
    assert mail.to == ANNA.email
    secret = links(mail)["confirm"]
    assert (await bench.accounts.sign_ups.find_link(secret, HERE)).purpose is Purpose.CONFIRM
    await bench.accounts.sign_ups.confirm(secret, PASSWORD, HERE)
    assert (await users.find_by_email(ANNA.email)).state is UserState.CONFIRMED
    assert await bench.accounts.outbox_sender.send_authorizations() == 2
    assert (await users.find_by_email(ANNA.email)).state is UserState.WAITING_AUTHORIZATION
    requests = {m.to: links(m) for m in (bench.mailbox.take(), bench.mailbox.take())}
    assert set(requests) == {one.email, two.email}
    mine = requests[one.email]
    assert set(mine) == {"approve", "disapprove"}
    with pytest.raises(LogInRefused, match="awaiting approval"):
        await bench.log_in(ANNA.email)
    link = await bench.accounts.sign_ups.find_link(mine["approve"], HERE)
    assert (link.purpose, link.user.email) == (Purpose.DECIDE, ANNA.email)
    decided = await bench.accounts.sign_ups.decide(mine["approve"], approve=True, address=HERE)
    assert decided.state is UserState.AUTHORIZED
    await bench.accounts.outbox_sender.send_authorizations()
    assert "is approved" in bench.mailbox.take().subject
    assert bench.mailbox.mails == []
    assert await bench.log_in(ANNA.email)
    by = [e.actor_id for e in await bench.audited(AuditKind.STATE_CHANGED) if e.detail["event"] == "approve"]
    assert by[-1] == one.id


async def test_one_decision_invalidates_all_links_about_it(bench: AccountBench) -> None:
    await bench.admin()
    await bench.admin("second@example.org")
    await bench.confirm()
    await bench.accounts.outbox_sender.send_authorizations()
    first, second = (links(bench.mailbox.take()) for _ in range(2))
    user = await bench.accounts.sign_ups.decide(first["disapprove"], approve=False, address=HERE)
    assert user.state is UserState.UNAUTHORIZED
    for secret in (first["approve"], first["disapprove"], second["approve"]):
        with pytest.raises(InvalidLink):
            await bench.accounts.sign_ups.decide(secret, approve=True, address=HERE)
    await bench.accounts.outbox_sender.send_authorizations()
    assert "rejected" in bench.mailbox.take().text


async def test_the_link_of_a_former_administrator_decides_nothing(bench: AccountBench) -> None:
    await bench.admin()
    former = await bench.admin("second@example.org")
    await bench.confirm()
    await bench.accounts.outbox_sender.send_authorizations()
    mails = {m.to: links(m) for m in bench.mailbox.mails}
    await bench.accounts.users.set_admin(former.id, OPERATOR, admin=False)
    with pytest.raises(Conflict, match="no longer an administrator"):
        await bench.accounts.sign_ups.decide(mails[former.email]["approve"], approve=True, address=HERE)


async def test_confirmation_requires_the_password_of_the_sign_up(bench: AccountBench) -> None:
    await bench.accounts.sign_ups.sign_up(ANNA, HERE)
    await bench.accounts.outbox_sender.send_confirmations()
    secret = links(bench.mailbox.take())["confirm"]
    with pytest.raises(InvalidInput, match="password is wrong"):
        await bench.accounts.sign_ups.confirm(secret, OTHER_PASSWORD, HERE)
    await bench.accounts.sign_ups.confirm(secret, PASSWORD, HERE)
    with pytest.raises(InvalidLink):
        await bench.accounts.sign_ups.confirm(secret, PASSWORD, HERE)


async def test_a_second_sign_up_replaces_an_unconfirmed_one(
    bench: AccountBench,
) -> None:
    await bench.accounts.sign_ups.sign_up(ANNA, HERE)
    await bench.accounts.outbox_sender.send_confirmations()
    old = links(bench.mailbox.take())["confirm"]
    await bench.accounts.sign_ups.sign_up(replace(ANNA, password=OTHER_PASSWORD), HERE)
    await bench.accounts.outbox_sender.send_confirmations()
    new = links(bench.mailbox.take())["confirm"]
    with pytest.raises(InvalidLink):
        await bench.accounts.sign_ups.confirm(old, PASSWORD, HERE)
    await bench.accounts.sign_ups.confirm(new, OTHER_PASSWORD, HERE)


async def test_a_confirmation_before_the_mail_is_recorded_as_sent(bench: AccountBench) -> None:
    await bench.accounts.sign_ups.sign_up(ANNA, HERE)
    await bench.accounts.outbox_sender.send_confirmations()
    user = await bench.accounts.users.find_by_email(ANNA.email)
    async with bench.store.begin() as repo:
        await repo.users.update(user.id, state=UserState.CREATED.value)
    await bench.accounts.sign_ups.confirm(links(bench.mailbox.take())["confirm"], PASSWORD, HERE)
    assert (await bench.accounts.users.find_by_email(ANNA.email)).state is UserState.CONFIRMED


async def test_answers_do_not_reveal_whether_an_address_is_registered(bench: AccountBench) -> None:
    """Neither by the text nor by the duration of the answer."""
    await bench.user(ANNA.email)
    sign_ups = bench.accounts.sign_ups
    for email in (ANNA.email, "nobody@example.org"):
        await sign_ups.sign_up(replace(ANNA, email=email), HERE)
        await sign_ups.request_password_reset(email, HERE)
    assert len(bench.slept) == 4
    assert all(0 < span <= MIN_ANSWER_S for span in bench.slept), (
        "the work takes less than what is waited for"
    )
    await bench.accounts.outbox_sender.send_confirmations()
    mails = sorted((m.to, m.subject) for m in bench.mailbox.mails)
    assert [to for to, _ in mails] == [ANNA.email, ANNA.email, "nobody@example.org"]
    assert "Confirm" in mails[2][1], "an unknown address gets a confirmation mail, but no reset mail"
    assert (await bench.accounts.users.find_by_email(ANNA.email)).state is UserState.AUTHORIZED


async def test_a_reset_sets_the_password_once_and_ends_all_sessions(bench: AccountBench) -> None:
    user = await bench.user()
    cookie = await bench.log_in(user.email)
    await bench.accounts.sign_ups.request_password_reset(" USER@example.org ", HERE)
    await bench.accounts.outbox_sender.send_confirmations()
    secret = links(bench.mailbox.take())["reset"]
    with pytest.raises(InvalidInput):
        await bench.accounts.sign_ups.reset_password(secret, "short", HERE)
    await bench.accounts.sign_ups.reset_password(secret, OTHER_PASSWORD, HERE)
    assert await bench.accounts.sign_ins.authenticate_cookie(cookie) == ANONYMOUS
    with pytest.raises(LogInRefused):
        await bench.log_in(user.email)
    assert await bench.log_in(user.email, OTHER_PASSWORD)
    with pytest.raises(InvalidLink):
        await bench.accounts.sign_ups.reset_password(secret, PASSWORD, HERE)
    await bench.accounts.outbox_sender.send_confirmations()
    assert "password was changed" in bench.mailbox.take().subject


@pytest.mark.parametrize(
    "page, lasts_ns", [("confirm", CONFIRM_LINK_NS), ("reset", RESET_LINK_NS), ("approve", DECIDE_LINK_NS)]
)
async def test_links_expire(bench: AccountBench, page: str, lasts_ns: int) -> None:
    await bench.admin()
    if page == "confirm":
        await bench.accounts.sign_ups.sign_up(ANNA, HERE)
        await bench.accounts.outbox_sender.send_confirmations()
    elif page == "reset":
        await bench.accounts.sign_ups.request_password_reset("admin@example.org", HERE)
        await bench.accounts.outbox_sender.send_confirmations()
    else:
        await bench.confirm()
        await bench.accounts.outbox_sender.send_authorizations()
    secret = links(bench.mailbox.take())[page]
    bench.clock.advance(lasts_ns / 1e9 - 1)
    assert (await bench.accounts.sign_ups.find_link(secret, HERE)).user
    bench.clock.advance(1)
    with pytest.raises(InvalidLink):
        await bench.accounts.sign_ups.find_link(secret, HERE)


async def test_a_link_is_for_its_purpose_alone(bench: AccountBench) -> None:
    await bench.accounts.sign_ups.sign_up(ANNA, HERE)
    await bench.accounts.outbox_sender.send_confirmations()
    secret = links(bench.mailbox.take())["confirm"]
    with pytest.raises(InvalidLink):
        await bench.accounts.sign_ups.reset_password(secret, OTHER_PASSWORD, HERE)
    with pytest.raises(InvalidLink):
        await bench.accounts.sign_ups.decide(secret, approve=True, address=HERE)


async def test_the_database_stores_no_usable_secret(bench: AccountBench) -> None:
    """A link's secret is made when its mail is written, and kept as a hash."""
    await bench.accounts.sign_ups.sign_up(ANNA, HERE)
    async with bench.store.begin() as repo:
        [waiting] = await repo.outbox.list_all()
        assert PASSWORD not in repr(waiting)
    await bench.accounts.outbox_sender.send_confirmations()
    secret = links(bench.mailbox.take())["confirm"]
    async with bench.store.begin() as repo:
        assert await repo.links.find(secret, bench.clock.now_ns()) is None


@pytest.mark.parametrize(
    "where, changed",
    [
        ("email", {"email": "no address"}),
        ("email", {"email": "a@b.org\nBcc: c@d.org"}),
        ("email", {"email": "a" * 250 + "@b.org"}),
        ("firstName", {"first_name": "a\x07"}),
        ("lastName", {"last_name": "a" * 101}),
        ("lastName", {"first_name": "", "last_name": " "}),
        ("password", {"password": "eleven char"}),
        ("password", {"password": "password1234"}),
        ("password", {"password": "anna@example.org"}),
    ],
)
async def test_invalid_input_names_the_field(
    bench: AccountBench, where: str, changed: dict[str, str]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await bench.accounts.sign_ups.sign_up(replace(ANNA, **changed), HERE)
    assert refused.value.path == (where,)
    async with bench.store.begin() as repo:
        assert await repo.outbox.list_all() == []


async def test_sign_ups_and_mails_to_one_mailbox_are_limited(bench: AccountBench) -> None:
    for _ in range(4):
        await bench.accounts.sign_ups.request_password_reset("somebody@example.org", HERE)
    with pytest.raises(TooManyAttempts) as refused:
        await bench.accounts.sign_ups.request_password_reset("SOMEBODY@example.org", "198.51.100.1")
    assert refused.value.retry_after_s == pytest.approx(3600)
    for place in range(6):
        await bench.accounts.sign_ups.request_password_reset(f"other{place}@example.org", HERE)
    with pytest.raises(TooManyAttempts):
        await bench.accounts.sign_ups.request_password_reset("one-more@example.org", HERE)


async def test_unconfirmed_sign_ups_are_deleted(bench: AccountBench) -> None:
    await bench.accounts.sign_ups.sign_up(ANNA, HERE)
    await bench.accounts.outbox_sender.send_confirmations()
    bench.clock.advance(8 * 86_400)
    await bench.accounts.outbox_sender.send_confirmations()
    assert (await bench.accounts.users.page(UserFilter(), 10, 0))[1] == 0
