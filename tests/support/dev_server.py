"""The real API over made-up data that moves: `python -m tests.support.dev_server [PORT]`, on 127.0.0.1:8099 by default.

For work on the pages without devices, store or roll-ups.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from backend.bus.board import MemoryCounters, MemoryHealthBoard
from backend.bus.last_values import LastValues
from backend.bus.memory import MemoryBus
from backend.core.clock import SystemClock
from backend.graphql.schema import build_schema
from backend.graphql.transport.server import GraphQLServer
from backend.inventory.loader import load
from backend.queries.services import Queries
from backend.settings import Settings
from tests.support.memory_jobs import MemoryWork
from tests.support.synthetic import SyntheticState, SyntheticStore

VITE = ["http://127.0.0.1:5173", "http://localhost:5173"]


def build() -> Starlette:
    settings, clock, bus = Settings(), SystemClock(), MemoryBus()
    inventory = load(Path(settings.description_dir))
    store = SyntheticStore(inventory, clock)
    last_values = LastValues(bus, tuple(inventory.sensors))
    state = SyntheticState(clock)
    beside = MemoryWork(inventory, store, state, clock)
    queries = Queries.build(
        inventory,
        store,
        state,
        bus,
        last_values,
        clock,
        settings,
        MemoryHealthBoard(clock),
        MemoryCounters(),
        beside.events,
        beside.work,
    )
    gql = GraphQLServer(build_schema(), queries, explorer=True, allowed_origins=VITE, public_read=True)

    async def tick() -> None:
        while True:
            await bus.publish(store.now())
            await asyncio.sleep(1)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        last_values.merge(store.now())
        tasks = [asyncio.create_task(last_values.run()), asyncio.create_task(tick())]
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return Starlette(routes=[Route("/graphql", gql), WebSocketRoute("/graphql", gql)], lifespan=lifespan)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8099
    uvicorn.run(build(), host="127.0.0.1", port=port, log_level="warning", access_log=False)
