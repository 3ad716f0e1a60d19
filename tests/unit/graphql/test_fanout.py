from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import orjson
import pytest
from strawberry.types import ExecutionResult

from backend.graphql.execution.fanout import MAX_QUEUED, FanOut
from backend.graphql.scalars import dumps
from tests.support.graphql_client import connected, site_app
from tests.support.serve import serving
from tests.support.small_site import SmallSite


class Source:
    """A subscription whose results are numbers that the test gives; a snapshot is the newest number."""

    def __init__(self) -> None:
        self.started = self.open = self.number = 0
        self._queues: list[asyncio.Queue[int | None]] = []

    async def start(self) -> AsyncGenerator[Any, None]:
        self.started += 1
        return self._results()

    async def _results(self) -> AsyncGenerator[Any, None]:
        queue: asyncio.Queue[int | None] = asyncio.Queue()
        self._queues.append(queue)
        self.open += 1
        try:
            yield ExecutionResult(data={"snapshot": self.number}, errors=None)
            while (number := await queue.get()) is not None:
                yield ExecutionResult(data={"n": number}, errors=None)
        finally:
            self.open -= 1
            self._queues.remove(queue)

    async def give(self, number: int | None) -> None:
        self.number = number if number is not None else self.number
        for queue in self._queues:
            queue.put_nowait(number)
        for _ in range(10):  # turns of the loop until it has gone through
            await asyncio.sleep(0)


async def take(results: AsyncGenerator[Any, None]) -> Any:
    return orjson.loads(dumps((await anext(results)).data))


async def test_subscribers_share_one_run_and_get_a_snapshot_each() -> None:
    source, fan = Source(), FanOut()
    first, second = fan.subscribe(b"k", source.start), fan.subscribe(b"k", source.start)
    assert await take(first) == {"snapshot": 0}
    waiting = asyncio.create_task(take(first))
    await source.give(1)
    assert await waiting == {"n": 1}
    assert await take(second) == {"snapshot": 1}
    ahead = [asyncio.create_task(take(w)) for w in (first, second)]
    await asyncio.sleep(0)
    await source.give(2)
    assert [await t for t in ahead] == [{"n": 2}, {"n": 2}]
    assert source.open == 1
    await first.aclose()
    assert source.open == 1
    await second.aclose()
    assert (source.open, fan.runs) == (0, 0)


async def test_a_subscriber_that_falls_behind_gets_a_new_snapshot() -> None:
    source, fan = Source(), FanOut()
    slow = fan.subscribe(b"k", source.start)
    assert await take(slow) == {"snapshot": 0}
    waiting = asyncio.create_task(take(slow))
    await source.give(1)
    await waiting
    for number in range(2, 2 * MAX_QUEUED):
        await source.give(number)
    assert await take(slow) == {"snapshot": 2 * MAX_QUEUED - 1}
    await slow.aclose()
    assert source.open == 0


async def test_the_end_reaches_all_subscribers_and_a_new_one_starts_a_new_run() -> None:
    source, fan = Source(), FanOut()
    async with AsyncExitStack() as stack:
        subscribers = [fan.subscribe(b"k", source.start) for _ in range(3)]
        for subscriber in subscribers:
            await take(subscriber)
            stack.push_async_callback(subscriber.aclose)
        ends = [asyncio.create_task(anext(w, None)) for w in subscribers]
        await asyncio.sleep(0)
        await source.give(None)
        assert [await e for e in ends] == [None] * 3
        late = fan.subscribe(b"k", source.start)
        assert await take(late) == {"snapshot": 0}
        await late.aclose()


@pytest.mark.parametrize("count", [20])
async def test_equal_subscriptions_listen_to_the_bus_once(count: int) -> None:
    site = SmallSite()
    site.hear({"fan": 1.0})
    query = "subscription ($s: [ID!]) { readings(sensors: $s) { snapshot values } }"
    async with serving(site_app(site)) as address, AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(connected(address)) for _ in range(count)]
        for socket in sockets:
            await socket.subscribe(query, s=["fan"])
            assert await socket.next() == {"readings": {"snapshot": True, "values": [1.0]}}
        await sockets[0].subscribe(query, key="other", s=["fan", "sun"])
        await sockets[0].next()
        assert len(site.bus._subscriptions) == 2
        await site.bus.publish(site.hear({"fan": 2.0}))
        for socket in sockets[1:]:
            assert await socket.next() == {"readings": {"snapshot": False, "values": [2.0]}}
