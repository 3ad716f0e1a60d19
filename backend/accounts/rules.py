"""Lifetimes and limits of accounts, and the settings that an operator chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from backend.core.windows import NS_PER_SECOND

HOUR_NS: Final = 3600 * NS_PER_SECOND
DAY_NS: Final = 24 * HOUR_NS

CONFIRM_LINK_NS: Final = 2 * DAY_NS
RESET_LINK_NS: Final = HOUR_NS
DECIDE_LINK_NS: Final = 14 * DAY_NS
UNCONFIRMED_RETENTION_NS: Final = 7 * DAY_NS
"""A sign-up without confirmation is deleted after this time."""
MAX_TOKEN_DAYS: Final = 366
MAX_TOKENS: Final = 50
"""Personal tokens per user."""
USE_RESOLUTION_NS: Final = 60 * NS_PER_SECOND
"""Resolution of times of last use: at most one write a minute instead of one a request."""
TOKEN_AUDIT_NS: Final = HOUR_NS
"""The use of a token is logged if its last use is older than this, or came from another address."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings that an operator chooses."""

    public_url: str = "http://127.0.0.1:8081"
    """Start of mailed links. Never taken from a request, because its sender could then choose where the links lead."""
    public_read: bool = False
    session_idle_ns: int = 30 * 60 * NS_PER_SECOND
    session_ns: int = 12 * HOUR_NS
