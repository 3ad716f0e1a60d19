"""Secrets that are handed out once and kept as hashes.

They are 256 bits of chance, so that a plain SHA-256 cannot be turned round; passwords, which people choose, are
another matter (`passwords.py`).
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

TOKEN_PREFIX: Final = "seduce_pat_"  # noqa: S105  what a personal token begins with, so that scanners find lost ones
KEY_PREFIX: Final = "seduce_key_"
_MOST: Final = 128
"""Longer than any secret of ours: what is longer need not be hashed."""


def new_secret(prefix: str = "") -> str:
    return prefix + secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """64 hexadecimal digits; empty for what cannot be one of ours."""
    if not secret or len(secret) > _MOST:
        return ""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_id() -> str:
    return secrets.token_hex(16)
