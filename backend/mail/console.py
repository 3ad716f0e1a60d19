"""Mailers without a mail server: one prints e-mails, for the demo; one leaves e-mails in the outbox."""

from __future__ import annotations

import sys
from typing import TextIO

from backend.core.errors import TransientError
from backend.core.mail import Mail


class ConsoleMailer:
    """Implements `Mailer`: prints e-mails. Do not use it in production: the output contains links that act for users."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    async def send(self, mail: Mail) -> None:
        frame = "-" * 72
        text = f"{frame}\nE-mail to {mail.to}: {mail.subject}\n\n{mail.text.rstrip()}\n{frame}"
        print(text, file=self._out or sys.stdout, flush=True)


class NoMailer:
    """Implements `Mailer` without a mail server: every e-mail stays in the outbox."""

    async def send(self, mail: Mail) -> None:
        raise TransientError("no mail server is configured: set SEDUCE_MAIL_URL")
