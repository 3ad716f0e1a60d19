"""The receiver of temperature cards: a process that needs neither store nor bus nor database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette

from backend.bus.memory import MemoryBus
from backend.core.ports import SensorTags, Sink, WriteResult
from backend.core.reading import Readings
from backend.ingest.endpoints.cards import PATH as CARDS_PATH
from backend.ingest.endpoints.cards import cards_endpoint
from backend.ingest.keys import ConfiguredKeys, DeviceAuth, Networks
from backend.inventory.model import Inventory
from backend.processes.application import Application
from backend.processes.control import reload_on_sighup
from backend.processes.receiver import (
    RELAY_PATH,
    build_ingest_pipeline,
    build_receiver_app,
    drain_spool,
    load_description,
)
from backend.settings import Settings
from crawlers.sink import HttpSink


def create_card_receiver(settings: Settings, inventory: Inventory | None = None) -> Application:
    """Return the application that accepts pushes of temperature cards and forwards them to the ingest endpoint.

    The cards never retry. Therefore this process spools their readings itself and depends on nothing else.
    """
    sink = HttpSink(settings.ingest_url, settings.key_for_ingest(), path=RELAY_PATH)
    description = load_description(settings, inventory)
    pipeline = build_ingest_pipeline(settings, description, _Relay(sink), MemoryBus(), "cards.sqlite")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(sink.close)
            stack.enter_context(reload_on_sighup(description.reload))
            await stack.enter_async_context(drain_spool(pipeline))
            yield

    keys = ConfiguredKeys.load(settings.device_keys, settings.device_keys_file)
    endpoint = DeviceAuth(cards_endpoint(pipeline.ingest), keys, Networks.parse(settings.card_networks))
    return build_receiver_app({CARDS_PATH: endpoint}, pipeline.ingest, lifespan, settings.data_dir)


class _Relay:
    """The destination of the spool in this process: it writes to the ingest endpoint instead of a store."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags] | None = None) -> WriteResult:
        await self._sink.push(readings)
        return WriteResult(len(readings), Readings.empty())
