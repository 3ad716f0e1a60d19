"""Contract of RateLimits, in memory and on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from backend.accounts.rates import Limit, Rates
from backend.bus import rates as memory
from backend.bus.rates import MemoryRateLimits
from backend.bus.redis_rates import RedisRateLimits
from backend.core.errors import TooManyAttempts, TransientError
from backend.core.rates import RateLimits
from tests.support.manual_clock import ManualClock
from tests.support.processes import free_port
from tests.support.redis import RedisServer


@pytest.fixture(params=["memory", "redis"])
async def limits(request: pytest.FixtureRequest) -> AsyncIterator[RateLimits]:
    if request.param == "memory":
        yield MemoryRateLimits()
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    server.command("FLUSHALL")
    redis_limits = RedisRateLimits(server.url())
    yield redis_limits
    await redis_limits.close()


async def test_attempts_are_limited(limits: RateLimits) -> None:
    assert [await limits.take("a", 3, 600) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert 0 < await limits.take("a", 3, 600) <= 600
    assert await limits.take("b", 3, 600) == 0.0
    await limits.forget("a")
    assert await limits.take("a", 3, 600) == 0.0


async def test_attempts_at_once_are_all_counted(limits: RateLimits) -> None:
    waits = await asyncio.gather(*(limits.take("a", 5, 600) for _ in range(40)))
    assert waits.count(0.0) == 5


async def test_a_window_ends(limits: RateLimits) -> None:
    assert await limits.take("a", 1, 1) == 0.0
    assert await limits.take("a", 1, 1) > 0
    async with asyncio.timeout(20):
        while await limits.take("a", 1, 1):
            await asyncio.sleep(0.05)


async def test_memory_is_bounded_under_attack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_KEYS", 10)
    clock = ManualClock(10**18)
    limits = MemoryRateLimits(clock)
    for number in range(50):
        clock.advance(1)
        await limits.take(f"key{number}", 1, 600)
    assert len(limits._windows) <= 10
    assert await limits.take("key49", 1, 600) > 0


async def test_attempts_are_counted_without_redis() -> None:
    away = RedisRateLimits(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(TransientError):
        await away.take("a", 1, 60)
    rates = Rates(away, MemoryRateLimits())
    await rates.take("log-in", "a", Limit(1, 60))
    with pytest.raises(TooManyAttempts):
        await rates.take("log-in", "a", Limit(1, 60))
    await rates.forget("log-in", "a")
    await rates.take("log-in", "a", Limit(1, 60))
    await away.close()


async def test_redis_stores_no_addresses(redis_server: RedisServer) -> None:
    redis_server.command("FLUSHALL")
    limits = RedisRateLimits(redis_server.url())
    await limits.take("log-in:anna@example.org", 1, 60)
    assert b"anna" not in redis_server.command("KEYS", "*")
    await limits.close()
