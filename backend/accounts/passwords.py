"""Password rules, and password hashes with Argon2id."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Sequence
from typing import Final

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError

from backend.accounts.errors import InvalidInput

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 128
_MIN_SCORE: Final = 3
"""Smallest accepted score of zxcvbn, which ranges from 0 to 4. A score of 3 means more than 10^8 guesses."""
_SCORED_LENGTH: Final = 72
"""zxcvbn accepts no more characters. A password whose first part is easy to guess counts as weak."""
_MAX_CONCURRENT_HASHES: Final = 2
"""One hash takes 64 MiB and a fifth of a second of one core."""


class Passwords:
    """Hashes and verifies passwords in threads. Few run at a time, so many log-ins at once use bounded memory."""

    def __init__(self, hasher: PasswordHash | None = None) -> None:
        self._hasher = hasher or PasswordHash.recommended()
        self._slots = asyncio.Semaphore(_MAX_CONCURRENT_HASHES)
        self._dummy_hash: str | None = None

    async def hash(self, password: str) -> str:
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, _normalize(password))

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Return whether the password matches. A `password_hash` of None never matches, but takes the same time."""
        if self._dummy_hash is None:
            self._dummy_hash = await self.hash("hash of no user, for equal timing")
        async with self._slots:
            is_match = await asyncio.to_thread(self._verify, password, password_hash or self._dummy_hash)
        return is_match and password_hash is not None

    def _verify(self, password: str, password_hash: str) -> bool:
        if len(password) > MAX_LENGTH:
            password = ""
        try:
            return self._hasher.verify(_normalize(password), password_hash)
        except PwdlibError:
            return False


def check_password(password: str, about: Sequence[str] = (), field: str = "password") -> None:
    """Raise `InvalidInput` if the password is too short, too long or easy to guess.

    `about` are words about the user, such as the name, that an attacker would try.
    """
    if len(password) < MIN_LENGTH:
        raise InvalidInput(field, f"At least {MIN_LENGTH} characters. Use several uncommon words.")
    if len(password) > MAX_LENGTH:
        raise InvalidInput(field, f"The password is too long: use at most {MAX_LENGTH} characters.")
    from zxcvbn import zxcvbn  # its dictionaries take time to load, and few processes set a password

    rating = zxcvbn(password[:_SCORED_LENGTH], user_inputs=[word for word in about if word])
    if rating["score"] < _MIN_SCORE:
        reason = rating["feedback"]["warning"] or "It is easy to guess."
        raise InvalidInput(
            field, f"The password is too weak: {reason.rstrip('.')}. Use several uncommon words."
        )


def _normalize(password: str) -> str:
    """Return the NFKC form: keyboards encode the same character in different ways."""
    return unicodedata.normalize("NFKC", password)
