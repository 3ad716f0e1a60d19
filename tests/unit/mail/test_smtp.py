"""Mail to real SMTP servers: plain on loopback, STARTTLS, TLS, log-in, and errors."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult

from backend.core.errors import PermanentError, TransientError, UserError
from backend.core.mail import Mail
from backend.mail.console import ConsoleMailer, NoMailer
from backend.mail.smtp import SmtpAddress, SmtpMailer
from tests.support.certificates import certificate
from tests.support.processes import free_port
from tests.support.smtp import Inbox, smtp_server

PLAIN = Mail("anna@example.org", "Grüße", "Tag\n", "<p>Tag</p>", "<1@example.org>")


def mailer(port: int, scheme: str = "smtp", user: str = "", ca: str = "", password: str = "") -> SmtpMailer:
    at = f"{user}@" if user else ""
    address = SmtpAddress.parse(f"{scheme}://{at}127.0.0.1:{port}", password)
    return SmtpMailer(address, "SeDuCe <seduce@example.org>", ca, timeout_s=5)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


async def test_a_mail_arrives_whole(inbox: Inbox) -> None:
    with smtp_server(inbox) as port:
        await mailer(port).send(PLAIN)
    [mail] = inbox.mails
    assert (mail["to"], mail["subject"], mail["message-id"]) == (PLAIN.to, "Grüße", "<1@example.org>")
    assert mail["from"] == "SeDuCe <seduce@example.org>"
    assert mail["auto-submitted"] == "auto-generated"
    text, html = mail.iter_parts()
    assert text.get_content().strip() == "Tag"
    assert html.get_content().strip() == "<p>Tag</p>"


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
async def test_over_tls_with_a_log_in(inbox: Inbox, tmp_path: Path, scheme: str) -> None:
    cert, key = certificate(tmp_path, "127.0.0.1")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(cert, key)
    options: dict[str, Any] = {"authenticator": _only("user", b"s3cret"), "auth_required": True}
    if scheme == "smtps":
        options |= {"ssl_context": tls, "auth_require_tls": False}
    else:
        options |= {"tls_context": tls, "require_starttls": True}
    with smtp_server(inbox, **options) as port:
        await mailer(port, scheme, "user", str(cert), "s3cret").send(PLAIN)
        with pytest.raises(TransientError, match="refuses the user or the password") as refused:
            await mailer(port, scheme, "user", str(cert), "wr0ng").send(PLAIN)
        assert "wr0ng" not in str(refused.value)
        with pytest.raises(TransientError, match="cannot be reached"):
            await mailer(port, scheme, "user", "", "s3cret").send(PLAIN)
    assert len(inbox.mails) == 1, "not to a server whose certificate nobody vouches for"


async def test_a_server_without_starttls_gets_no_mail_in_the_clear(inbox: Inbox) -> None:
    with smtp_server(inbox) as port, pytest.raises(TransientError):
        await mailer(port, "smtp+starttls").send(PLAIN)
    assert inbox.mails == []


@pytest.mark.parametrize(
    "answer, error",
    [("550 no such user", PermanentError), ("451 later", TransientError), ("421 busy", TransientError)],
)
async def test_only_a_refused_recipient_is_a_permanent_error(
    inbox: Inbox, answer: str, error: type[Exception]
) -> None:
    inbox.to_recipients = answer
    with smtp_server(inbox) as port, pytest.raises(error):
        await mailer(port).send(PLAIN)


async def test_a_refused_message_is_a_transient_error(inbox: Inbox) -> None:
    inbox.to_data = "554 looks like spam"
    with smtp_server(inbox) as port, pytest.raises(TransientError, match="554"):
        await mailer(port).send(PLAIN)


async def test_an_unreachable_server_is_a_transient_error() -> None:
    with pytest.raises(TransientError, match="cannot be reached"):
        await mailer(free_port()).send(PLAIN)


@pytest.mark.parametrize(
    "url, message",
    [
        ("smtp://mail.example.org", "loopback"),
        ("smtp://10.0.0.1:25", "loopback"),
        ("http://127.0.0.1", "no known scheme"),
        ("smtps://", "no host"),
        ("smtps://user:s3cret@host", "PASSWORD_FILE"),
        ("smtps://host:port", "not a valid URL"),
    ],
)
def test_invalid_urls_are_refused_without_quoting_them(url: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        SmtpAddress.parse(url)
    assert "s3cret" not in str(refused.value)


def test_ports_are_the_usual_ones_and_the_password_does_not_show() -> None:
    ports = [SmtpAddress.parse(f"{s}://localhost").port for s in ("smtp", "smtp+starttls", "smtps")]
    assert ports == [25, 587, 465]
    assert "s3cret" not in repr(SmtpAddress.parse("smtps://u@h", "s3cret"))


async def test_the_console_shows_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    await ConsoleMailer().send(PLAIN)
    output = capsys.readouterr().out
    assert "E-mail to anna@example.org: Grüße" in output
    assert "Tag" in output


async def test_without_a_mail_server_mails_wait() -> None:
    with pytest.raises(TransientError, match="SEDUCE_MAIL_URL"):
        await NoMailer().send(PLAIN)


def _only(user: str, password: bytes) -> Any:
    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        right = (data.login, data.password) == (user.encode(), password)
        return AuthResult(success=right, handled=False)

    return authenticate
