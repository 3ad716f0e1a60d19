"""A real SMTP server on a free port of loopback, which keeps what it is given."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Inbox:
    """The mails that came, and what the server says when one comes."""

    mails: list[EmailMessage] = field(default_factory=list)
    to_recipients: str = ""
    to_data: str = ""

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if self.to_recipients:
            return self.to_recipients
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.to_data:
            return self.to_data
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in list(self.mails) if mail["to"] == address]


@contextmanager
def smtp_server(inbox: Inbox, port: int = 0, **options: Any) -> Iterator[int]:
    """The port. `options`: as of aiosmtpd."""
    controller = Controller(inbox, hostname="127.0.0.1", port=port or _free(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def _free() -> int:
    from tests.support.processes import free_port

    return free_port()
