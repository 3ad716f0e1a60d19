"""Mails that are not sent: printed, for the demo; or left waiting, where there is no mail server."""

from __future__ import annotations

import sys
from typing import TextIO

from backend.core.errors import TransientError
from backend.core.mail import Mail


class ConsoleMailer:
    """The port `Mailer`. Never for an installation that others use: whoever reads the output can act as the users."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    async def send(self, mail: Mail) -> None:
        frame = "-" * 72
        text = f"{frame}\nMail to {mail.to}: {mail.subject}\n\n{mail.text.rstrip()}\n{frame}"
        print(text, file=self._out or sys.stdout, flush=True)


class NoMailer:
    """The port `Mailer` where none is set: mails wait until one is."""

    async def send(self, mail: Mail) -> None:
        raise TransientError("no mail server is set (SEDUCE_MAIL_URL)")
