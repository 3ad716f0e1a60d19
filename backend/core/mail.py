"""A mail, and who carries it."""

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
    """The same for every attempt, so that a mail program can tell a repetition."""


class Mailer(Protocol):
    async def send(self, mail: Mail) -> None:
        """Returns when the mail server has taken it.

        Raises `TransientError` where it may work later, `PermanentError` where the address is refused for good.
        """
        ...


class Templates(Protocol):
    def render(self, name: str, values: dict[str, str]) -> tuple[str, str, str]:
        """Subject, text and HTML of a template."""
        ...
