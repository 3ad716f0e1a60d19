"""Mails that wait: sent once where all goes well, later where the server is away, and never lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from backend.accounts.model import AuditKind, MailKind, UserState
from backend.accounts.outbox_sender import CLAIM_NS, OutboxSender
from backend.core.errors import PermanentError, TransientError
from backend.core.mail import Mail
from backend.mail.templates import MailTemplates
from tests.support.accounts import ANNA, HERE, PASSWORD, AccountBench, links


async def test_a_mail_server_that_is_away_delays_with_growing_pauses(
    bench: AccountBench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await bench.accounts.sign_ups.sign_up(ANNA, HERE)
    bench.mailbox.failing = TransientError("connection refused")
    outbox_sender, dues = bench.accounts.outbox_sender, []
    for _ in range(12):
        async with bench.store.begin() as repo:
            [waiting] = await repo.outbox.list_all()
        dues.append((waiting.due_ns - bench.clock.now_ns()) // 10**9)
        bench.clock.set(waiting.due_ns)
        assert await outbox_sender.send_confirmations() == 0
    assert dues == [0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
    assert (await bench.accounts.users.find_by_email(ANNA.email)).state is UserState.CREATED
    bench.mailbox.failing = None
    bench.clock.advance(3600)
    assert await outbox_sender.send_confirmations() == 1
    assert await outbox_sender.send_confirmations() == 0
    assert (
        await bench.accounts.users.find_by_email(ANNA.email)
    ).state is UserState.WAITING_CONFIRMATION_EMAIL
    failed, recovered = [r.getMessage() for r in caplog.records if "mail" in r.getMessage()]
    assert failed == 'failed mail error="connection refused"'
    assert recovered.startswith("recovered mail after_s=") and recovered.endswith(" failures=12")


async def test_senders_at_the_same_time_share_no_mail(bench: AccountBench) -> None:
    for place in range(15):
        await bench.accounts.sign_ups.request_password_reset(
            (await bench.user(f"user{place}@example.org")).email, f"10.0.0.{place}"
        )
    outbox_sender = bench.accounts.outbox_sender
    others = [
        OutboxSender(
            bench.store,
            bench.clock,
            bench.mailbox,
            MailTemplates(),
            outbox_sender._audit,
            outbox_sender._rules,
        )
        for _ in range(4)
    ]
    sent = await asyncio.gather(*(one.send_confirmations() for one in (outbox_sender, *others)))
    while await outbox_sender.send_confirmations():
        pass
    assert len(bench.mailbox.mails) == 15
    assert len({mail.to for mail in bench.mailbox.mails}) == 15
    assert sum(sent) <= 15


async def test_a_sender_that_dies_leaves_its_mails_to_the_next(bench: AccountBench) -> None:
    await bench.accounts.sign_ups.sign_up(ANNA, HERE)

    class Died(BaseException):
        pass

    bench.mailbox.failing = Died()  # type: ignore[assignment]
    with pytest.raises(Died):
        await bench.accounts.outbox_sender.send_confirmations()
    bench.mailbox.failing = None
    assert await bench.accounts.outbox_sender.send_confirmations() == 0, "claimed: it may still be at work"
    bench.clock.advance(CLAIM_NS / 1e9)
    assert await bench.accounts.outbox_sender.send_confirmations() == 1
    await bench.accounts.sign_ups.confirm(links(bench.mailbox.take())["confirm"], PASSWORD, HERE)


async def test_a_mail_that_is_sent_twice_has_one_id_and_both_links_work(bench: AccountBench) -> None:
    """The server took it, and nobody could note so."""
    await bench.accounts.sign_ups.sign_up(ANNA, HERE)
    async with bench.store.begin() as repo:
        [waiting] = await repo.outbox.list_all()
    await bench.accounts.outbox_sender.send_confirmations()
    async with bench.store.begin() as repo:
        await repo.outbox.add(waiting)
    await bench.accounts.outbox_sender.send_confirmations()
    first, second = bench.mailbox.take(), bench.mailbox.take()
    assert first.message_id == second.message_id
    assert links(first) != links(second)
    await bench.accounts.sign_ups.confirm(links(first)["confirm"], PASSWORD, HERE)


async def test_an_address_that_is_refused_for_good_is_given_up(bench: AccountBench) -> None:
    await bench.accounts.sign_ups.sign_up(ANNA, HERE)
    bench.mailbox.failing = PermanentError("550")
    await bench.accounts.outbox_sender.send_confirmations()
    async with bench.store.begin() as repo:
        assert await repo.outbox.list_all() == []
    [event] = await bench.audited(AuditKind.MAIL_REFUSED)
    assert event.detail == {"mail": "confirmation"}


async def test_one_administrator_out_of_reach_keeps_no_other_from_deciding(bench: AccountBench) -> None:
    await bench.admin()
    gone = await bench.admin("gone@example.org")
    await bench.confirm()
    whole = bench.mailbox.send

    async def send(mail: Mail) -> None:
        if mail.to == gone.email:
            raise TransientError("mailbox full")
        await whole(mail)

    bench.mailbox.send = send  # type: ignore[method-assign]
    assert await bench.accounts.outbox_sender.send_authorizations() == 1
    assert (await bench.accounts.users.find_by_email(ANNA.email)).state is UserState.WAITING_AUTHORIZATION
    await bench.accounts.sign_ups.decide(links(bench.mailbox.take())["approve"], approve=True, address=HERE)
    async with bench.store.begin() as repo:
        kinds = [waiting.kind for waiting in await repo.outbox.list_all()]
    assert kinds == [MailKind.APPROVED], "what waited for the other is not needed any more"


async def test_without_an_administrator_a_user_waits_until_there_is_one(bench: AccountBench) -> None:
    await bench.confirm()
    assert await bench.accounts.outbox_sender.send_authorizations() == 0
    await bench.admin()
    assert await bench.accounts.outbox_sender.send_authorizations() == 1


async def test_words_of_strangers_are_words_in_every_mail(bench: AccountBench) -> None:
    await bench.admin()
    name = "<script>alert(1)</script> {{ token }}"
    await bench.confirm(replace(ANNA, first_name=name))
    await bench.accounts.outbox_sender.send_authorizations()
    mail = bench.mailbox.take()
    assert "<script>" not in mail.html
    assert "&lt;script&gt;" in mail.html
    assert name in mail.text
    assert "\n" not in mail.subject
