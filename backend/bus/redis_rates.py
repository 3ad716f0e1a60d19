"""The port `RateLimits` on Redis. All web processes share the counts."""

from __future__ import annotations

import hashlib
from typing import Final

from backend.bus.redis_board import redis_client, translate_redis_errors

PREFIX: Final = "seduce:rate:"


class RedisRateLimits:
    def __init__(self, url: str) -> None:
        self._redis = redis_client(url)

    async def take(self, key: str, limit: int, window_s: int) -> float:
        name = _name(key)
        async with (
            translate_redis_errors("the counters of attempts"),
            self._redis.pipeline(transaction=True) as pipe,
        ):
            # The counter is created with its expiry, so that a crash between two commands leaves none without.
            pipe.set(name, 0, ex=window_s, nx=True)
            pipe.incr(name)
            pipe.pttl(name)
            _, count, left_ms = await pipe.execute()
        return 0.0 if count <= limit else max(left_ms, 1) / 1000

    async def forget(self, key: str) -> None:
        async with translate_redis_errors("the counters of attempts"):
            await self._redis.delete(_name(key))

    async def close(self) -> None:
        await self._redis.aclose()


def _name(key: str) -> str:
    # Keys contain e-mail addresses, which must not be stored in Redis in plain text.
    return PREFIX + hashlib.sha256(key.encode()).hexdigest()[:32]
