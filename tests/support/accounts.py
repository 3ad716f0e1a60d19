"""Accounts over a real database, on a clock that stands, with mails that are kept and answers that need not wait."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from backend.accounts.log import OPERATOR
from backend.accounts.model import AuditEvent, AuditKind, User
from backend.accounts.passwords import Passwords
from backend.accounts.rates import Rates
from backend.accounts.repository import AccountStore
from backend.accounts.repository.audit import AuditFilter
from backend.accounts.rules import Rules
from backend.accounts.services import Accounts
from backend.accounts.sign_up import SignUpRequest
from backend.bus.rates import MemoryRateLimits
from backend.core.mail import Mail
from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.mail.templates import MailTemplates
from tests.support.manual_clock import ManualClock
from tests.support.postgres import drop_everything

NOW = 1_790_000_000 * 10**9
HERE = "192.0.2.7"
PASSWORD = "otter-lamp-quarry-9"
OTHER_PASSWORD = "violet.tractor.moth.4"
ANNA = SignUpRequest("anna@example.org", PASSWORD, "Anna", "Lind")
LINK = re.compile(r"https?://\S+/([a-z-]+)#([\w-]{40,})")


def quick_passwords() -> Passwords:
    """Argon2id with as little work as it takes."""
    return Passwords(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)))


@dataclass
class MailBox:
    """Takes mails, or raises `failing`."""

    mails: list[Mail] = field(default_factory=list)
    failing: Exception | None = None

    async def send(self, mail: Mail) -> None:
        if self.failing is not None:
            raise self.failing
        self.mails.append(mail)

    def take(self) -> Mail:
        return self.mails.pop(0)


def links(mail: Mail) -> dict[str, str]:
    """Page -> secret, of the links in a mail; the same in text and HTML."""
    secrets = dict(LINK.findall(mail.text))
    assert secrets == dict(LINK.findall(re.sub(r"[<>\"]", " ", mail.html)))
    return secrets


class AccountBench:
    """Everything about accounts over `database`."""

    def __init__(self, database: Database, rules: Rules | None = None) -> None:
        self.database = database
        self.clock = ManualClock(NOW)
        self.mailbox = MailBox()
        self.slept: list[float] = []
        self.store = AccountStore(database)
        self.rates = MemoryRateLimits(self.clock)
        self.accounts = Accounts.build(
            self.store,
            self.clock,
            Rates(self.rates, MemoryRateLimits(self.clock), self._sleep),
            self.mailbox,
            MailTemplates(),
            rules or Rules(),
            quick_passwords(),
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def admin(self, email: str = "admin@example.org") -> User:
        return await self.accounts.users.add(email, PASSWORD, admin=True, actor=OPERATOR)

    async def user(self, email: str = "user@example.org") -> User:
        return await self.accounts.users.add(email, PASSWORD, admin=False, actor=OPERATOR)

    async def log_in(self, email: str, password: str = PASSWORD) -> str:
        """The cookie's value."""
        return (await self.accounts.sign_ins.log_in(email, password, HERE, "test")).secret

    async def confirm(self, request: SignUpRequest = ANNA) -> User:
        """Signed up and confirmed by mail; the administrators are still to be told."""
        await self.accounts.sign_ups.sign_up(request, HERE)
        await self.accounts.outbox_sender.send_confirmations()
        await self.accounts.sign_ups.confirm(links(self.mailbox.take())["confirm"], request.password, HERE)
        return await self.accounts.users.find_by_email(request.email)

    async def audited(self, *kinds: AuditKind) -> list[AuditEvent]:
        """Oldest first."""
        return list(reversed(await self.accounts.audit.page(AuditFilter(kinds), 200)))


@asynccontextmanager
async def account_bench(url: str, rules: Rules | None = None) -> AsyncIterator[AccountBench]:
    """Open the accounts over an empty database. The file of an SQLite database must be new."""
    if url.startswith("postgresql"):
        await drop_everything(url)
    await migrate(url)
    database = Database(url)
    try:
        yield AccountBench(database, rules)
    finally:
        await database.close()
