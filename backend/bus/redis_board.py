"""The ports `HealthBoard` and `Counters` on Redis, for processes that share neither memory nor a disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from backend.bus.board import FORGET_NS
from backend.core.clock import Clock, SystemClock
from backend.core.errors import TransientError
from backend.core.health import DeviceHealth, SensorErrors, decode, encode

DEVICES: Final = "seduce:devices"
"""A hash: device name -> its last report."""
ERRORS: Final = "seduce:sensor_errors:"
"""Three hashes, `count`, `first` and `last`: sensor name -> number, or ns since the epoch."""


_ANSWER_S: Final = 1.0


def client(url: str) -> Any:
    # Once more at once: after a restart of Redis the first use finds a connection that is none any more.
    limits = {"socket_timeout": _ANSWER_S, "socket_connect_timeout": _ANSWER_S}
    return redis.from_url(url, retry=Retry(NoBackoff(), 1), **limits)


@asynccontextmanager
async def reaching(what: str) -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise TransientError(f"{what} cannot be reached in Redis: {error}") from error


class RedisHealthBoard:
    """The last report of each device, in one hash."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._redis = client(url)
        self._clock = clock or SystemClock()

    async def report(self, devices: Sequence[DeviceHealth]) -> None:
        if devices:
            async with reaching("the health of devices"):
                await self._redis.hset(DEVICES, mapping={d.name: encode([d]) for d in devices})

    async def devices(self) -> Sequence[DeviceHealth]:
        async with reaching("the health of devices"):
            kept = await self._redis.hgetall(DEVICES)
            found = sorted((name.decode(), decode(body)[0]) for name, body in kept.items())
            oldest = self._clock.now_ns() - FORGET_NS
            if old := [name for name, device in found if device.reported_ns < oldest]:
                await self._redis.hdel(DEVICES, *old)
        return [device for _, device in found if device.reported_ns >= oldest]

    async def close(self) -> None:
        await self._redis.aclose()


class RedisCounters:
    """Errors of sensors; they outlive the processes that count them."""

    def __init__(self, url: str) -> None:
        self._redis = client(url)

    async def count(self, sensors: Sequence[str], at_ns: int) -> None:
        if not sensors:
            return
        async with reaching("the counters"), self._redis.pipeline(transaction=True) as pipe:
            for sensor in sensors:
                pipe.hincrby(ERRORS + "count", sensor, 1)
                pipe.hsetnx(ERRORS + "first", sensor, at_ns)
                pipe.hset(ERRORS + "last", sensor, at_ns)
            await pipe.execute()

    async def errors(self) -> Sequence[SensorErrors]:
        async with reaching("the counters"), self._redis.pipeline(transaction=True) as pipe:
            for part in ("count", "first", "last"):
                pipe.hgetall(ERRORS + part)
            counts, first, last = await pipe.execute()
        return [
            SensorErrors(name.decode(), int(count), int(first[name]), int(last[name]))
            for name, count in sorted(counts.items())
        ]

    async def reset(self, sensors: Sequence[str] | None = None) -> None:
        keys = [ERRORS + part for part in ("count", "first", "last")]
        async with reaching("the counters"), self._redis.pipeline(transaction=True) as pipe:
            if sensors is None:
                pipe.delete(*keys)
            elif sensors:
                for key in keys:
                    pipe.hdel(key, *sensors)
            await pipe.execute()

    async def close(self) -> None:
        await self._redis.aclose()
