"""Mails of the outbox: sent once, delayed while the mail server is unreachable, and never lost."""

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


async def test_an_unreachable_mail_server_delays_mails_with_growing_pauses(
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


async def test_concurrent_senders_never_send_the_same_mail(bench: AccountBench) -> None:
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


async def test_mails_of_a_dead_sender_are_sent_by_the_next(bench: AccountBench) -> None:
    await bench.accounts.sign_ups.sign_up(ANNA, HERE)

    class Died(BaseException):
        pass

    bench.mailbox.failing = Died()  # type: ignore[assignment]
    with pytest.raises(Died):
        await bench.accounts.outbox_sender.send_confirmations()
    bench.mailbox.failing = None
    assert await bench.accounts.outbox_sender.send_confirmations() == 0, "claimed: the sender may still run"
    bench.clock.advance(CLAIM_NS / 1e9)
    assert await bench.accounts.outbox_sender.send_confirmations() == 1
    await bench.accounts.sign_ups.confirm(links(bench.mailbox.take())["confirm"], PASSWORD, HERE)


async def test_a_mail_that_is_sent_twice_has_one_id_and_both_links_work(bench: AccountBench) -> None:
    """The server accepted the mail, but the removal from the outbox failed."""
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


async def test_a_mail_to_a_refused_recipient_is_discarded(bench: AccountBench) -> None:
    await bench.accounts.sign_ups.sign_up(ANNA, HERE)
    bench.mailbox.failing = PermanentError("550")
    await bench.accounts.outbox_sender.send_confirmations()
    async with bench.store.begin() as repo:
        assert await repo.outbox.list_all() == []
    [event] = await bench.audited(AuditKind.MAIL_REFUSED)
    assert event.detail == {"mail": "confirmation"}


async def test_an_unreachable_administrator_does_not_block_the_others(bench: AccountBench) -> None:
    await bench.admin()
    unreachable = await bench.admin("gone@example.org")
    await bench.confirm()
    whole = bench.mailbox.send

    async def send(mail: Mail) -> None:
        if mail.to == unreachable.email:
            raise TransientError("mailbox full")
        await whole(mail)

    bench.mailbox.send = send  # type: ignore[method-assign]
    assert await bench.accounts.outbox_sender.send_authorizations() == 1
    assert (await bench.accounts.users.find_by_email(ANNA.email)).state is UserState.WAITING_AUTHORIZATION
    await bench.accounts.sign_ups.decide(links(bench.mailbox.take())["approve"], approve=True, address=HERE)
    async with bench.store.begin() as repo:
        kinds = [waiting.kind for waiting in await repo.outbox.list_all()]
    assert kinds == [MailKind.APPROVED], "the request to the other administrator is obsolete"


async def test_without_an_administrator_a_user_waits_until_there_is_one(bench: AccountBench) -> None:
    await bench.confirm()
    assert await bench.accounts.outbox_sender.send_authorizations() == 0
    await bench.admin()
    assert await bench.accounts.outbox_sender.send_authorizations() == 1


async def test_names_of_users_are_escaped_in_mails(bench: AccountBench) -> None:
    await bench.admin()
    name = "<script>alert(1)</script> {{ token }}"
    await bench.confirm(replace(ANNA, first_name=name))
    await bench.accounts.outbox_sender.send_authorizations()
    mail = bench.mailbox.take()
    assert "<script>" not in mail.html
    assert "&lt;script&gt;" in mail.html
    assert name in mail.text
    assert "\n" not in mail.subject
