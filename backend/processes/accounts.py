"""Build the accounts services that the settings describe."""

from __future__ import annotations

from typing import Final

from backend.accounts.passwords import Passwords
from backend.accounts.rates import Rates
from backend.accounts.repository import AccountStore
from backend.accounts.rules import HOUR_NS, Rules
from backend.accounts.services import Accounts
from backend.bus.rates import MemoryRateLimits
from backend.core.clock import Clock
from backend.core.mail import Mailer
from backend.core.rates import RateLimits
from backend.db.engine import Database
from backend.mail.console import ConsoleMailer, NoMailer
from backend.mail.templates import MailTemplates
from backend.settings import Settings

CONSOLE: Final = "console:"
"""The `mail_url` that prints mails on the terminal; the demo uses it."""


def build_accounts(
    settings: Settings,
    database: Database,
    clock: Clock,
    rates: RateLimits,
    mailer: Mailer | None = None,
    passwords: Passwords | None = None,
) -> Accounts:
    """Return the accounts services over a database.

    Raises `UserError` for an invalid mail server URL or a secret file that cannot be read.
    """
    rules = Rules(
        public_url=settings.address,
        public_read=settings.public_read,
        session_idle_ns=settings.session_idle_minutes * HOUR_NS // 60,
        session_ns=settings.session_hours * HOUR_NS,
    )
    return Accounts.build(
        AccountStore(database),
        clock,
        Rates(rates, MemoryRateLimits(clock)),
        mailer or create_mailer(settings),
        MailTemplates(),
        rules,
        passwords,
    )


def create_mailer(settings: Settings) -> Mailer:
    """Return the mailer that `mail_url` names. Raise `UserError` for an invalid one."""
    if not settings.mail_url:
        return NoMailer()
    if settings.mail_url == CONSOLE:
        return ConsoleMailer()
    from backend.mail.smtp import SmtpAddress, SmtpMailer

    address = SmtpAddress.parse(settings.mail_url, settings.password_for_mail())
    return SmtpMailer(address, settings.mail_from, settings.mail_ca_file)
