"""Contract of Bus, on every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from backend.bus.memory import MemoryBus
from backend.bus.redis import RedisBus
from backend.core.ports import Bus
from backend.core.reading import Reading, Readings


def on_redis(request: pytest.FixtureRequest) -> Bus:
    return RedisBus(request.getfixturevalue("redis_server").url())


IMPLEMENTATIONS: dict[str, Callable[[pytest.FixtureRequest], Bus]] = {
    "memory": lambda _: MemoryBus(),
    "redis": on_redis,
}
SOON = 5.0


@pytest.fixture(params=IMPLEMENTATIONS)
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    bus = IMPLEMENTATIONS[request.param](request)
    yield bus
    await bus.close()


def batch(*rows: tuple[str, int, float]) -> Readings:
    return Readings.of([Reading(*row) for row in rows])


async def collect(
    batches: AsyncIterator[Readings], until: Callable[[dict[str, Reading]], bool]
) -> dict[str, Reading]:
    """The newest reading of each sensor that came, once `until` says it is enough."""
    newest: dict[str, Reading] = {}
    while not until(newest):
        for reading in await asyncio.wait_for(anext(batches), SOON):
            newest[reading.sensor] = reading
    return newest


async def test_subscribers_get_what_is_published(bus: Bus) -> None:
    async with bus.subscribe() as one, bus.subscribe() as two:
        await bus.publish(batch(("a", 1, 1.5), ("b", 1, 2.5)))
        for batches in (one, two):
            newest = await collect(batches, lambda s: len(s) == 2)
            assert newest == {"a": Reading("a", 1, 1.5), "b": Reading("b", 1, 2.5)}


async def test_a_subscriber_gets_only_the_sensors_it_named(bus: Bus) -> None:
    async with bus.subscribe(frozenset({"b"})) as batches:
        await bus.publish(batch(("a", 1, 1.0)))
        await bus.publish(batch(("a", 2, 1.0), ("b", 2, 2.0), ("c", 2, 3.0)))
        got = await asyncio.wait_for(anext(batches), SOON)
        assert list(got) == [Reading("b", 2, 2.0)]


async def test_readings_before_the_subscription_are_not_delivered(bus: Bus) -> None:
    await bus.publish(batch(("a", 1, 1.0)))
    async with bus.subscribe() as batches:
        await bus.publish(batch(("a", 2, 2.0)))
        got = await asyncio.wait_for(anext(batches), SOON)
        assert list(got) == [Reading("a", 2, 2.0)]


async def test_a_slow_subscriber_gets_the_newest_reading_of_each_sensor(bus: Bus) -> None:
    async with bus.subscribe() as batches:
        for i in range(1, 2001):
            await bus.publish(batch(("a", i, float(i)), (f"s{i % 50}", i, float(-i))))
        newest = await collect(
            batches, lambda s: s.get("a", Reading("a", 0, 0)).time_ns == 2000 and len(s) == 51
        )
        assert newest["a"].value == 2000.0
        assert {newest[f"s{i % 50}"].value for i in range(1951, 2001)} == {
            float(-i) for i in range(1951, 2001)
        }


async def test_a_late_reading_does_not_hide_a_newer_one_in_a_batch(bus: Bus) -> None:
    async with bus.subscribe() as batches:
        await bus.publish(batch(("a", 5, 5.0), ("a", 3, 3.0)))
        assert list(await asyncio.wait_for(anext(batches), SOON)) == [Reading("a", 5, 5.0)]


async def test_publishing_without_subscribers_is_fine(bus: Bus) -> None:
    await bus.publish(batch(("a", 1, 1.0)))
    await bus.publish(Readings.empty())


async def test_a_subscriber_that_never_reads_blocks_nobody(bus: Bus) -> None:
    async with bus.subscribe(), bus.subscribe() as awake:
        for i in range(1, 301):
            await bus.publish(batch(("a", i, float(i))))
        newest = await collect(awake, lambda s: s.get("a", Reading("a", 0, 0)).time_ns == 300)
        assert newest["a"].value == 300.0


async def test_leaving_ends_the_subscription(bus: Bus) -> None:
    async with bus.subscribe() as batches:
        pass
    await bus.publish(batch(("a", 1, 1.0)))
    waiting = asyncio.ensure_future(anext(batches, None))
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done or waiting.result() is None
    waiting.cancel()


async def test_without_a_loss_there_is_no_gap(bus: Bus) -> None:
    assert bus.connected
    async with bus.subscribe() as batches:
        for i in range(1, 101):
            await bus.publish(batch(("a", i, float(i))))
        await collect(batches, lambda s: s.get("a", Reading("a", 0, 0)).time_ns == 100)
        assert batches.gaps == 0
    assert bus.connected
