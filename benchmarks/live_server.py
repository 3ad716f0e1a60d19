"""Servers of one subscription, for `bench_subscribers`: ours, and plain Strawberry.

    python -m benchmarks.live_server ours|strawberry

Prints its port. Ten times per second there is one new reading, whose value is its creation time in seconds of the
monotonic clock.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from typing import Any

import strawberry
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from strawberry.asgi import GraphQL

from backend.core.reading import Readings
from backend.processes.server import SOCKETS, run, tune_gc
from tests.support.graphql_client import site_app
from tests.support.serve import serving
from tests.support.small_site import SmallSite

EVERY_S = 0.1
SENSOR = "fan"


async def serve_seduce() -> None:
    site = SmallSite()
    site.hear({SENSOR: 0.0})
    async with serving(site_app(site), **SOCKETS) as address:
        tune_gc()  # as the real server does after its start
        print(address.rpartition(":")[2], flush=True)
        async for now in beats():
            await site.bus.publish(Readings.from_rows([SENSOR], [time.time_ns()], [now]))


async def beats() -> AsyncGenerator[float, None]:
    following = time.monotonic()
    while True:
        following += EVERY_S
        await asyncio.sleep(max(0.0, following - time.monotonic()))
        yield time.monotonic()


_listeners: set[asyncio.Queue[float]] = set()


@strawberry.type
class ReadingBatch:
    snapshot: bool
    sensors: list[str]
    timestamps: list[float]
    values: list[float]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def readings(self, sensors: list[strawberry.ID]) -> AsyncGenerator[ReadingBatch, None]:
        queue: asyncio.Queue[float] = asyncio.Queue()
        _listeners.add(queue)
        try:
            yield ReadingBatch(snapshot=True, sensors=[SENSOR], timestamps=[0], values=[0])
            while True:
                value = await queue.get()
                yield ReadingBatch(
                    snapshot=False, sensors=[SENSOR], timestamps=[time.time() * 1e3], values=[value]
                )
        finally:
            _listeners.discard(queue)


@strawberry.type
class Query:
    nothing: bool = True


async def plain() -> None:
    server: Any = GraphQL(strawberry.Schema(Query, subscription=Subscription))
    app = Starlette(routes=[WebSocketRoute("/graphql", server)])
    async with serving(app, **SOCKETS) as address:
        print(address.rpartition(":")[2], flush=True)
        async for now in beats():
            for queue in _listeners:
                queue.put_nowait(now)


if __name__ == "__main__":
    run(serve_seduce() if sys.argv[1] == "ours" else plain())
