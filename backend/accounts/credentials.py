"""Random secrets that are shown once and stored as hashes.

Each secret has 256 random bits, so a plain SHA-256 is enough. Passwords need a slow hash
(`passwords.py`), because people choose them.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

TOKEN_PREFIX: Final = "seduce_pat_"  # noqa: S105  prefix of personal tokens: secret scanners search for it
KEY_PREFIX: Final = "seduce_key_"
_MAX_LENGTH: Final = 128
"""Characters. No secret of this program is longer, so a longer text is not hashed."""


def new_secret(prefix: str = "") -> str:
    return prefix + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Return the SHA-256 as 64 hexadecimal digits, or an empty text if `secret` cannot be one of this program's secrets."""
    if not secret or len(secret) > _MAX_LENGTH:
        return ""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_id() -> str:
    return secrets.token_hex(16)
