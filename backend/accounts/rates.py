"""Limits on attempts, and a minimum duration for answers so that their timing reveals nothing."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from backend.accounts.errors import too_many_attempts
from backend.core.errors import TransientError
from backend.core.outage import Outage
from backend.core.rates import RateLimits

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` attempts in `window_s` seconds."""

    count: int
    window_s: int


LOG_IN_ACCOUNT: Final = Limit(10, 900)
LOG_IN_ADDRESS: Final = Limit(100, 900)
"""Counts all log-ins from one network address, the successful ones too."""
SIGN_UP_ADDRESS: Final = Limit(10, 3600)
MAIL_ACCOUNT: Final = Limit(4, 3600)
"""Mails that can be requested for one mailbox."""
LINK_ADDRESS: Final = Limit(60, 900)

MIN_ANSWER_S: Final = 0.8
"""Minimum duration of answers about addresses and passwords, longer than the work in any case."""

Sleep = Callable[[float], Awaitable[None]]


class Rates:
    """Counts attempts in Redis or in memory. While Redis is unreachable, memory counts: there is always a limit."""

    def __init__(self, shared: RateLimits, fallback: RateLimits, sleep: Sleep = asyncio.sleep) -> None:
        self._shared = shared
        self._fallback = fallback
        self._sleep = sleep
        self._outage = Outage(log, "shared_rate_limits", level=logging.WARNING)

    async def take(self, action: str, subject: str, limit: Limit) -> None:
        """Count one attempt at `action` by `subject`, an address or a user. Raises `TooManyAttempts`."""
        key = f"{action}:{_counted_as(subject)}"
        try:
            wait_s = await self._shared.take(key, limit.count, limit.window_s)
        except TransientError as error:
            self._outage.failed(error)
            wait_s = await self._fallback.take(key, limit.count, limit.window_s)
        else:
            self._outage.recovered()
        if wait_s:
            raise too_many_attempts(wait_s)

    async def forget(self, action: str, subject: str) -> None:
        """Reset the counter."""
        for counters in (self._shared, self._fallback):
            try:
                await counters.forget(f"{action}:{_counted_as(subject)}")
            except TransientError:
                log.debug("counter of attempts not reset")

    @asynccontextmanager
    async def minimum_duration(self) -> AsyncIterator[None]:
        """Make the block last at least `MIN_ANSWER_S`, even if it raises."""
        clock = asyncio.get_running_loop().time
        end = clock() + MIN_ANSWER_S
        try:
            yield
        finally:
            await self._sleep(max(0.0, end - clock()))


def _counted_as(subject: str) -> str:
    """Return the /64 network of an IPv6 address, because one host has 2^64 addresses; otherwise `subject`."""
    if ":" not in subject:
        return subject
    try:
        address = ipaddress.IPv6Address(subject)
    except ValueError:
        return subject
    return str(address.ipv4_mapped or ipaddress.IPv6Network((address, 64), strict=False))
