"""The temperature cards' receiver: a process that needs neither store nor bus nor database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from starlette.applications import Starlette

from backend.bus.memory import MemoryBus
from backend.core.ports import SensorTags, Sink, WriteResult
from backend.core.reading import Readings
from backend.ingest.endpoints.cards import PATH as CARDS_PATH
from backend.ingest.endpoints.cards import cards_endpoint
from backend.ingest.keys import ConfiguredKeys, DeviceAuth, Networks
from backend.ingest.service import Ingest
from backend.inventory.active import ActiveDescription
from backend.inventory.loader import load
from backend.inventory.model import Inventory
from backend.processes.control import hanging_up
from backend.processes.receiver import RELAY_PATH, Door, application, draining, open_spool, tags_of
from backend.settings import Settings
from crawlers.sink import HttpSink


def create_registerer(settings: Settings, inventory: Inventory | None = None) -> Starlette:
    """Receives the temperature cards' pushes, keeps them in a spool of its own, and hands them to the ingest door.

    The cards never try again: this process has nothing to wait for, so that it answers whatever becomes of the rest.
    """
    sink = HttpSink(settings.ingest_url, settings.key_for_ingest(), path=RELAY_PATH)
    spool = open_spool(settings, "cards.sqlite")
    description = (
        ActiveDescription(inventory)
        if inventory
        else ActiveDescription(load(settings.description_dir), partial(load, settings.description_dir))
    )
    ingest = Ingest(
        spool,
        _Relay(sink),
        MemoryBus(),
        tags_of(description.inventory),
        set_aside=spool.set_aside,
    )
    door = Door(ingest, spool)

    async def update_description(_: Inventory, new: Inventory) -> None:
        ingest.update_description(tags_of(new))

    description.on_update(update_description)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(sink.close)
            stack.enter_context(hanging_up(description.reload))
            await stack.enter_async_context(draining(door))
            yield

    keys = ConfiguredKeys.load(settings.device_keys, settings.device_keys_file)
    cards = DeviceAuth(cards_endpoint(ingest), keys, Networks.parse(settings.card_networks))
    return application({CARDS_PATH: cards}, ingest, lifespan, settings.data_dir)


class _Relay:
    """The ingest door, in the place that the store has in the process that owns one."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags] | None = None) -> WriteResult:
        await self._sink.push(readings)
        return WriteResult(len(readings), Readings.empty())
