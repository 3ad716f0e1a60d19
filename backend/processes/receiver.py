"""The parts of every process that accepts readings: validation, spool, drain, and the application around them.

These parts are separate from `shared.py`, so that the receiver of temperature cards loads no database, store or bus.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from backend.core.asgi import App
from backend.core.background import background_task
from backend.core.clock import Clock
from backend.core.ports import Bus, SensorTags
from backend.ingest.drain import Destination
from backend.ingest.service import Ingest, OnWritten
from backend.ingest.spool import SqliteSpool
from backend.inventory.active import ActiveDescription
from backend.inventory.loader import load
from backend.inventory.model import Inventory
from backend.metrics import operations, readings
from backend.metrics.exposition import CONTENT_TYPE, Metrics
from backend.processes.application import Application, Lifespan
from backend.rest.health import Check, health_routes
from backend.rest.metrics import metrics_route
from backend.settings import Settings

RELAY_PATH: Final = "/ingest/cards"
"""Endpoint for the validated readings of the card receiver: as `/ingest`, but unknown probes are accepted."""


@dataclass(frozen=True, slots=True)
class IngestPipeline:
    """The only writer of raw readings, and the spool that holds them until they are written."""

    ingest: Ingest
    spool: SqliteSpool


def build_ingest_pipeline(
    settings: Settings,
    description: ActiveDescription,
    destination: Destination,
    bus: Bus,
    spool_name: str,
    clock: Clock | None = None,
    on_written: Sequence[OnWritten] = (),
) -> IngestPipeline:
    """Return a pipeline from a spool in the data folder to `destination`. It follows changes of the site description."""
    spool = open_spool(settings, spool_name)
    ingest = Ingest(
        spool,
        destination,
        bus,
        tags_of(description.inventory),
        clock=clock,
        on_written=on_written,
        set_aside=spool.set_aside,
    )

    async def update_description(_: Inventory, new: Inventory) -> None:
        ingest.update_description(tags_of(new))

    description.on_update(update_description)
    return IngestPipeline(ingest, spool)


def load_description(settings: Settings, inventory: Inventory | None = None) -> ActiveDescription:
    """Return the given site description, or the one of the files. Raise `DescriptionError` with all faults."""
    if inventory is not None:
        return ActiveDescription(inventory)
    read_files = partial(load, settings.description_dir)
    return ActiveDescription(read_files(), read_files)


def tags_of(inventory: Inventory) -> dict[str, SensorTags]:
    """Return the tags of all described sensors by name."""
    return {n: SensorTags(s.location, s.sensor_type, s.unit) for n, s in inventory.sensors.items()}


def open_spool(settings: Settings, name: str) -> SqliteSpool:
    """Return a spool in the data folder; `name` is its file name."""
    return SqliteSpool(settings.data_dir / name, settings.spool_max_mb * 1024 * 1024)


@asynccontextmanager
async def drain_spool(pipeline: IngestPipeline) -> AsyncIterator[None]:
    """Open the spool and write its readings to the store while the block runs."""
    await pipeline.spool.open()
    try:
        async with background_task(pipeline.ingest.run_drain(), "drain of the spool"):
            yield
    finally:
        await pipeline.spool.close()


def build_receiver_app(
    push_endpoints: Mapping[str, App], ingest: Ingest, lifespan: Lifespan, data_dir: Path
) -> Application:
    """Return an application that serves push endpoints, health and metrics, and nothing else."""
    metrics = Metrics([readings.ingest(ingest.counters, lambda: ingest.depth), operations.process(data_dir)])
    routes = [*health_routes({"spool": spool_check(ingest)}), metrics_route(metrics.render, CONTENT_TYPE)]
    app = Application(push_endpoints, routes, lifespan)
    app.state.ingest = ingest
    return app


def spool_check(ingest: Ingest) -> Check:
    """Return the readiness check that reports how many readings wait in the spool."""

    async def check() -> object:
        return {"readings_waiting": ingest.depth}

    return check
