"""The services that nearly every process uses: built from the settings, opened and closed in a fixed order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from backend.accounts.device_keys import DeviceKeyCache
from backend.accounts.passwords import Passwords
from backend.accounts.services import Accounts
from backend.core.background import background_task
from backend.core.clock import Clock, SystemClock
from backend.core.errors import SeduceError, TransientError
from backend.core.mail import Mailer
from backend.core.outage import Outage
from backend.core.ports import Bus, Counters, HealthBoard, TimeSeriesStore
from backend.core.rates import RateLimits
from backend.db.engine import Database
from backend.db.events import SqlEvents
from backend.db.jobs import SqlJobs
from backend.db.leases import SqlLeases
from backend.db.rollup_state import SqlRollupState
from backend.db.task_log import SqlTaskLog
from backend.inventory.active import ActiveDescription
from backend.inventory.model import Inventory
from backend.packaged import page
from backend.processes import control
from backend.processes.accounts import build_accounts
from backend.processes.receiver import load_description
from backend.processes.stores import (
    create_board,
    create_bus,
    create_rates,
    create_store,
    database_url,
    is_embedded,
)
from backend.settings import Settings

log = logging.getLogger("seduce.app")

RETRY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Overrides:
    """Parts that replace the ones the settings name; tests and the demo use them."""

    clock: Clock | None = None
    inventory: Inventory | None = None
    store: TimeSeriesStore | None = None
    bus: Bus | None = None
    mailer: Mailer | None = None
    passwords: Passwords | None = None
    page: Path = field(default_factory=page)


@dataclass(frozen=True, slots=True)
class SharedServices:
    """The services that nearly every process uses."""

    settings: Settings
    clock: Clock
    description: ActiveDescription
    store: TimeSeriesStore
    bus: Bus
    database: Database
    database_url: str
    state: SqlRollupState
    board: HealthBoard
    counters: Counters
    accounts: Accounts
    rates: RateLimits
    device_keys: DeviceKeyCache
    """Device keys of the database, cached for the push endpoints."""
    jobs: SqlJobs
    events: SqlEvents
    task_log: SqlTaskLog
    leases: SqlLeases | None
    """Locks between processes; None if the store is embedded and there is only one process."""

    @property
    def inventory(self) -> Inventory:
        """The site description in force now."""
        return self.description.inventory


def build_shared_services(settings: Settings, overrides: Overrides | None = None) -> SharedServices:
    """Build the services without opening them.

    Raises `DescriptionError` with all faults of the site description, `PermanentError` for an invalid setting.
    """
    overrides = overrides or Overrides()
    description = load_description(settings, overrides.inventory)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    url = database_url(settings)
    database = Database(url)
    clock = overrides.clock or SystemClock()
    bus = overrides.bus or create_bus(settings)
    board, counters = create_board(settings, clock)
    rates = create_rates(settings, clock)
    accounts = build_accounts(settings, database, clock, rates, overrides.mailer, overrides.passwords)
    return SharedServices(
        settings=settings,
        clock=clock,
        description=description,
        store=overrides.store or create_store(settings),
        bus=bus,
        database=database,
        database_url=url,
        state=SqlRollupState(database),
        board=board,
        counters=counters,
        accounts=accounts,
        rates=rates,
        device_keys=DeviceKeyCache(accounts.store, clock),
        jobs=SqlJobs(database, clock),
        events=SqlEvents(database, clock),
        task_log=SqlTaskLog(database),
        leases=None if is_embedded(settings) else SqlLeases(database),
    )


@asynccontextmanager
async def open_shared(shared: SharedServices) -> AsyncIterator[None]:
    """Open database and store, keep the cache of device keys up to date, and close everything after the block.

    If the database or the store is not available, the block starts anyway and a background task retries.
    Readings are accepted meanwhile.
    """
    database = retry_until_open("database", lambda: _migrate(shared.database_url))
    try:
        async with database, retry_until_open("store", shared.store.open):
            with suppress(TransientError):
                await shared.device_keys.refresh()
            async with background_task(shared.device_keys.run(), "device keys"):
                yield
    finally:
        await close_shared(shared)


async def open_database_and_store(shared: SharedServices) -> None:
    """Open database and store once. Raise `TransientError` if one is not available; a later call tries again."""
    await _migrate(shared.database_url)
    await shared.store.open()


async def close_shared(shared: SharedServices) -> None:
    """Close all connections. An error of one does not keep the others open."""
    for service in (
        shared.store,
        shared.database,
        shared.rates,
        shared.counters,
        shared.board,
        shared.bus,
    ):
        try:
            await service.close()
        except SeduceError as error:
            log.debug("close failed service=%s error=%s", type(service).__name__, error)


async def _migrate(url: str) -> None:
    from backend.db.migrate import migrate  # loads Alembic, which only this start-up step needs

    await migrate(url)


@asynccontextmanager
async def retry_until_open(name: str, open_once: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Call `open_once`; if it raises `TransientError`, repeat it in the background while the block runs."""
    outage = Outage(log, "open", service=name)
    try:
        await open_once()
    except TransientError as error:
        outage.failed(error)
    else:
        yield
        return

    async def retry() -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            try:
                await open_once()
            except TransientError as error:
                outage.failed(error)
                continue
            outage.recovered()
            return

    async with background_task(retry(), f"opening the {name}"):
        yield


@asynccontextmanager
async def control_socket(
    shared: SharedServices, commands: Mapping[str, control.Command] | None = None
) -> AsyncIterator[None]:
    """Serve `reload` and the given commands on the control socket, and reload on SIGHUP, while the block runs."""
    reload = shared.description.reload
    with control.reload_on_sighup(reload):
        all_commands = {"reload": control.reload_command(reload), **(commands or {})}
        async with control.listen(shared.settings.data_dir, all_commands):
            yield
