"""Sends mail by SMTP with the standard library, in a thread."""

from __future__ import annotations

import asyncio
import ipaddress
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from backend.core.errors import PermanentError, TransientError, UserError
from backend.core.mail import Mail

TIMEOUT_S: Final = 15.0
_PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_FORM: Final = "smtp+starttls://user@host:587, smtps://user@host:465, or smtp://127.0.0.1:25 (loopback only)"


@dataclass(frozen=True, slots=True)
class SmtpAddress:
    """Address, protocol and credentials of the mail server. `repr` hides the password."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str, password: str = "") -> SmtpAddress:
        """Parse `SEDUCE_MAIL_URL`. Raises `UserError`, also for a URL with a password; the message never quotes the URL."""
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            raise UserError(f"SEDUCE_MAIL_URL is not a valid URL: use {_FORM}") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise UserError(
                f"SEDUCE_MAIL_URL has no known scheme or no host: use {_FORM}, or console: to print mails"
            )
        if parts.scheme == "smtp" and not _is_loopback(parts.hostname):
            raise UserError(
                "SEDUCE_MAIL_URL: smtp:// without TLS is permitted on loopback only; use smtp+starttls:// or smtps://"
            )
        if parts.password is not None:
            raise UserError(
                "SEDUCE_MAIL_URL contains a password: move it to SEDUCE_MAIL_PASSWORD_FILE or SEDUCE_MAIL_PASSWORD"
            )
        return cls(parts.scheme, parts.hostname, port, unquote(parts.username or ""), password)


class SmtpMailer:
    """Implements `Mailer`. Each mail has its own connection: mails are rare, and mail servers close idle connections."""

    def __init__(
        self, address: SmtpAddress, sender: str, ca_file: str = "", timeout_s: float = TIMEOUT_S
    ) -> None:
        """Load the certificates. `ca_file`: more certificates to trust. Raises `UserError` if it cannot be read."""
        self._address = address
        self._sender = sender
        self._timeout_s = timeout_s
        try:
            self._tls = ssl.create_default_context()
            if ca_file:
                self._tls.load_verify_locations(Path(ca_file))
        except OSError as cause:
            raise UserError(f"SEDUCE_MAIL_CA_FILE={ca_file} cannot be read: {cause}") from cause

    async def send(self, mail: Mail) -> None:
        await asyncio.to_thread(self._send, self._message(mail))

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = mail.to
        message["Subject"] = mail.subject
        message["Date"] = formatdate()
        message["Message-ID"] = mail.message_id
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message

    def _send(self, message: EmailMessage) -> None:
        with translate_smtp_errors(), self._connect() as server:
            if self._address.user:
                server.login(self._address.user, self._address.password)
            server.send_message(message)

    def _connect(self) -> smtplib.SMTP:
        address = self._address
        if address.scheme == "smtps":
            return smtplib.SMTP_SSL(address.host, address.port, timeout=self._timeout_s, context=self._tls)
        server = smtplib.SMTP(address.host, address.port, timeout=self._timeout_s)
        if address.scheme == "smtp+starttls":
            try:
                server.starttls(context=self._tls)
            except BaseException:
                server.close()
                raise
        return server


@contextmanager
def translate_smtp_errors() -> Iterator[None]:
    """Translate errors of smtplib: `PermanentError` for a refused recipient, `TransientError` for all others.

    A transient error keeps the mail in the outbox until the server or the settings are fixed.
    """
    try:
        yield
    except smtplib.SMTPRecipientsRefused as refused:
        codes = [code for code, _ in refused.recipients.values()]
        if all(500 <= code < 600 for code in codes):
            raise PermanentError(f"the mail server refuses the recipient (codes {codes})") from None
        raise TransientError(f"the mail server does not accept the recipient now (codes {codes})") from None
    except smtplib.SMTPAuthenticationError as error:
        raise TransientError(
            f"the mail server refuses the user or the password (code {error.smtp_code})"
        ) from None
    except smtplib.SMTPResponseException as error:
        raise TransientError(f"the mail server answers with the error {error.smtp_code}") from None
    except smtplib.SMTPNotSupportedError as error:
        raise TransientError(f"the mail server lacks a needed feature: {error}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise TransientError(f"the mail server cannot be reached: {error}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
