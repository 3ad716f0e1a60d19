"""Passwords: which are taken, and how they are kept (Argon2id)."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Sequence
from typing import Final

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from zxcvbn import zxcvbn

from backend.accounts.errors import InvalidInput

SHORTEST: Final = 12
LONGEST: Final = 128
_WEAKEST: Final = 3
"""zxcvbn's score, 0 to 4: 3 takes over 10^8 guesses."""
_LOOKED_AT: Final = 72
"""zxcvbn takes no more characters; what is guessed within them is weak, whatever follows."""
_AT_ONCE: Final = 2
"""Each hash takes 64 MiB and a fifth of a second of a core."""


class Passwords:
    """Hashes and checks in threads, few at once, so that a flood of log-ins costs bounded memory."""

    def __init__(self, hasher: PasswordHash | None = None) -> None:
        self._hasher = hasher or PasswordHash.recommended()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, _normal(password))

    async def matches(self, password: str, known: str | None) -> bool:
        """`known` None is nobody's hash: as much work, and never a match."""
        if self._nobodys is None:
            self._nobodys = await self.hash("of nobody, for the time it takes")
        async with self._room:
            same = await asyncio.to_thread(self._verify, password, known or self._nobodys)
        return same and known is not None

    def _verify(self, password: str, known: str) -> bool:
        if len(password) > LONGEST:
            password = ""
        try:
            return self._hasher.verify(_normal(password), known)
        except PwdlibError:
            return False


def check_password(password: str, about: Sequence[str] = (), where: str = "password") -> None:
    """Raises `InvalidInput` for one that is short or easily guessed; `about` are words that belong to the user."""
    if len(password) < SHORTEST:
        raise InvalidInput(where, f"A password has at least {SHORTEST} characters.")
    if len(password) > LONGEST:
        raise InvalidInput(where, f"A password has at most {LONGEST} characters.")
    found = zxcvbn(password[:_LOOKED_AT], user_inputs=[word for word in about if word])
    if found["score"] < _WEAKEST:
        why = found["feedback"]["warning"] or "It is easily guessed."
        raise InvalidInput(
            where, f"This password is too weak: {why.rstrip('.')}. Several unusual words are strong."
        )


def _normal(password: str) -> str:
    """The same characters typed on another keyboard are the same password."""
    return unicodedata.normalize("NFKC", password)
