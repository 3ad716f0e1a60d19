"""What the processes are put together from: the parts they share, made from the settings, opened and closed in order.

`backend/processes/one_process.py` assembles the dashboard from them; `backend/processes/ingest.py` the other processes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from backend.accounts.device_keys import DeviceKeyCache
from backend.accounts.passwords import Passwords
from backend.accounts.rates import Rates
from backend.accounts.repository import AccountStore
from backend.accounts.rules import HOUR_NS, Rules
from backend.accounts.services import Accounts
from backend.bus.board import MemoryCounters, MemoryHealthBoard
from backend.bus.memory import MemoryBus
from backend.bus.rates import MemoryRateLimits
from backend.core.asgi import App
from backend.core.background import background_task
from backend.core.clock import Clock, SystemClock
from backend.core.errors import PermanentError, TransientError
from backend.core.mail import Mailer
from backend.core.outage import Outage
from backend.core.ports import Bus, Counters, HealthBoard, TimeSeriesStore, WriteResult
from backend.core.rates import RateLimits
from backend.core.reading import Readings
from backend.core.windows import Window
from backend.db.engine import Database
from backend.db.events import SqlEvents
from backend.db.jobs import SqlJobs
from backend.db.leases import SqlLeases
from backend.db.migrate import migrate
from backend.db.rollup_state import SqlRollupState
from backend.db.task_log import SqlTaskLog
from backend.ingest.endpoints.cards import PATH as CARDS_PATH
from backend.ingest.endpoints.cards import cards_endpoint
from backend.ingest.endpoints.health import PATH as HEALTH_PATH
from backend.ingest.endpoints.health import health_endpoint
from backend.ingest.endpoints.readings import readings_endpoint
from backend.ingest.keys import CombinedKeys, ConfiguredKeys, DeviceAuth, Networks
from backend.ingest.service import Ingest
from backend.inventory.active import ActiveDescription
from backend.inventory.loader import load
from backend.inventory.model import Inventory, Sensor
from backend.mail.console import ConsoleMailer, NoMailer
from backend.mail.smtp import SmtpAddress, SmtpMailer
from backend.mail.templates import MailTemplates
from backend.processes import control
from backend.processes.receiver import RELAY_PATH, Door, open_spool, tags_of
from backend.processes.stores import database_of, open_store
from backend.rest.spa import DIST
from backend.rollups.definitions import Definitions
from backend.rollups.engine import RollupEngine
from backend.rollups.retention import RetentionPeriods
from backend.settings import Settings

log = logging.getLogger("seduce.app")

INGEST_PATH: Final = "/ingest"
RETRY_S: Final = 2.0
CONSOLE: Final = "console:"
"""The mail server of the demo: the terminal."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts to use in place of those that the settings name."""

    clock: Clock | None = None
    inventory: Inventory | None = None
    store: TimeSeriesStore | None = None
    bus: Bus | None = None
    mailer: Mailer | None = None
    passwords: Passwords | None = None
    page: Path = DIST


@dataclass(frozen=True, slots=True)
class Base:
    """What nearly every process stands on."""

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
    """Device keys of the database, as the doors know them."""
    jobs: SqlJobs
    events: SqlEvents
    task_log: SqlTaskLog
    leases: SqlLeases | None

    @property
    def inventory(self) -> Inventory:
        """The description that is in force now."""
        return self.description.inventory


def build_base(settings: Settings, chosen: Parts) -> Base:
    """Nothing is opened yet. Raises `DescriptionError` with all faults of the description, `PermanentError` for a setting."""
    description = open_description(settings, chosen)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    url = database_of(settings)
    database = Database(url)
    clock = chosen.clock or SystemClock()
    bus = chosen.bus or open_bus(settings)
    board, counters = open_board(settings, clock)
    rates = open_rates(settings, clock)
    accounts = build_accounts(settings, database, clock, rates, chosen)
    return Base(
        settings=settings,
        clock=clock,
        description=description,
        store=chosen.store or open_store(settings),
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
        # An embedded store has one process, and nobody to keep out.
        leases=None if is_embedded(settings) else SqlLeases(database),
    )


def build_accounts(
    settings: Settings, database: Database, clock: Clock, rates: RateLimits, chosen: Parts
) -> Accounts:
    """Raises `UserError` for a mail server that cannot be, or a secret that cannot be read."""
    rules = Rules(
        public_url=settings.address,
        public_read=settings.public_read,
        session_idle_ns=settings.session_idle_minutes * HOUR_NS // 60,
        session_ns=settings.session_hours * HOUR_NS,
    )
    return Accounts.build(
        AccountStore(database),
        clock,
        Rates(rates, MemoryRateLimits(clock)),
        chosen.mailer or open_mailer(settings),
        MailTemplates(),
        rules,
        chosen.passwords,
    )


def open_mailer(settings: Settings) -> Mailer:
    """Raises `UserError`."""
    if not settings.mail_url:
        return NoMailer()
    if settings.mail_url == CONSOLE:
        return ConsoleMailer()
    address = SmtpAddress.parse(settings.mail_url, settings.password_for_mail())
    return SmtpMailer(address, settings.mail_from, settings.mail_ca_file)


def open_rates(settings: Settings, clock: Clock) -> RateLimits:
    """Counters of attempts: in Redis where the live bus is, else in memory."""
    if settings.bus_url.startswith("memory:"):
        return MemoryRateLimits(clock)
    from backend.bus.redis_rates import RedisRateLimits

    return RedisRateLimits(settings.bus_url)


def open_description(settings: Settings, chosen: Parts) -> ActiveDescription:
    """Raises `DescriptionError` with all faults."""
    if chosen.inventory is not None:
        return ActiveDescription(chosen.inventory)
    return ActiveDescription(load(settings.description_dir), partial(load, settings.description_dir))


def build_rollups(base: Base) -> RollupEngine:
    """The engines of all processes over one store take turns. They follow the description, and say what a change of it would
    set off."""
    lock = None if base.leases is None else base.leases.lock("rollups")
    definitions = definitions_of(base.inventory)
    engine = RollupEngine(base.store, base.state, definitions, base.clock, base.settings.rollup_delay_s, lock)

    async def update_description(_: Inventory, new: Inventory) -> None:
        engine.update_description(definitions_of(new))

    async def preview_update(new: Inventory) -> Iterable[str]:
        try:
            found = await engine.preview(definitions_of(new))
        except TransientError as error:
            return [f"what has to be computed again cannot be said now: {error}"]
        again = Counter(s.kind.value for s in found.changed if s.stale_ns is not None)
        return [
            f"history computed again, newest day first: {n} series of kind {kind}"
            for kind, n in again.items()
        ]

    base.description.on_update(update_description)
    base.description.add_preview(preview_update)
    return engine


def definitions_of(inventory: Inventory) -> Definitions:
    return Definitions.of(inventory.sensors, (inventory.consumption, inventory.production))


def build_door(base: Base, rollups: RollupEngine) -> Door:
    """`rollups` hears of what comes late; it need not run in this process."""

    async def mark_late(readings: Readings, _: WriteResult) -> None:
        await rollups.on_late(readings)

    spool = open_spool(base.settings, "spool.sqlite")
    ingest = Ingest(
        spool,
        base.store,
        base.bus,
        tags_of(base.inventory),
        clock=base.clock,
        on_written=[mark_late],
        set_aside=spool.set_aside,
    )

    async def update_description(_: Inventory, new: Inventory) -> None:
        ingest.update_description(tags_of(new))

    base.description.on_update(update_description)
    return Door(ingest, spool)


def open_doors(base: Base, ingest: Ingest) -> Mapping[str, App]:
    """The push routes by path, each with what it asks of a pusher. Raises `UserError` where the keys cannot be read."""
    settings = base.settings
    keys = CombinedKeys(
        ConfiguredKeys.load(settings.device_keys, settings.device_keys_file), base.device_keys
    )
    # Without keys nobody can be told from anybody: then only this machine is trusted.
    crawlers = {"networks": Networks.none(), "networks_without_keys": Networks.loopback()}
    cards = Networks.parse(settings.card_networks)
    return {
        INGEST_PATH: DeviceAuth(readings_endpoint(ingest.accept_columns), keys, **crawlers),
        RELAY_PATH: DeviceAuth(readings_endpoint(ingest.accept_relayed), keys, **crawlers),
        CARDS_PATH: DeviceAuth(cards_endpoint(ingest), keys, cards),
        HEALTH_PATH: DeviceAuth(health_endpoint(base.board, base.clock), keys, **crawlers),
    }


def temperatures(sensors: Iterable[Sensor]) -> dict[str, float]:
    """Temperature sensors, which are watched for silence, with their periods in seconds."""
    return {s.name: s.poll_s for s in sensors if s.sensor_type == "temperature"}


def open_bus(settings: Settings) -> Bus:
    """The bus that `bus_url` names. Raises `PermanentError` for one that is not known."""
    scheme = settings.bus_url.partition("://")[0]
    if scheme == "memory":
        return MemoryBus()
    if scheme in ("redis", "rediss", "unix"):
        from backend.bus.redis import RedisBus

        return RedisBus(settings.bus_url)
    raise PermanentError(f"SEDUCE_BUS_URL begins with {scheme!r}: expected memory:// or redis://host:port/db")


def open_board(settings: Settings, clock: Clock) -> tuple[HealthBoard, Counters]:
    """Health of devices and errors of sensors: in Redis where the live bus is, else in memory."""
    if settings.bus_url.startswith("memory:"):
        return MemoryHealthBoard(clock), MemoryCounters()
    from backend.bus.redis_board import RedisCounters, RedisHealthBoard

    return RedisHealthBoard(settings.bus_url, clock), RedisCounters(settings.bus_url)


def is_embedded(settings: Settings) -> bool:
    """Whether the store is one that a single process has to itself."""
    return not settings.store_url or settings.store_url.startswith("duckdb:")


def refuse_one_process_parts(settings: Settings, process: str) -> None:
    """Raises `PermanentError` where the settings name a store or a bus that only one process can have."""
    if is_embedded(settings):
        raise PermanentError(
            f"{process} shares the store with other processes, and DuckDB allows one only: "
            "set SEDUCE_STORE_URL to an InfluxDB, or use `seduce serve`"
        )
    if settings.bus_url.startswith("memory:"):
        raise PermanentError(
            f"{process} needs a live bus between processes: set SEDUCE_BUS_URL=redis://host:port/db, or use `seduce serve`"
        )


@asynccontextmanager
async def opened(base: Base) -> AsyncIterator[None]:
    """Database, store and bus. One that is away now is tried again in the background: readings are taken meanwhile."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(base.bus.close)
        stack.push_async_callback(base.board.close)
        stack.push_async_callback(base.counters.close)
        stack.push_async_callback(base.rates.close)
        stack.push_async_callback(base.database.close)
        await stack.enter_async_context(_patiently("database", lambda: migrate(base.database_url)))
        stack.push_async_callback(base.store.close)
        await stack.enter_async_context(_patiently("store", base.store.open))
        with suppress(TransientError):
            await base.device_keys.refresh()
        await stack.enter_async_context(background_task(base.device_keys.run(), "device keys"))
        yield


def backup_command(base: Base, door: Door) -> control.Command:
    """The command `backup`. What it needs is loaded when it is given: few processes ever are."""

    async def backup(request: Mapping[str, object], tell: control.Say) -> object:
        from backend.processes.backup import command

        spools = {"spool.sqlite": door.spool}
        return await command(base.settings, base.store, spools)(request, tell)

    return backup


@asynccontextmanager
async def commanded(base: Base, commands: Mapping[str, control.Command]) -> AsyncIterator[None]:
    """The control socket with these commands and `reload`, and SIGHUP, which reloads too."""
    async with AsyncExitStack() as stack:
        stack.enter_context(control.hanging_up(base.description.reload))
        reload = control.reload_command(base.description.reload)
        await stack.enter_async_context(
            control.listening(base.settings.data_dir, {"reload": reload, **commands})
        )
        yield


@asynccontextmanager
async def _patiently(name: str, begin: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Begins, or goes on trying beside the block."""
    outage = Outage(log, "start", service=name)
    try:
        await begin()
    except TransientError as error:
        outage.failed(error)
    else:
        yield
        return

    async def again() -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            try:
                await begin()
            except TransientError as error:
                outage.failed(error)
                continue
            outage.recovered()
            return

    async with background_task(again(), f"waiting for the {name}"):
        yield


def keep_of(settings: Settings) -> RetentionPeriods:
    """How long what is kept, by the settings."""
    return RetentionPeriods(
        settings.retention_raw_days,
        {
            Window.S30: settings.retention_30s_days,
            Window.M1: settings.retention_1m_days,
            Window.H1: settings.retention_1h_days,
            Window.D1: settings.retention_1d_days,
        },
    )
