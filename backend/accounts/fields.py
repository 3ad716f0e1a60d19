"""Parsing of the text fields that users fill in: e-mail address, names, and the URL of a picture."""

from __future__ import annotations

import unicodedata
from typing import Final
from urllib.parse import urlsplit

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from backend.accounts.errors import InvalidInput

_MAX_EMAIL_LENGTH: Final = 254
_MAX_NAME_LENGTH: Final = 100
_MAX_URL_LENGTH: Final = 500

# A laboratory may deliver mail to `localhost` or `.local`. The library's documented way to permit them is to change this list.
SPECIAL_USE_DOMAIN_NAMES.clear()


def parse_email(text: str, field: str = "email") -> str:
    """Return the address without surrounding white space, otherwise as typed. Raises `InvalidInput`.

    Only the syntax is checked (RFC 5321), without any DNS look-up. Names inside a site, such as `root@localhost`, are valid.
    Addresses must be ASCII, because not every mail server supports others (SMTPUTF8).
    """
    address = unicodedata.normalize("NFC", text.strip())
    try:
        if len(address) > _MAX_EMAIL_LENGTH or not address.isascii():
            raise EmailNotValidError
        validate_email(
            address, allow_smtputf8=False, check_deliverability=False, globally_deliverable=False, strict=True
        )
    except EmailNotValidError:
        message = "This is not a valid e-mail address. Enter an address such as name@example.org."
        raise InvalidInput(field, message) from None
    return address


def normalize_email(address: str) -> str:
    """Return the form in which two addresses are compared."""
    return unicodedata.normalize("NFKC", address.strip()).casefold()[:_MAX_EMAIL_LENGTH]


def parse_name(text: str, field: str) -> str:
    """Return the name on one line. Raises `InvalidInput`."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if len(name) > _MAX_NAME_LENGTH:
        raise InvalidInput(field, f"The name is too long: use at most {_MAX_NAME_LENGTH} characters.")
    if any(unicodedata.category(letter).startswith("C") for letter in name):
        raise InvalidInput(field, "The name contains control characters. Remove them.")
    return name


def parse_picture_url(text: str, field: str = "pictureUrl") -> str:
    """Return an https URL, or an empty text. Raises `InvalidInput`."""
    url = text.strip()
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if url and (parts.scheme != "https" or not parts.hostname or len(url) > _MAX_URL_LENGTH or " " in url):
        message = f"Enter a URL that begins with https:// and has at most {_MAX_URL_LENGTH} characters."
        raise InvalidInput(field, message)
    return url
