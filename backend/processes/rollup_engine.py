"""Build the roll-up engine of a process, and keep it in line with the site description.

A process may build the engine only to mark windows dirty or to preview a reload; it then computes no roll-ups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

from backend.core.errors import TransientError
from backend.core.ports import WriteResult
from backend.core.reading import Readings
from backend.inventory.model import Inventory
from backend.processes.shared import SharedServices
from backend.rollups.definitions import Definitions
from backend.rollups.engine import RollupEngine


def build_rollup_engine(shared: SharedServices) -> RollupEngine:
    """Return the engine of this process. Engines of several processes over one store take turns by a lease.

    The engine follows changes of the site description, and adds to a preview which history a change would recompute.
    """
    lock = None if shared.leases is None else shared.leases.lock("rollups")
    definitions = definitions_of(shared.inventory)
    engine = RollupEngine(
        shared.store, shared.state, definitions, shared.clock, shared.settings.rollup_delay_s, lock
    )

    async def update_description(_: Inventory, new: Inventory) -> None:
        engine.update_description(definitions_of(new))

    async def preview(new: Inventory) -> Iterable[str]:
        try:
            changes = await engine.preview(definitions_of(new))
        except TransientError as error:
            return [f"cannot determine the history to recompute: {error}"]
        counts = Counter(s.kind.value for s in changes.changed if s.stale_ns is not None)
        return [
            f"history to recompute, newest day first: {count} series of kind {kind}"
            for kind, count in counts.items()
        ]

    shared.description.on_update(update_description)
    shared.description.add_preview(preview)
    return engine


def definitions_of(inventory: Inventory) -> Definitions:
    """Return the roll-up definitions of a site description."""
    return Definitions.of(inventory.sensors, (inventory.consumption, inventory.production))


def late_marker(engine: RollupEngine) -> Callable[[Readings, WriteResult], Awaitable[None]]:
    """Return the ingest hook that marks windows dirty for late readings. The engine need not run in this process."""

    async def mark_late(readings: Readings, _: WriteResult) -> None:
        await engine.on_late(readings)

    return mark_late
