"""E-mails, and the ports that render and send them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mail:
    """A rendered mail to one address."""

    to: str
    subject: str
    text: str
    html: str
    message_id: str
    """The same for every attempt, so that mail programs can detect duplicates."""


class Mailer(Protocol):
    """Sends e-mails."""

    async def send(self, mail: Mail) -> None:
        """Return when the mail server has accepted the mail.

        Raises `TransientError` if a retry may succeed, `PermanentError` if the server rejects the address for good.
        """
        ...


class Templates(Protocol):
    """Renders the mail templates."""

    def render(self, name: str, values: dict[str, str]) -> tuple[str, str, str]:
        """Return the subject, text and HTML of a template."""
        ...
