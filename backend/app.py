"""The web process: every part built from the settings, opened and closed in order, behind one port."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from backend.bus.board import MemoryCounters, MemoryHealthBoard
from backend.bus.last_values import LastValues
from backend.bus.memory import MemoryBus
from backend.core.asgi import App
from backend.core.clock import Clock, SystemClock
from backend.core.errors import PermanentError, TransientError
from backend.core.ports import Bus, Counters, HealthBoard, RollupState, SensorTags, TimeSeriesStore, Written
from backend.core.reading import Readings
from backend.core.windows import Window
from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.db.rollup_state import SqlRollupState
from backend.graphql.execution import Schema
from backend.graphql.schema import build_schema
from backend.graphql.server import GraphQLServer
from backend.ingest.door import IngestDoor
from backend.ingest.health_door import PATH as HEALTH_PATH
from backend.ingest.health_door import HealthDoor
from backend.ingest.service import Ingest
from backend.ingest.spool import SqliteSpool
from backend.inventory.loader import load
from backend.inventory.model import Inventory
from backend.metrics import operations, readings
from backend.metrics.text import CONTENT_TYPE, Metrics
from backend.queries.services import Queries
from backend.rest.arduino import PATH as CARDS_PATH
from backend.rest.arduino import CardDoor
from backend.rest.explorer import explorer_routes
from backend.rest.headers import SecurityHeaders
from backend.rest.health import health_routes
from backend.rest.metrics import metrics_route
from backend.rest.spa import DIST, SinglePage
from backend.rollups.definitions import Definitions
from backend.rollups.engine import RollupEngine
from backend.settings import Settings
from crawlers.health import report_for_ever
from crawlers.registry import build_crawler
from workers.runner import InProcessRunner
from workers.schedule import SCHEDULE
from workers.tasks import bind
from workers.unresponsive import Unresponsive, heard_live

log = logging.getLogger("seduce.app")

INGEST_PATH: Final = "/ingest"
MAX_BODY: Final = 2 * 1024 * 1024
LOOPBACK: Final = ("127.0.0.1", "localhost")
READY_TIMEOUT_S: Final = 10.0
IN_PROCESS: Final = "in the web process"


@dataclass(frozen=True, slots=True)
class Services:
    """The running parts, for whoever shares the process: the demo, and tests."""

    settings: Settings
    clock: Clock
    inventory: Inventory
    store: TimeSeriesStore
    state: RollupState
    bus: Bus
    last_values: LastValues
    ingest: Ingest
    rollups: RollupEngine
    runner: InProcessRunner
    queries: Queries
    board: HealthBoard
    counters: Counters


Alongside: TypeAlias = Callable[[Services], AbstractAsyncContextManager[object]]
"""Something that runs as long as the application does: entered when readings can be taken and before the periodic tasks
begin, left when they have ended."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts to use in place of those that the settings name."""

    clock: Clock | None = None
    inventory: Inventory | None = None
    store: TimeSeriesStore | None = None
    bus: Bus | None = None
    page: Path = DIST


def create_app(
    settings: Settings, parts: Parts | None = None, alongside: Alongside | None = None
) -> Starlette:
    """The application. Its parts are `app.state.services` and open with the lifespan.

    `app.state.doors` are the push routes by path, for a server that wants to skip routing and middleware for them.

    Raises `DescriptionError` with all faults of the description, `PermanentError` for a setting that cannot be.
    """
    if not settings.public_read:
        raise PermanentError(
            "SEDUCE_PUBLIC_READ=false: reads by log-in only are not there yet; leave it true"
        )
    chosen = parts or Parts()
    inventory = chosen.inventory or load(settings.description_dir)
    wiring = _wire(settings, inventory, chosen)
    services = wiring.services

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with _open(wiring, alongside):
            yield

    doors: dict[str, App] = {
        INGEST_PATH: IngestDoor(services.ingest.accept_columns),
        CARDS_PATH: CardDoor(services.ingest),
        HEALTH_PATH: HealthDoor(services.board, services.clock),
    }
    app = Starlette(
        routes=_routes(settings, services, doors, chosen.page),
        middleware=_middleware(settings),
        lifespan=lifespan,
        max_body_size=MAX_BODY,
    )
    app.state.services = services
    app.state.doors = doors
    return app


@asynccontextmanager
async def crawling(services: Services) -> AsyncIterator[None]:
    """The crawlers of all described devices, in this process."""
    crawler = build_crawler(services.inventory, services.ingest, services.clock)
    telling = report_for_ever(crawler, IN_PROCESS, services.board, services.clock)
    async with _running(crawler.run(), "crawlers"), _running(telling, "health of devices"):
        yield


@dataclass(frozen=True, slots=True)
class _Wiring:
    services: Services
    spool: SqliteSpool
    database: Database
    database_url: str


def _wire(settings: Settings, inventory: Inventory, chosen: Parts) -> _Wiring:
    clock = chosen.clock or SystemClock()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = chosen.store or open_store(settings)
    bus = chosen.bus or open_bus(settings)
    database_url = settings.database_url or f"sqlite:///{settings.data_dir.resolve() / 'seduce.sqlite'}"
    database = Database(database_url)
    state = SqlRollupState(database)
    spool = SqliteSpool(settings.data_dir / "spool.sqlite", settings.spool_max_mb * 1024 * 1024)
    definitions = Definitions.of(inventory.sensors, (inventory.consumption, inventory.production))
    rollups = RollupEngine(store, state, definitions, clock, settings.rollup_delay_s)

    async def mark_late(readings: Readings, _: Written) -> None:
        await rollups.on_late(readings)

    tags = {n: SensorTags(s.location, s.sensor_type, s.unit) for n, s in inventory.sensors.items()}
    ingest = Ingest(spool, store, bus, tags, clock=clock, on_written=[mark_late], set_aside=spool.set_aside)
    last_values = LastValues(bus, tuple(inventory.sensors), seed=store.latest)
    board, counters = open_board(settings, clock)
    temperatures = {n: s.period_s for n, s in inventory.sensors.items() if s.sensor_type == "temperature"}
    unresponsive = Unresponsive(temperatures, heard_live(last_values), counters, clock)
    services = Services(
        settings=settings,
        clock=clock,
        inventory=inventory,
        store=store,
        state=state,
        bus=bus,
        last_values=last_values,
        ingest=ingest,
        rollups=rollups,
        runner=InProcessRunner(SCHEDULE, bind(rollups, store, clock, unresponsive)),
        queries=Queries.build(inventory, store, state, bus, last_values, clock, settings, board, counters),
        board=board,
        counters=counters,
    )
    return _Wiring(services, spool, database, database_url)


def open_store(settings: Settings) -> TimeSeriesStore:
    """The store that `store_url` names. Raises `PermanentError` for one that is not known."""
    url = settings.store_url or f"duckdb:///{settings.data_dir.resolve() / 'series.duckdb'}"
    scheme, _, path = url.partition("://")
    if scheme == "duckdb":
        from backend.store.duckdb import DuckDBStore

        # As in other database URLs: three slashes before a relative path, four before an absolute one.
        return DuckDBStore(Path(path.removeprefix("/")))
    raise PermanentError(f"SEDUCE_STORE_URL={url!r}: expected duckdb:///path")


def open_bus(settings: Settings) -> Bus:
    """The bus that `bus_url` names. Raises `PermanentError` for one that is not known."""
    if settings.bus_url.startswith("memory://"):
        return MemoryBus()
    raise PermanentError(f"SEDUCE_BUS_URL={settings.bus_url!r}: expected memory://")


def open_board(settings: Settings, clock: Clock) -> tuple[HealthBoard, Counters]:
    """Health of devices and errors of sensors: on Redis where the live bus is, else in memory."""
    if settings.bus_url.startswith(("redis://", "rediss://")):
        from backend.bus.redis_board import RedisCounters, RedisHealthBoard

        return RedisHealthBoard(settings.bus_url, clock), RedisCounters(settings.bus_url)
    return MemoryHealthBoard(clock), MemoryCounters()


@asynccontextmanager
async def _open(wiring: _Wiring, alongside: Alongside | None) -> AsyncIterator[None]:
    """Opens from the disk upwards and closes in the opposite order: who writes stops before what it writes to."""
    services = wiring.services
    async with AsyncExitStack() as stack:
        await migrate(wiring.database_url)
        stack.push_async_callback(wiring.database.close)
        await services.store.open()
        stack.push_async_callback(services.store.close)
        await wiring.spool.open()
        stack.push_async_callback(wiring.spool.close)
        await stack.enter_async_context(_running(services.last_values.run(), "last values"))
        with suppress(TimeoutError):  # without the bus there is no live view; all else works
            await asyncio.wait_for(services.last_values.ready.wait(), READY_TIMEOUT_S)
        await stack.enter_async_context(_running(services.ingest.run_drain(), "drain of the spool"))
        if alongside is not None:
            await stack.enter_async_context(alongside(services))
        await stack.enter_async_context(services.runner)
        yield


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Runs beside the block; a failure is logged at once and not at the end."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _tell(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.critical("%s has stopped", task.get_name(), exc_info=error)


def _routes(settings: Settings, services: Services, doors: Mapping[str, App], page: Path) -> list[BaseRoute]:
    schema = build_schema(introspection=settings.introspection)
    numbers = _metrics(services, schema)
    graphql = GraphQLServer(schema, services.queries, explorer=settings.explorer)
    return [
        Route("/graphql", graphql),
        WebSocketRoute("/graphql", graphql),
        *[Route(path, door) for path, door in doors.items()],
        *explorer_routes(schema.as_str() if settings.introspection else None, shown=settings.explorer),
        *health_routes(
            {"store": _store_check(services), "live": _live_check(services), "spool": _depth(services)}
        ),
        metrics_route(numbers.render, CONTENT_TYPE),
        Mount("/", SinglePage(page)),
    ]


def _metrics(services: Services, schema: Schema) -> Metrics:
    """What this process can tell of itself; other processes have pages of their own."""
    devices = services.queries.devices
    return Metrics(
        [
            readings.ingest(services.ingest.counters, lambda: services.ingest.depth),
            readings.rollups(services.state, services.clock),
            readings.live(
                services.last_values, lambda: getattr(services.bus, "subscribers", 0), services.clock
            ),
            operations.devices(devices.all, devices.sensor_errors),
            operations.graphql(schema.operations, lambda: schema.fan_out.runs),
            operations.tasks(services.runner.runs),
            operations.process(),
        ]
    )


def _middleware(settings: Settings) -> list[Middleware]:
    headers = Middleware(SecurityHeaders)
    hosts = [h.strip() for h in settings.allowed_hosts.split(",") if h.strip()]
    if not hosts and settings.host not in LOOPBACK:
        return [headers]
    # A page elsewhere that points its own name at our address must not read us through a visitor's browser.
    return [
        headers,
        Middleware(TrustedHostMiddleware, allowed_hosts=hosts or list(LOOPBACK), www_redirect=False),
    ]


def _store_check(services: Services) -> Callable[[], Coroutine[Any, Any, object]]:
    async def check() -> object:
        marks = {w.value: await services.state.watermark(w) for w in Window}
        await services.store.latest([next(iter(services.inventory.sensors), "")])
        return {"rolled_up_to_ns": marks}

    return check


def _live_check(services: Services) -> Callable[[], Coroutine[Any, Any, object]]:
    async def check() -> object:
        if not services.last_values.ready.is_set():
            raise TransientError("the live bus is not heard yet")
        return {"sensors": len(services.last_values.names)}

    return check


def _depth(services: Services) -> Callable[[], Coroutine[Any, Any, object]]:
    async def check() -> object:
        return {"readings_waiting": services.ingest.depth}

    return check
