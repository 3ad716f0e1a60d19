"""What changes, as it changes: first the whole state, then news."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from backend.core.background import background_task
from backend.core.errors import UserError
from backend.core.ports import Bus
from backend.core.reading import Readings
from backend.queries.energy import EnergyService, TreeState
from backend.queries.live import Live
from backend.queries.sensors import SensorService

LEAST_SECONDS = 1.0
"""Between two states of a tree."""
QUIET_SECONDS = 5.0
"""After which a tree is looked at although nothing came: sensors fall silent without a word."""


async def watch_readings(
    service: SensorService,
    live: Live,
    bus: Bus,
    sensors: Sequence[str] | None,
    types: Sequence[str] | None,
) -> AsyncGenerator[tuple[bool, Readings], None]:
    """(True, the newest reading of each sensor) once, then (False, a batch of what was accepted).

    After a gap of the bus the whole is sent again.

    Raises `UserError` for a sensor or a type that does not exist.
    """
    chosen = _chosen(service, sensors, types)
    # Subscribed before the snapshot is taken: what arrives in between is in one or in both, never in neither.
    async with bus.subscribe(chosen) as batches:
        yield True, live.view.snapshot(chosen)
        gaps = batches.gaps
        async for batch in batches:
            if batches.gaps != gaps:
                gaps = batches.gaps
                yield True, live.view.snapshot(chosen)
            if len(batch):
                yield False, batch


def _chosen(
    service: SensorService, sensors: Sequence[str] | None, types: Sequence[str] | None
) -> frozenset[str] | None:
    if sensors is None and types is None:
        return None
    named = service.require(sensors) if sensors is not None else service.all()
    if types is None:
        return frozenset(s.name for s in named)
    known = {s.sensor_type for s in service.all()}
    unknown = [t for t in types if t not in known]
    if unknown:
        raise UserError(
            f"readings(types:): there is no type {unknown[0]!r}: take them from the query `sensorTypes`."
        )
    return frozenset(s.name for s in named if s.sensor_type in types)


async def watch_tree(
    energy: EnergyService, bus: Bus, tree: str, root: str | None
) -> AsyncGenerator[TreeState, None]:
    """The tree at once, then when it has changed, at most once a second. Raises `UserError` for an unknown root."""
    sensors = frozenset(energy.sensors(tree, root))
    async with _news(bus, sensors) as news:
        state = energy.now(tree, root)
        yield state
        while True:
            await asyncio.sleep(LEAST_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), QUIET_SECONDS)
            news.clear()
            fresh = energy.now(tree, root)
            if fresh.nodes != state.nodes:
                state = fresh
                yield state


@asynccontextmanager
async def _news(bus: Bus, sensors: frozenset[str]) -> AsyncIterator[asyncio.Event]:
    """An event that is set whenever a batch arrives."""
    event = asyncio.Event()

    async def listen() -> None:
        async with bus.subscribe(sensors) as batches:
            async for _ in batches:
                event.set()

    async with background_task(listen(), "news of live readings"):
        yield event
