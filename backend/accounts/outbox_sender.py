"""Sends the mails of the outbox. Each mail is claimed, sent and removed, so two senders never send the same mail.

An unreachable mail server delays mails but loses none. A mail is sent twice, with the same Message-ID, only if the sender or
the database fails between the server's acceptance and the removal.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from backend.accounts.credentials import hash_secret, new_id, new_secret
from backend.accounts.log import Actor, AuditLog
from backend.accounts.model import (
    AuditKind,
    MailKind,
    MailToken,
    OutboxMail,
    Purpose,
    User,
    UserEvent,
    UserState,
)
from backend.accounts.repository import AccountStore, Repository
from backend.accounts.rules import (
    CONFIRM_LINK_NS,
    DECIDE_LINK_NS,
    RESET_LINK_NS,
    UNCONFIRMED_RETENTION_NS,
    Rules,
)
from backend.accounts.user_steps import change_state, enqueue_mail
from backend.core.backoff import Backoff
from backend.core.clock import Clock
from backend.core.errors import PermanentError, TransientError
from backend.core.mail import Mail, Mailer, Templates
from backend.core.outage import Outage
from backend.core.windows import NS_PER_SECOND

log = logging.getLogger(__name__)

CLAIM_NS: Final = 300 * NS_PER_SECOND
"""Lifetime of a claim: longer than the time-outs of all mails of a batch together."""
BATCH_SIZE: Final = 10
_BACKOFF: Final = Backoff(first_s=10, limit_s=3600)

USER_MAILS: Final = (
    MailKind.CONFIRMATION,
    MailKind.KNOWN_ADDRESS,
    MailKind.RESET,
    MailKind.PASSWORD_CHANGED,
)
APPROVAL_MAILS: Final = (MailKind.AUTHORIZATION, MailKind.APPROVED, MailKind.DISAPPROVED)

_LINKS: Final = {
    MailKind.CONFIRMATION: (Purpose.CONFIRM, CONFIRM_LINK_NS),
    MailKind.RESET: (Purpose.RESET, RESET_LINK_NS),
    MailKind.AUTHORIZATION: (Purpose.DECIDE, DECIDE_LINK_NS),
}


class OutboxSender:
    """Sends two groups of mails, each from its own periodic task. Logs the first failure and the recovery."""

    def __init__(
        self,
        store: AccountStore,
        clock: Clock,
        mailer: Mailer,
        templates: Templates,
        audit: AuditLog,
        rules: Rules,
    ) -> None:
        self._store = store
        self._clock = clock
        self._mailer = mailer
        self._templates = templates
        self._audit = audit
        self._rules = rules
        self._outage = Outage(log, "mail")

    async def send_confirmations(self) -> int:
        """Send the mails about sign-ups and passwords; delete expired links and sign-ups. Returns how many mails were sent."""
        now = self._clock.now_ns()
        async with self._store.begin() as repo:
            await repo.links.delete_expired(now)
            await repo.users.delete_unconfirmed(now - UNCONFIRMED_RETENTION_NS)
        return await self._send_batch(USER_MAILS)

    async def send_authorizations(self) -> int:
        """Send the requests for approval and the decisions about them. Returns how many mails were sent."""
        async with self._store.begin() as repo:
            confirmed = await repo.users.list_in_state(UserState.CONFIRMED)
        if confirmed:
            await self._queue_approval_requests(confirmed)
        return await self._send_batch(APPROVAL_MAILS)

    async def _queue_approval_requests(self, confirmed: Collection[User]) -> None:
        """Put one mail for each administrator into the outbox, for users without such a mail."""
        async with self._store.begin(exclusive=True) as repo:
            admins = await repo.users.list_admins()
            for user in confirmed:
                if not await repo.outbox.contains(MailKind.AUTHORIZATION, user.id):
                    for admin in admins:
                        await enqueue_mail(repo, self._clock, MailKind.AUTHORIZATION, user.id, admin.id)

    async def _send_batch(self, kinds: Collection[MailKind]) -> int:
        now = self._clock.now_ns()
        async with self._store.begin() as repo:
            mails = await repo.outbox.claim(kinds, now, now + CLAIM_NS, new_id(), BATCH_SIZE)
        sent = 0
        for mail in mails:
            sent += await self._send(mail)
        return sent

    async def _send(self, outbox_mail: OutboxMail) -> bool:
        async with self._store.begin() as repo:
            users = await repo.users.find_many([outbox_mail.user_id, outbox_mail.to_id])
            mail = await self._render(repo, outbox_mail, users[outbox_mail.user_id], users[outbox_mail.to_id])
        try:
            await self._mailer.send(mail)
        except TransientError as error:
            await self._postpone(outbox_mail, error)
            return False
        except PermanentError as error:
            await self._discard(outbox_mail, error)
            return False
        async with self._store.begin(exclusive=True) as repo:
            await repo.outbox.remove(outbox_mail)
            await self._advance_state(repo, outbox_mail)
        self._outage.recovered()
        return True

    async def _render(self, repo: Repository, outbox_mail: OutboxMail, user: User, to: User) -> Mail:
        """Return the mail with its own link. The secret is created here, so the database never holds a usable one."""
        values = {
            "name": _full_name(user),
            "email": user.email,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "url": self._rules.public_url,
        }
        if link := _LINKS.get(outbox_mail.kind):
            purpose, lifetime_ns = link
            secret = new_secret()
            token = MailToken(
                hash_secret(secret), user.id, to.id, purpose, self._clock.now_ns() + lifetime_ns
            )
            await repo.links.add(token)
            # The templates put it behind `#`: browsers do not send that part, so no proxy logs it.
            values["token"] = secret
        subject, text, html = self._templates.render(outbox_mail.kind.value, values)
        host = urlsplit(self._rules.public_url).hostname or "localhost"
        return Mail(to.email, subject, text, html, f"<{outbox_mail.id}@{host}>")

    async def _advance_state(self, repo: Repository, outbox_mail: OutboxMail) -> None:
        """Advance the user's state after the mail, unless the state has already advanced."""
        transition = {
            MailKind.CONFIRMATION: (UserState.CREATED, UserEvent.EMAIL_SENT),
            MailKind.AUTHORIZATION: (UserState.CONFIRMED, UserEvent.NOTIFY_ADMIN),
        }.get(outbox_mail.kind)
        user = await repo.users.find(outbox_mail.user_id)
        if transition and user and user.state is transition[0]:
            await change_state(repo, self._audit, user.id, *transition, Actor())

    async def _postpone(self, outbox_mail: OutboxMail, error: TransientError) -> None:
        self._outage.failed(error)
        delay_s = round(_BACKOFF.delay_s(outbox_mail.attempts))
        async with self._store.begin() as repo:
            due = self._clock.now_ns() + delay_s * NS_PER_SECOND
            await repo.outbox.postpone(outbox_mail, due, str(error))

    async def _discard(self, outbox_mail: OutboxMail, error: PermanentError) -> None:
        log.warning("e-mail rejected permanently and dropped kind=%s: %s", outbox_mail.kind, error)
        async with self._store.begin(exclusive=True) as repo:
            await repo.outbox.remove(outbox_mail)
            await self._audit.write(
                repo, AuditKind.MAIL_REFUSED, Actor(), outbox_mail.to_id, mail=outbox_mail.kind.value
            )


def _full_name(user: User) -> str:
    return f"{user.first_name} {user.last_name}".strip() or user.email
