"""The services behind the page and the API, in any process that answers queries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from backend.accounts.services import Accounts
from backend.bus.last_values import LastValues
from backend.core.background import background_task
from backend.core.clock import Clock
from backend.core.ports import Bus, Counters, HealthBoard, RollupState, TimeSeriesStore
from backend.core.tasks import TaskQueue
from backend.inventory.active import ActiveDescription
from backend.inventory.model import Inventory
from backend.processes.shared import SharedServices
from backend.processes.tasks import build_background_services
from backend.queries.services import Queries
from backend.settings import Settings

READY_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class WebServices:
    """The running services of a process that answers queries."""

    settings: Settings
    clock: Clock
    description: ActiveDescription
    store: TimeSeriesStore
    state: RollupState
    bus: Bus
    last_values: LastValues
    queries: Queries
    board: HealthBoard
    counters: Counters
    accounts: Accounts

    @property
    def inventory(self) -> Inventory:
        """The site description in force now."""
        return self.description.inventory


def build_web_services(shared: SharedServices, queue: TaskQueue) -> WebServices:
    """Return the services that answer queries. `queue` requests runs of periodic tasks before their time."""
    last_values = LastValues(shared.bus, tuple(shared.inventory.sensors), seed=shared.store.latest)
    queries = _build_queries(shared, queue, last_values, shared.inventory)

    async def update_description(_: Inventory, new: Inventory) -> None:
        queries.replace_with(_build_queries(shared, queue, last_values, new))

    shared.description.on_update(update_description)
    return WebServices(
        settings=shared.settings,
        clock=shared.clock,
        description=shared.description,
        store=shared.store,
        state=shared.state,
        bus=shared.bus,
        last_values=last_values,
        queries=queries,
        board=shared.board,
        counters=shared.counters,
        accounts=shared.accounts,
    )


def _build_queries(
    shared: SharedServices, queue: TaskQueue, last_values: LastValues, inventory: Inventory
) -> Queries:
    return Queries.build(
        inventory,
        shared.store,
        shared.state,
        shared.bus,
        last_values.view(tuple(inventory.sensors)),
        shared.clock,
        shared.settings,
        shared.board,
        shared.counters,
        shared.events,
        build_background_services(shared, queue),
    )


@asynccontextmanager
async def run_live(services: WebServices) -> AsyncIterator[None]:
    """Keep last values and the rights of open connections up to date while the block runs.

    The block starts when the last values are known, or after `READY_TIMEOUT_S` if the bus is down.
    """
    rights = background_task(services.accounts.connection_rights.run(), "rights of open connections")
    async with rights, background_task(services.last_values.run(), "last values"):
        with suppress(TimeoutError):  # without the bus there are no live values; everything else works
            await asyncio.wait_for(services.last_values.ready.wait(), READY_TIMEOUT_S)
        yield
