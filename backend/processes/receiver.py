"""What every process that takes readings is made of, whatever it hands them on to: judging, a spool, the drain.

Kept apart from `backend/processes/shared.py`, so that the cards' receiver starts without databases, stores and buses.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.routing import Route

from backend.core.asgi import App
from backend.core.background import background_task
from backend.core.ports import SensorTags
from backend.ingest.service import Ingest
from backend.ingest.spool import SqliteSpool
from backend.inventory.model import Inventory
from backend.metrics import operations, readings
from backend.metrics.text import CONTENT_TYPE, Metrics
from backend.rest.health import Check, health_routes
from backend.rest.metrics import metrics_route
from backend.settings import Settings

log = logging.getLogger("seduce.app")

RELAY_PATH: Final = "/ingest/cards"
"""Where a process that receives cards leaves what it has judged: as `/ingest`, and unknown probes are let in."""


@dataclass(frozen=True, slots=True)
class Door:
    """The one writer of raw readings, and the spool it keeps them in."""

    ingest: Ingest
    spool: SqliteSpool


def tags_of(inventory: Inventory) -> dict[str, SensorTags]:
    return {n: SensorTags(s.location, s.sensor_type, s.unit) for n, s in inventory.sensors.items()}


def open_spool(settings: Settings, name: str) -> SqliteSpool:
    return SqliteSpool(settings.data_dir / name, settings.spool_max_mb * 1024 * 1024)


@asynccontextmanager
async def draining(door: Door) -> AsyncIterator[None]:
    """The spool is open, and what it holds goes to the store."""
    await door.spool.open()
    try:
        async with background_task(door.ingest.run_drain(), "drain of the spool"):
            yield
    finally:
        await door.spool.close()


def application(
    doors: Mapping[str, App],
    ingest: Ingest,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]],
    data: Path,
) -> Starlette:
    """Doors by path, and how they fare. Nothing else is served."""
    numbers = Metrics([readings.ingest(ingest.counters, lambda: ingest.depth), operations.process(data)])
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
