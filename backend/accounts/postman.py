"""Carries waiting mails to the mail server. Each mail is claimed, sent and crossed out, so that two senders never share one.

A mail server that is away delays mails and loses none. Only where a sender dies, or the database goes away, between the
server's "taken" and the crossing out is a mail sent again, under the same Message-ID.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from backend.accounts.credentials import hash_of, new_id, new_secret
from backend.accounts.log import Actor, AuditLog
from backend.accounts.model import (
    AuditKind,
    MailKind,
    MailToken,
    Purpose,
    User,
    UserEvent,
    UserState,
    Waiting,
)
from backend.accounts.repository import AccountStore, Repository
from backend.accounts.rules import CONFIRM_NS, DECIDE_NS, FORGET_UNCONFIRMED_NS, RESET_NS, Rules
from backend.accounts.steps import post, transit
from backend.core.backoff import Backoff
from backend.core.clock import Clock
from backend.core.errors import PermanentError, TransientError
from backend.core.mail import Mail, Mailer, Templates
from backend.core.outage import Outage
from backend.core.windows import NS_PER_SECOND

log = logging.getLogger(__name__)

CLAIM_NS: Final = 300 * NS_PER_SECOND
"""How long a sender may take for what it has claimed; longer than all its mails' time-outs together."""
MOST: Final = 10
_BACKOFF: Final = Backoff(first_s=10, limit_s=3600)

TO_USERS: Final = (
    MailKind.CONFIRMATION,
    MailKind.KNOWN_ADDRESS,
    MailKind.RESET,
    MailKind.PASSWORD_CHANGED,
)
TO_DECIDE: Final = (MailKind.AUTHORIZATION, MailKind.APPROVED, MailKind.DISAPPROVED)

_PURPOSES: Final = {
    MailKind.CONFIRMATION: (Purpose.CONFIRM, CONFIRM_NS),
    MailKind.RESET: (Purpose.RESET, RESET_NS),
    MailKind.AUTHORIZATION: (Purpose.DECIDE, DECIDE_NS),
}


class Postman:
    """Two rounds, each for a task of the schedule. The first failure is logged, and the recovery."""

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
        """Mails to those who sign up or forgot a password. How many were sent; forgets what has expired."""
        now = self._clock.now_ns()
        async with self._store.begin() as within:
            await within.links.drop_expired(now)
            await within.users.drop_unconfirmed(now - FORGET_UNCONFIRMED_NS)
        return await self._round(TO_USERS)

    async def send_authorizations(self) -> int:
        """Requests to the administrators, and what they decided. How many were sent."""
        async with self._store.begin() as within:
            confirmed = await within.users.in_state(UserState.CONFIRMED)
        if confirmed:
            await self._ask_admins(confirmed)
        return await self._round(TO_DECIDE)

    async def _ask_admins(self, confirmed: Collection[User]) -> None:
        """One mail an administrator, for users about whom none waits yet."""
        async with self._store.begin(alone=True) as within:
            admins = await within.users.admins()
            for user in confirmed:
                if not await within.outbox.has(MailKind.AUTHORIZATION, user.id):
                    for admin in admins:
                        await post(within, self._clock, MailKind.AUTHORIZATION, user.id, admin.id)

    async def _round(self, kinds: Collection[MailKind]) -> int:
        now = self._clock.now_ns()
        async with self._store.begin() as within:
            mails = await within.outbox.claim(kinds, now, now + CLAIM_NS, new_id(), MOST)
        sent = 0
        for mail in mails:
            sent += await self._deliver(mail)
        return sent

    async def _deliver(self, waiting: Waiting) -> bool:
        async with self._store.begin() as within:
            users = await within.users.named([waiting.user_id, waiting.to_id])
            mail = await self._written(within, waiting, users[waiting.user_id], users[waiting.to_id])
        try:
            await self._mailer.send(mail)
        except TransientError as error:
            await self._put_off(waiting, error)
            return False
        except PermanentError as error:
            await self._give_up(waiting, error)
            return False
        async with self._store.begin(alone=True) as within:
            await within.outbox.sent(waiting)
            await self._note(within, waiting)
        self._outage.recovered()
        return True

    async def _written(self, within: Repository, waiting: Waiting, user: User, to: User) -> Mail:
        """The mail, with a link of its own: the secret is made now, so that the database never holds one that works."""
        values = {
            "name": _name(user),
            "email": user.email,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "url": self._rules.public_url,
        }
        if found := _PURPOSES.get(waiting.kind):
            purpose, lasts_ns = found
            secret = new_secret()
            token = MailToken(hash_of(secret), user.id, to.id, purpose, self._clock.now_ns() + lasts_ns)
            await within.links.add(token)
            # Behind `#`: what a browser keeps to itself is in no log of a proxy.
            values["token"] = secret
        subject, text, html = self._templates.render(waiting.kind.value, values)
        host = urlsplit(self._rules.public_url).hostname or "localhost"
        return Mail(to.email, subject, text, html, f"<{waiting.id}@{host}>")

    async def _note(self, within: Repository, waiting: Waiting) -> None:
        """A user's state follows from the mail that was sent, unless it has gone on meanwhile."""
        event = {
            MailKind.CONFIRMATION: (UserState.CREATED, UserEvent.EMAIL_SENT),
            MailKind.AUTHORIZATION: (UserState.CONFIRMED, UserEvent.NOTIFY_ADMIN),
        }.get(waiting.kind)
        user = await within.users.find(waiting.user_id)
        if event and user and user.state is event[0]:
            await transit(within, self._audit, user.id, *event, Actor())

    async def _put_off(self, waiting: Waiting, error: TransientError) -> None:
        self._outage.failed(error)
        delay_s = round(_BACKOFF.delay_s(waiting.attempts))
        async with self._store.begin() as within:
            due = self._clock.now_ns() + delay_s * NS_PER_SECOND
            await within.outbox.put_off(waiting, due, str(error))

    async def _give_up(self, waiting: Waiting, error: PermanentError) -> None:
        log.warning("the mail server refuses a mail of the kind %s for good: %s", waiting.kind, error)
        async with self._store.begin(alone=True) as within:
            await within.outbox.sent(waiting)
            await self._audit.write(
                within, AuditKind.MAIL_REFUSED, Actor(), waiting.to_id, mail=waiting.kind.value
            )


def _name(user: User) -> str:
    return f"{user.first_name} {user.last_name}".strip() or user.email
