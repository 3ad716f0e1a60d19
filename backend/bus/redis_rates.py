"""The port `RateLimits` on Redis: all web processes count together."""

from __future__ import annotations

import hashlib
from typing import Final

from backend.bus.redis_board import client, reaching

PREFIX: Final = "seduce:rate:"


class RedisRates:
    def __init__(self, url: str) -> None:
        self._redis = client(url)

    async def take(self, key: str, limit: int, window_s: int) -> float:
        name = _name(key)
        async with reaching("the counters of attempts"), self._redis.pipeline(transaction=True) as pipe:
            # Made with its end, so that a crash between two commands leaves no counter that never ends.
            pipe.set(name, 0, ex=window_s, nx=True)
            pipe.incr(name)
            pipe.pttl(name)
            _, count, left_ms = await pipe.execute()
        return 0.0 if count <= limit else max(left_ms, 1) / 1000

    async def forget(self, key: str) -> None:
        async with reaching("the counters of attempts"):
            await self._redis.delete(_name(key))

    async def close(self) -> None:
        await self._redis.aclose()


def _name(key: str) -> str:
    # Keys hold addresses of people, who did not ask to be listed in Redis.
    return PREFIX + hashlib.sha256(key.encode()).hexdigest()[:32]
