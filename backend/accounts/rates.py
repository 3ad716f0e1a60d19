"""How often what may be tried, and answers that take equally long whatever they say."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from backend.accounts.errors import too_many
from backend.core.errors import TransientError
from backend.core.outage import Outage
from backend.core.rates import RateLimits

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many attempts within so many seconds."""

    count: int
    window_s: int


LOG_IN_ACCOUNT: Final = Limit(10, 900)
LOG_IN_ADDRESS: Final = Limit(100, 900)
"""All that log in from behind one address count together, those who succeed too."""
SIGN_UP_ADDRESS: Final = Limit(10, 3600)
MAIL_ACCOUNT: Final = Limit(4, 3600)
"""Mails that somebody may have sent to one mailbox."""
LINK_ADDRESS: Final = Limit(60, 900)

ANSWER_S: Final = 0.8
"""Answers about addresses and passwords come no sooner: longer than the work takes, whichever way it goes."""

Sleep = Callable[[float], Awaitable[None]]


class Rates:
    """Attempts are counted in Redis, or in memory; where Redis is away, in memory meanwhile: never not at all."""

    def __init__(self, shared: RateLimits, fallback: RateLimits, sleep: Sleep = asyncio.sleep) -> None:
        self._shared = shared
        self._fallback = fallback
        self._sleep = sleep
        self._outage = Outage(log, "shared_rate_limits", level=logging.WARNING)

    async def take(self, what: str, who: str, limit: Limit) -> None:
        """Counts one attempt. Raises `TooManyAttempts`."""
        key = f"{what}:{_place(who)}"
        try:
            wait_s = await self._shared.take(key, limit.count, limit.window_s)
        except TransientError as error:
            self._outage.failed(error)
            wait_s = await self._fallback.take(key, limit.count, limit.window_s)
        else:
            self._outage.recovered()
        if wait_s:
            raise too_many(wait_s)

    async def forget(self, what: str, who: str) -> None:
        for counters in (self._shared, self._fallback):
            try:
                await counters.forget(f"{what}:{_place(who)}")
            except TransientError:
                log.debug("a counter of attempts stays")

    @asynccontextmanager
    async def minimum_duration(self) -> AsyncIterator[None]:
        """The block takes no less than `ANSWER_S`, also where it raises."""
        clock = asyncio.get_running_loop().time
        end = clock() + ANSWER_S
        try:
            yield
        finally:
            await self._sleep(max(0.0, end - clock()))


def _place(who: str) -> str:
    """Of an IPv6 address the network: whoever has one address of it has 2^64."""
    if ":" not in who:
        return who
    try:
        found = ipaddress.IPv6Address(who)
    except ValueError:
        return who
    return str(found.ipv4_mapped or ipaddress.IPv6Network((found, 64), strict=False))
