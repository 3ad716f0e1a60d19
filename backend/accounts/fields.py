"""What people write about themselves, made plain or refused."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import urlsplit

from backend.accounts.errors import InvalidInput

_LOCAL: Final = r"[^@\s\x00-\x1f\x7f<>()\[\],;:\"\\]{1,64}"
_LABEL: Final = r"[^@\s.\x00-\x1f\x7f<>]{1,63}"
_ADDRESS: Final = re.compile(rf"{_LOCAL}@(?:{_LABEL}\.)*{_LABEL}")
_LONGEST_ADDRESS: Final = 254
_LONGEST_NAME: Final = 100
_LONGEST_URL: Final = 500


def email_of(text: str, where: str = "email") -> str:
    """The address. Raises `InvalidInput` for what no mail can be sent to, or what would add lines to a mail's head."""
    address = unicodedata.normalize("NFC", text.strip())
    if len(address) > _LONGEST_ADDRESS or not (address.isascii() and _ADDRESS.fullmatch(address)):
        raise InvalidInput(where, "This is no e-mail address: expected such as name@example.org.")
    return address


def key_of(address: str) -> str:
    """The form in which two addresses are compared."""
    return unicodedata.normalize("NFKC", address.strip()).casefold()[:_LONGEST_ADDRESS]


def name_of(text: str, where: str) -> str:
    """A name on one line. Raises `InvalidInput`."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if len(name) > _LONGEST_NAME:
        raise InvalidInput(where, f"At most {_LONGEST_NAME} characters.")
    if any(unicodedata.category(letter).startswith("C") for letter in name):
        raise InvalidInput(where, "There are characters in it that cannot be shown.")
    return name


def picture_of(text: str, where: str = "pictureUrl") -> str:
    """An https address, or empty. Raises `InvalidInput`."""
    url = text.strip()
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if url and (parts.scheme != "https" or not parts.hostname or len(url) > _LONGEST_URL or " " in url):
        raise InvalidInput(where, "A picture's address begins with https://.")
    return url
