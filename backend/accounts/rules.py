"""How long what lasts, and where mailed links lead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from backend.core.windows import NS_PER_SECOND

HOUR_NS: Final = 3600 * NS_PER_SECOND
DAY_NS: Final = 24 * HOUR_NS

CONFIRM_NS: Final = 2 * DAY_NS
RESET_NS: Final = HOUR_NS
DECIDE_NS: Final = 14 * DAY_NS
FORGET_UNCONFIRMED_NS: Final = 7 * DAY_NS
"""A sign-up that nobody confirmed is forgotten after so long."""
LONGEST_TOKEN_DAYS: Final = 366
MOST_TOKENS: Final = 50
TOUCH_NS: Final = 60 * NS_PER_SECOND
"""Times of last use are kept so exactly: one write a minute, not one a request."""
TOKEN_AUDIT_NS: Final = HOUR_NS
"""The use of a token is logged when it was not used for so long, or comes from elsewhere."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What an operator chooses."""

    public_url: str = "http://127.0.0.1:8081"
    """What mailed links begin with. Never taken from a request: its sender would choose where the links lead."""
    public_read: bool = False
    session_idle_ns: int = 30 * 60 * NS_PER_SECOND
    session_ns: int = 12 * HOUR_NS
