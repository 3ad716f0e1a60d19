"""The ports `HealthBoard` and `Counters` on Redis, shared by several processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from backend.bus.board import REPORT_LIFETIME_NS
from backend.core.clock import Clock, SystemClock
from backend.core.errors import TransientError
from backend.core.health import DeviceHealth, SensorErrors, decode, encode

DEVICES: Final = "seduce:devices"
"""A hash: device name -> its last report."""
ERRORS: Final = "seduce:sensor_errors:"
"""Three hashes, `count`, `first` and `last`: sensor name -> number, or ns since the epoch."""

_TIMEOUT_S: Final = 1.0


def redis_client(url: str) -> Any:
    """Return a client with short time-outs."""
    # One immediate retry: after a restart of Redis the first command uses a connection that is closed.
    limits = {"socket_timeout": _TIMEOUT_S, "socket_connect_timeout": _TIMEOUT_S}
    return redis.from_url(url, retry=Retry(NoBackoff(), 1), **limits)


@asynccontextmanager
async def translate_redis_errors(purpose: str) -> AsyncIterator[None]:
    """Raise errors of Redis as `TransientError`. `purpose` names what is stored there."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise TransientError(f"{purpose} cannot be reached in Redis: {error}") from error


class RedisHealthBoard:
    """The last report of each device, in one hash."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._redis = redis_client(url)
        self._clock = clock or SystemClock()

    async def report(self, devices: Sequence[DeviceHealth]) -> None:
        if devices:
            async with translate_redis_errors("the health of devices"):
                await self._redis.hset(DEVICES, mapping={d.name: encode([d]) for d in devices})

    async def devices(self) -> Sequence[DeviceHealth]:
        async with translate_redis_errors("the health of devices"):
            reports = await self._redis.hgetall(DEVICES)
            devices = sorted((name.decode(), decode(body)[0]) for name, body in reports.items())
            oldest = self._clock.now_ns() - REPORT_LIFETIME_NS
            if expired := [name for name, device in devices if device.reported_ns < oldest]:
                await self._redis.hdel(DEVICES, *expired)
        return [device for _, device in devices if device.reported_ns >= oldest]

    async def close(self) -> None:
        await self._redis.aclose()


class RedisCounters:
    """The error counts of sensors. They are kept when the processes that count them end."""

    def __init__(self, url: str) -> None:
        self._redis = redis_client(url)

    async def count(self, sensors: Sequence[str], at_ns: int) -> None:
        if not sensors:
            return
        async with translate_redis_errors("the counters"), self._redis.pipeline(transaction=True) as pipe:
            for sensor in sensors:
                pipe.hincrby(ERRORS + "count", sensor, 1)
                pipe.hsetnx(ERRORS + "first", sensor, at_ns)
                pipe.hset(ERRORS + "last", sensor, at_ns)
            await pipe.execute()

    async def errors(self) -> Sequence[SensorErrors]:
        async with translate_redis_errors("the counters"), self._redis.pipeline(transaction=True) as pipe:
            for part in ("count", "first", "last"):
                pipe.hgetall(ERRORS + part)
            counts, first, last = await pipe.execute()
        return [
            SensorErrors(name.decode(), int(count), int(first[name]), int(last[name]))
            for name, count in sorted(counts.items())
        ]

    async def reset(self, sensors: Sequence[str] | None = None) -> None:
        keys = [ERRORS + part for part in ("count", "first", "last")]
        async with translate_redis_errors("the counters"), self._redis.pipeline(transaction=True) as pipe:
            if sensors is None:
                pipe.delete(*keys)
            elif sensors:
                for key in keys:
                    pipe.hdel(key, *sensors)
            await pipe.execute()

    async def close(self) -> None:
        await self._redis.aclose()
