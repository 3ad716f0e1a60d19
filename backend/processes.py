"""The processes beside the web process, each made from the settings alone: the ingest door, the cards' receiver, the roll-ups."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from backend import backups
from backend.bus.memory import MemoryBus
from backend.control import hanging_up
from backend.core.asgi import App
from backend.core.clock import SystemClock
from backend.core.ports import SensorTags, Sink, Written
from backend.core.reading import Readings
from backend.ingest.keys import Guard, Keys, Networks
from backend.ingest.service import Ingest
from backend.inventory.model import Inventory
from backend.metrics import operations, readings
from backend.metrics.text import CONTENT_TYPE, Metrics
from backend.rest.arduino import PATH as CARDS_PATH
from backend.rest.arduino import CardDoor
from backend.rest.health import Check, health_routes
from backend.rest.metrics import metrics_route
from backend.settings import Settings
from backend.wiring import (
    RELAY_PATH,
    Door,
    Parts,
    build_base,
    build_door,
    build_rollups,
    commanded,
    describe,
    draining,
    keep_of,
    open_doors,
    open_spool,
    opened,
    refuse_one_process_parts,
    tags_of,
    temperatures,
)
from crawlers.sink import HttpSink
from workers.runner import InProcessRunner
from workers.schedule import SCHEDULE
from workers.tasks import bind
from workers.unresponsive import Unresponsive, heard_in

log = logging.getLogger("seduce.app")


def create_ingest(settings: Settings, parts: Parts | None = None) -> Starlette:
    """The doors, the spool, and what carries it to the store; announces on the bus. No page, no crawlers, no roll-ups.

    Raises `PermanentError` for a store or a bus that other processes could not share.
    """
    if parts is None:
        refuse_one_process_parts(settings, "ingest")
    base = build_base(settings, parts or Parts())
    door = build_door(base, build_rollups(base))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        backup = backups.command(settings, base.store, {"spool.sqlite": door.spool})
        async with opened(base), draining(door), commanded(base, {"backup": backup}):
            yield

    return _application(open_doors(base, door.ingest), door.ingest, lifespan)


def create_registerer(settings: Settings, parts: Parts | None = None) -> Starlette:
    """Receives the temperature cards' pushes, keeps them in a spool of its own, and hands them to the ingest door.

    The cards never try again: this process has nothing to wait for, so that it answers whatever becomes of the rest.
    """
    sink = HttpSink(settings.ingest_url, settings.key_for_ingest(), path=RELAY_PATH)
    spool = open_spool(settings, "cards.sqlite")
    chosen = parts or Parts()
    described = describe(settings, chosen)
    ingest = Ingest(
        spool,
        _Relay(sink),
        MemoryBus(),
        tags_of(described.inventory),
        clock=chosen.clock or SystemClock(),
        set_aside=spool.set_aside,
    )
    door = Door(ingest, spool)

    async def follow(_: Inventory, new: Inventory) -> None:
        ingest.redescribe(tags_of(new))

    described.follow(follow)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(sink.close)
            stack.enter_context(hanging_up(described.reload))
            await stack.enter_async_context(draining(door))
            yield

    keys = Keys.load(settings.device_keys, settings.device_keys_file)
    cards = Guard(CardDoor(ingest), keys, Networks.parse(settings.card_networks))
    return _application({CARDS_PATH: cards}, ingest, lifespan)


def run_rollups(settings: Settings) -> int:
    """The periodic tasks, until SIGINT or SIGTERM."""
    refuse_one_process_parts(settings, "rollups")
    base = build_base(settings, Parts())
    rollups = build_rollups(base)
    watched = temperatures(base.inventory.sensors.values())
    unresponsive = Unresponsive(watched, heard_in(base.store, watched), base.counters, base.clock)

    async def follow(_: Inventory, new: Inventory) -> None:
        unresponsive.watch(temperatures(new.sensors.values()))

    base.described.follow(follow)
    runner = InProcessRunner(
        SCHEDULE, bind(rollups, base.store, base.clock, keep_of(base.settings), unresponsive)
    )

    async def work() -> None:
        told = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        async with opened(base), runner, commanded(base, {}):
            log.info("rolling up")
            await told.wait()

    asyncio.run(work())
    return 0


class _Relay:
    """The ingest door, in the place that the store has in the process that owns one."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags] | None = None) -> Written:
        await self._sink.push(readings)
        return Written(len(readings), Readings.empty())


def _application(
    doors: Mapping[str, App],
    ingest: Ingest,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]],
) -> Starlette:
    numbers = Metrics([readings.ingest(ingest.counters, lambda: ingest.depth), operations.process()])
    app = Starlette(
        routes=[
            *[Route(path, door) for path, door in doors.items()],
            *health_routes({"spool": _depth(ingest)}),
            metrics_route(numbers.render, CONTENT_TYPE),
        ],
        lifespan=lifespan,
    )
    app.state.doors = doors
    app.state.ingest = ingest
    return app


def _depth(ingest: Ingest) -> Check:
    async def check() -> object:
        return {"readings_waiting": ingest.depth}

    return check
