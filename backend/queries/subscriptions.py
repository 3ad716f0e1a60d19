"""Live subscriptions: first the whole state, then the changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from backend.core.background import background_task
from backend.core.errors import UserError
from backend.core.ports import Bus
from backend.core.reading import Readings
from backend.queries.energy import EnergyService, TreeState
from backend.queries.live import LiveValues
from backend.queries.sensors import SensorService

MIN_INTERVAL_S: Final = 1.0
"""Seconds between two states of a tree, at least."""
MAX_INTERVAL_S: Final = 5.0
"""Seconds after which a tree is computed without a new reading: a sensor becomes silent without one."""


async def watch_readings(
    service: SensorService,
    live: LiveValues,
    bus: Bus,
    sensors: Sequence[str] | None,
    types: Sequence[str] | None,
) -> AsyncGenerator[tuple[bool, Readings], None]:
    """Yield (True, the newest reading of each sensor) once, then (False, a batch of accepted readings).

    After a gap of the bus, the newest readings are sent again. Raises `UserError` for an unknown sensor or type.
    """
    selection = _select(service, sensors, types)
    # Subscribe before the snapshot: a reading that arrives in between is in one or in both, never in neither.
    async with bus.subscribe(selection) as batches:
        yield True, live.view.snapshot(selection)
        gaps = batches.gaps
        async for batch in batches:
            if batches.gaps != gaps:
                gaps = batches.gaps
                yield True, live.view.snapshot(selection)
            if len(batch):
                yield False, batch


def _select(
    service: SensorService, sensors: Sequence[str] | None, types: Sequence[str] | None
) -> frozenset[str] | None:
    """Return the names of the selected sensors; None selects all."""
    if sensors is None and types is None:
        return None
    candidates = service.require(sensors) if sensors is not None else service.all()
    if types is None:
        return frozenset(s.name for s in candidates)
    known_types = {s.sensor_type for s in service.all()}
    unknown = [t for t in types if t not in known_types]
    if unknown:
        raise UserError(
            f"readings(types:): unknown type {unknown[0]!r}: use types from the query `sensorTypes`."
        )
    return frozenset(s.name for s in candidates if s.sensor_type in types)


async def watch_tree(
    energy: EnergyService, bus: Bus, tree: str, root: str | None
) -> AsyncGenerator[TreeState, None]:
    """Yield the tree at once, then whenever it has changed, at most once a second. Raises `UserError` for an unknown root."""
    sensors = frozenset(energy.sensors(tree, root))
    async with _batch_arrival(bus, sensors) as arrival:
        state = energy.now(tree, root)
        yield state
        while True:
            await asyncio.sleep(MIN_INTERVAL_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(arrival.wait(), MAX_INTERVAL_S)
            arrival.clear()
            current = energy.now(tree, root)
            if current.nodes != state.nodes:
                state = current
                yield state


@asynccontextmanager
async def _batch_arrival(bus: Bus, sensors: frozenset[str]) -> AsyncIterator[asyncio.Event]:
    """Yield an event that is set whenever a batch arrives."""
    event = asyncio.Event()

    async def listen() -> None:
        async with bus.subscribe(sensors) as batches:
            async for _ in batches:
                event.set()

    async with background_task(listen(), "arrival of live readings"):
        yield event
