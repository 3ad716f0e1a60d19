"""Outages of a bus over the network, and the gaps that subscribers get."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.bus.last_values import LastValues
from backend.bus.redis import CHANNEL, RedisBus
from backend.bus.wire import Decoder, encode
from backend.core.errors import PermanentError, TransientError
from backend.core.reading import Reading, Readings
from tests.support.redis import RedisServer

TIMEOUT_S = 60.0


def batch(*rows: tuple[str, int, float]) -> Readings:
    return Readings.of([Reading(*row) for row in rows])


@pytest.fixture
async def buses(redis_server: RedisServer) -> AsyncIterator[tuple[RedisBus, RedisBus]]:
    """Of the process that publishes, and of the one that listens."""
    publisher, subscriber = RedisBus(redis_server.url()), RedisBus(redis_server.url())
    yield publisher, subscriber
    await publisher.close()
    await subscriber.close()


async def published(bus: RedisBus, readings: Readings) -> None:
    """Until Redis has it."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            with contextlib.suppress(TransientError):
                await bus.publish(readings)
                return
            await asyncio.sleep(0.05)


async def next_of(batches: AsyncIterator[Readings]) -> list[Reading]:
    return list(await asyncio.wait_for(anext(batches), TIMEOUT_S))


async def test_readings_go_from_process_to_process(buses: tuple[RedisBus, RedisBus]) -> None:
    publisher, subscriber = buses
    async with subscriber.subscribe(frozenset({"b"})) as batches:
        await publisher.publish(batch(("a", 1, 1.0), ("b", 2, 2.5)))
        assert await next_of(batches) == [Reading("b", 2, 2.5)]


async def test_a_disconnected_subscriber_resumes_with_a_gap(
    buses: tuple[RedisBus, RedisBus], redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "backend.bus.redis")
    publisher, subscriber = buses
    async with subscriber.subscribe() as batches:
        await publisher.publish(batch(("a", 1, 1.0)))
        assert await next_of(batches) == [Reading("a", 1, 1.0)]
        redis_server.hang_up("pubsub")
        assert await next_of(batches) == []  # no readings since, but the gap is reported at once
        assert batches.gaps == 1
        await publisher.publish(batch(("a", 2, 2.0)))
        assert await next_of(batches) == [Reading("a", 2, 2.0)]
        assert batches.gaps == 1
    levels = [r.levelname for r in caplog.records]
    assert levels == ["ERROR", "INFO"]


async def test_a_failed_publish_is_a_gap_for_subscribers(
    buses: tuple[RedisBus, RedisBus], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.bus.redis._PAUSE_S", 3600)
    publisher, subscriber = buses
    async with subscriber.subscribe() as batches:
        await publisher.publish(batch(("a", 1, 1.0)))
        await next_of(batches)
        publisher._not_before = asyncio.get_running_loop().time() + 3600
        with pytest.raises(TransientError):
            await publisher.publish(batch(("a", 2, 2.0)))
        publisher._not_before = 0.0
        await publisher.publish(batch(("a", 3, 3.0)))
        assert await next_of(batches) == [Reading("a", 3, 3.0)]
        assert batches.gaps == 1


async def test_a_restarted_publisher_is_a_gap(
    buses: tuple[RedisBus, RedisBus], redis_server: RedisServer
) -> None:
    publisher, subscriber = buses
    async with subscriber.subscribe() as batches:
        await publisher.publish(batch(("a", 1, 1.0)))
        await next_of(batches)
        restarted = RedisBus(redis_server.url())
        await restarted.publish(batch(("a", 2, 2.0)))
        assert await next_of(batches) == [Reading("a", 2, 2.0)]
        assert batches.gaps == 1
        await restarted.close()


async def test_the_bus_survives_a_restart_of_redis(
    buses: tuple[RedisBus, RedisBus], redis_server: RedisServer
) -> None:
    publisher, subscriber = buses
    async with subscriber.subscribe() as batches:
        await publisher.publish(batch(("a", 1, 1.0)))
        await next_of(batches)
        redis_server.stop()
        try:
            with pytest.raises(TransientError, match=str(redis_server.port)):
                await publisher.publish(batch(("a", 2, 2.0)))
            with pytest.raises(TransientError):
                await publisher.publish(batch(("a", 3, 3.0)))
        finally:
            redis_server.start()
        assert await next_of(batches) == []
        assert subscriber.connected
        await published(publisher, batch(("a", 4, 4.0)))
        assert await next_of(batches) == [Reading("a", 4, 4.0)]


async def test_a_frozen_redis_times_out_for_publisher_and_subscriber(
    buses: tuple[RedisBus, RedisBus], redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.bus.redis._PING_AFTER_S", 0.2)
    publisher, subscriber = buses
    async with subscriber.subscribe() as batches:
        redis_server.freeze()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                with pytest.raises(TransientError):
                    await publisher.publish(batch(("a", 1, 1.0)))
                while subscriber.connected:
                    await asyncio.sleep(0.02)
        finally:
            redis_server.thaw()
        assert await next_of(batches) == []
        assert batches.gaps == 1


async def test_a_subscription_may_begin_before_redis_does(redis_server: RedisServer) -> None:
    redis_server.stop()
    bus = RedisBus(redis_server.url())
    try:
        async with bus.subscribe() as batches:
            assert not bus.connected
            redis_server.start()
            assert await next_of(batches) == []
            assert bus.connected
            await published(bus, batch(("a", 1, 1.0)))
            assert await next_of(batches) == [Reading("a", 1, 1.0)]
    finally:
        await bus.close()
        if not redis_server._process:
            redis_server.start()


async def test_last_values_read_the_store_again_after_a_gap(
    buses: tuple[RedisBus, RedisBus], redis_server: RedisServer
) -> None:
    _, subscriber = buses
    known = {"a": Reading("a", 1, 1.0)}

    async def seed() -> Mapping[str, Reading]:
        return known

    last = LastValues(subscriber, ("a", "b"), seed)
    following = asyncio.create_task(last.run())
    await asyncio.wait_for(last.ready.wait(), TIMEOUT_S)
    assert last.latest("a") == known["a"]
    known = {"a": Reading("a", 5, 5.0), "b": Reading("b", 6, 6.0)}  # published while there was no subscriber
    redis_server.hang_up("pubsub")
    async with asyncio.timeout(TIMEOUT_S):
        while last.latest("b") != known["b"]:
            await asyncio.sleep(0.01)
    assert last.latest("a") == known["a"]
    following.cancel()


async def test_garbage_on_the_channel_is_ignored_and_logged_once(
    buses: tuple[RedisBus, RedisBus], redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    publisher, subscriber = buses
    async with subscriber.subscribe() as batches:
        for _ in range(3):
            redis_server.command("PUBLISH", f"{CHANNEL}:0", "hello")
        await publisher.publish(batch(("a", 1, 1.0)))
        assert await next_of(batches) == [Reading("a", 1, 1.0)]
    assert [r.levelname for r in caplog.records] == ["WARNING"]


async def test_databases_of_one_server_do_not_mix(
    buses: tuple[RedisBus, RedisBus], redis_server: RedisServer
) -> None:
    publisher, subscriber = buses
    other = RedisBus(redis_server.url(3))
    async with subscriber.subscribe() as batches:
        await other.publish(batch(("x", 1, 1.0)))
        await publisher.publish(batch(("a", 1, 1.0)))
        assert await next_of(batches) == [Reading("a", 1, 1.0)]
    await other.close()


def test_an_invalid_url_is_refused() -> None:
    with pytest.raises(PermanentError, match="SEDUCE_BUS_URL"):
        RedisBus("http://127.0.0.1:6379")


ROWS = st.lists(
    st.tuples(st.sampled_from("abcdé"), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)),
    max_size=30,
)


@given(ROWS, st.integers(0, 2**63 - 1), st.integers(1, 2**63))
def test_encoding_and_decoding_are_inverse(
    rows: list[tuple[str, int, float]], publisher: int, number: int
) -> None:
    readings = batch(*rows)
    message = Decoder().decode(encode(readings, publisher, number))
    assert (message.publisher, message.number) == (publisher, number)
    assert list(message.readings) == list(readings)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_readings_or_a_value_error(noise: bytes, cut: int) -> None:
    whole = encode(batch(("a", 1, 1.0), ("b", 2, 2.0)), 1, 1)
    for data in (noise, whole[:cut], whole[:cut] + noise, b"SDR1" + noise):
        with contextlib.suppress(ValueError):
            Decoder().decode(data)


def test_only_names_that_occur_are_sent_and_tables_are_shared() -> None:
    names = tuple(f"sensor-{i}" for i in range(1000))
    readings = Readings(names, np.array([5, 7], np.int32), np.array([1, 2], np.int64), np.array([1.0, 2.0]))
    data = encode(readings, 1, 1)
    assert len(data) < 100
    decoder = Decoder()
    assert decoder.decode(data).readings.names is decoder.decode(data).readings.names
