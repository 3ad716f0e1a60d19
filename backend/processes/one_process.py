"""The dashboard, behind one port: all of it in one process, or the web process beside others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from backend.accounts.services import Accounts
from backend.bus.last_values import LastValues
from backend.core.asgi import App
from backend.core.background import background_task
from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.ports import Bus, Counters, HealthBoard, RollupState, TimeSeriesStore
from backend.core.tasks import TaskQueue
from backend.core.windows import Window
from backend.graphql.execution.schema_class import Schema
from backend.graphql.schema import build_schema
from backend.graphql.transport.server import GraphQLServer
from backend.ingest.service import Ingest
from backend.inventory.active import ActiveDescription
from backend.inventory.model import Inventory
from backend.metrics import operations, readings
from backend.metrics.text import CONTENT_TYPE, Collector, Metrics
from backend.processes.receiver import Door, draining
from backend.processes.shared import (
    Base,
    Parts,
    backup_command,
    build_base,
    build_door,
    build_rollups,
    commanded,
    open_doors,
    opened,
)
from backend.processes.tasks import build_tasks, build_work
from backend.queries.export import ExportService
from backend.queries.measurements import MeasurementService
from backend.queries.rollup_export import RollupExportService
from backend.queries.services import Queries
from backend.rest.explorer import explorer_routes
from backend.rest.export import PATH as EXPORT_PATH
from backend.rest.export import ExportEndpoint
from backend.rest.gate import Authenticate, Gate, RequestLimits
from backend.rest.headers import SecurityHeaders
from backend.rest.health import Check, health_routes
from backend.rest.metrics import metrics_route
from backend.rest.openapi import openapi_routes
from backend.rest.permissions import right_of_route
from backend.rest.plan import plan_route
from backend.rest.reads import ReadRoutes
from backend.rest.spa import SinglePage
from backend.rollups.engine import RollupEngine
from backend.settings import Settings
from crawlers.commands import Commands
from crawlers.health import report_loop
from crawlers.registry import build_crawler, update_crawler
from workers.queue import CeleryQueue
from workers.runner import Asks, InProcessRunner
from workers.schedule import SCHEDULE

__all__ = [
    "Parts",
    "Services",
    "WebServices",
    "crawling",
    "create_app",
    "create_web",
]

MAX_BODY: Final = 2 * 1024 * 1024
LOOPBACK: Final = ("127.0.0.1", "localhost")
READY_TIMEOUT_S: Final = 10.0
IN_PROCESS: Final = "in the web process"


@dataclass(frozen=True, slots=True)
class WebServices:
    """The running parts of whatever answers questions."""

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
        """The description that is in force now."""
        return self.description.inventory


@dataclass(frozen=True, slots=True)
class Services(WebServices):
    """All running parts, for whoever shares the one process: the demo, and tests."""

    ingest: Ingest
    rollups: RollupEngine
    runner: InProcessRunner


Alongside: TypeAlias = Callable[[Services], AbstractAsyncContextManager[object]]
"""Something that runs as long as the application does: entered when readings can be taken and before the periodic tasks
begin, left when they have ended."""


def create_app(
    settings: Settings, parts: Parts | None = None, alongside: Alongside | None = None
) -> Starlette:
    """Everything in one process. Its parts are `app.state.services` and open with the lifespan.

    `app.state.doors` are the push routes by path, for a server that wants to skip routing and middleware for them.

    Raises `DescriptionError` with all faults of the description, `PermanentError` for a setting that cannot be.
    """
    chosen = parts or Parts()
    wiring = _wire(settings, chosen)
    services = wiring.services

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with _open(wiring, alongside):
            yield

    doors = open_doors(wiring.base, services.ingest)
    checks = {"spool": _depth(services)}
    more = [readings.ingest(services.ingest.counters, lambda: services.ingest.depth)]
    app = _application(services, checks, doors, more, chosen.page, lifespan)
    app.state.services = services
    return app


def create_web(settings: Settings, parts: Parts | None = None) -> Starlette:
    """Page and API over a store and a bus that other processes fill. As `create_app`, with `WebServices` and no doors."""
    chosen = parts or Parts()
    base = build_base(settings, chosen)
    build_rollups(base)  # none run here; a reload says by it what it would set off
    queue = CeleryQueue(settings.broker)
    services = WebServices(**_web(base, queue))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with opened(base), _live(services), commanded(base, {}):
            yield

    app = _application(services, {}, {}, [], chosen.page, lifespan)
    app.state.services = services
    return app


@asynccontextmanager
async def crawling(services: Services) -> AsyncIterator[None]:
    """The crawlers of all described devices, in this process."""
    crawler = build_crawler(services.inventory, services.ingest, services.clock)

    async def update_description(old: Inventory, new: Inventory) -> None:
        await update_crawler(crawler, old.sensors, new.sensors)

    services.description.on_update(update_description)
    telling = report_loop(crawler, IN_PROCESS, services.board, services.clock)
    async with background_task(crawler.run(), "crawlers"), background_task(telling, "health of devices"):
        yield


@dataclass(frozen=True, slots=True)
class _Wiring:
    services: Services
    base: Base
    door: Door


def _web(base: Base, queue: TaskQueue) -> dict[str, Any]:
    """The fields of `WebServices`."""
    last_values = LastValues(base.bus, tuple(base.inventory.sensors), seed=base.store.latest)

    def answers(inventory: Inventory) -> Queries:
        return Queries.build(
            inventory,
            base.store,
            base.state,
            base.bus,
            last_values.view(tuple(inventory.sensors)),
            base.clock,
            base.settings,
            base.board,
            base.counters,
            base.events,
            build_work(base, queue),
        )

    queries = answers(base.inventory)

    async def update_description(_: Inventory, new: Inventory) -> None:
        queries.replace_with(answers(new))

    base.description.on_update(update_description)
    return {
        "settings": base.settings,
        "clock": base.clock,
        "description": base.description,
        "store": base.store,
        "state": base.state,
        "bus": base.bus,
        "last_values": last_values,
        "queries": queries,
        "board": base.board,
        "counters": base.counters,
        "accounts": base.accounts,
    }


def _wire(settings: Settings, chosen: Parts) -> _Wiring:
    base = build_base(settings, chosen)
    rollups = build_rollups(base)
    door = build_door(base, rollups)  # before the crawlers: what they read of new sensors must be let in
    asks = Asks()
    web = _web(base, asks)
    tasks = build_tasks(base, rollups, asks, web["last_values"])
    services = Services(
        **web,
        ingest=door.ingest,
        rollups=rollups,
        runner=InProcessRunner(SCHEDULE, {name: partial(tasks.run, name) for name in tasks.names}, asks=asks),
    )
    return _Wiring(services, base, door)


@asynccontextmanager
async def _open(wiring: _Wiring, alongside: Alongside | None) -> AsyncIterator[None]:
    """Opens from the disk upwards and closes in the opposite order: who writes stops before what it writes to."""
    services = wiring.services
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(opened(wiring.base))
        await stack.enter_async_context(_live(services))
        await stack.enter_async_context(draining(wiring.door))
        if alongside is not None:
            await stack.enter_async_context(alongside(services))
        await stack.enter_async_context(services.runner)
        await stack.enter_async_context(
            commanded(wiring.base, {"backup": backup_command(wiring.base, wiring.door)})
        )
        yield


@asynccontextmanager
async def _live(services: WebServices) -> AsyncIterator[None]:
    watching = background_task(services.accounts.live.run(), "rights of open connections")
    async with watching, background_task(services.last_values.run(), "last values"):
        with suppress(TimeoutError):  # without the bus there is no live view; all else works
            await asyncio.wait_for(services.last_values.ready.wait(), READY_TIMEOUT_S)
        yield


def _application(
    services: WebServices,
    checks: Mapping[str, Check],
    doors: Mapping[str, App],
    more: Sequence[Collector],
    page: Path,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]],
) -> Starlette:
    app = Starlette(
        routes=_routes(services.settings, services, checks, doors, more, page),
        middleware=_middleware(services.settings, services.accounts),
        lifespan=lifespan,
        max_body_size=MAX_BODY,
    )
    app.state.doors = doors
    return app


def _routes(
    settings: Settings,
    services: WebServices,
    checks: Mapping[str, Check],
    doors: Mapping[str, App],
    more: Sequence[Collector],
    page: Path,
) -> list[BaseRoute]:
    schema = build_schema(
        introspection=settings.introspection,
        only_persisted=settings.persisted_only,
        max_cost=settings.query_max_cost,
        time_limit_s=settings.query_timeout_s,
    )
    numbers = Metrics([*_collectors(services, schema), *more])
    graphql = GraphQLServer(
        schema,
        services.queries,
        explorer=settings.explorer,
        allowed_origins=[settings.origin],
        max_body=settings.query_max_kb * 1024,
        accounts=services.accounts,
        equipment=Commands(services.inventory.commands),
        public_read=settings.public_read,
    )

    def described() -> list[BaseRoute]:
        """What keeps something of the description; made anew when that changes."""
        return [
            Route(EXPORT_PATH, _export_door(services)),
            plan_route(services.inventory.plan),
            *_reads(services).routes(),
        ]

    routes = [
        *graphql.routes(),
        *[Route(path, door) for path, door in doors.items()],
        *openapi_routes(
            doors, page, is_enabled=settings.explorer
        ),  # before the reads, which take what is left below /api
        *described(),
        *explorer_routes(
            schema.as_str() if settings.introspection else None, page, is_enabled=settings.explorer
        ),
        *health_routes(
            {
                "store": _store_check(services),
                "live": _live_check(services),
                "tasks": _tasks_check(services),
                **checks,
            }
        ),
        metrics_route(numbers.render, CONTENT_TYPE),
        Mount("/", SinglePage(page)),
    ]
    gated = [_gated(route, public_read=settings.public_read) for route in routes]

    async def update_description(_: Inventory, new: Inventory) -> None:
        graphql.update_description(Commands(new.commands))
        fresh = [_gated(route, public_read=settings.public_read) for route in described()]
        by_path = {route.path: route.app for route in fresh}
        for route in gated:
            route.app = by_path.get(route.path, route.app)
        schema.fan_out.restart()

    services.description.on_update(update_description)
    return [*gated]


def _gated(route: BaseRoute, *, public_read: bool) -> Route | WebSocketRoute | Mount:
    """Raises KeyError for a route without a line in the table of rights."""
    assert isinstance(route, (Route, WebSocketRoute, Mount))
    route.app = Gate(route.app, right_of_route(route.path), public_read=public_read)
    return route


def _reads(services: WebServices) -> ReadRoutes:
    sensors = services.queries.sensors
    measurements = MeasurementService(sensors, services.store)
    return ReadRoutes(services.inventory, sensors, measurements, services.clock)


def _export_door(services: WebServices) -> ExportEndpoint:
    queries = services.queries
    rolled = RollupExportService(services.inventory, queries.sensors, queries.series, services.clock)
    return ExportEndpoint(ExportService(services.inventory.sensors, services.store), rolled)


def _collectors(services: WebServices, schema: Schema) -> list[Collector]:
    """What any process that answers questions can tell of itself."""
    queries, work, shared = services.queries, services.queries.work, schema.fan_out
    return [
        readings.rollups(services.state, services.clock),
        readings.live(lambda: services.queries.live.view, lambda: services.bus.subscribers, services.clock),
        operations.devices(lambda: queries.devices.all(), lambda: queries.devices.sensor_errors()),
        operations.tasks(work.tasks.records, work.jobs.count),
        operations.graphql(
            schema.operations, lambda: shared.runs, lambda: shared.subscribers, schema.documents.lookups
        ),
        operations.process(services.settings.data_dir),
    ]


def _middleware(settings: Settings, accounts: Accounts) -> list[Middleware]:
    outside = [
        # What a trusted proxy says of the client holds for all that comes after.
        Middleware(ProxyHeadersMiddleware, trusted_hosts=_listed(settings.trusted_proxies)),
        Middleware(SecurityHeaders),
        Middleware(RequestLimits),
    ]
    inside = Middleware(
        Authenticate,
        authenticate_cookie=accounts.sign_ins.authenticate_cookie,
        authenticate_token=accounts.sign_ins.authenticate_token,
        public_url=settings.address,
    )
    hosts = _listed(settings.allowed_hosts)
    if not hosts and settings.host not in LOOPBACK:
        return [*outside, inside]
    # A page elsewhere that points its own name at our address must not read us through a visitor's browser.
    names = hosts or [*LOOPBACK, urlsplit(settings.address).hostname or LOOPBACK[0]]
    return [*outside, Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False), inside]


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _store_check(services: WebServices) -> Check:
    async def check() -> object:
        marks = {w.value: await services.state.watermark(w) for w in Window}
        await services.store.latest([next(iter(services.inventory.sensors), "")])
        return {"rolled_up_to_ns": marks}

    return check


def _live_check(services: WebServices) -> Check:
    async def check() -> object:
        if not services.last_values.ready.is_set() or not services.bus.connected:
            raise TransientError("the live bus is not heard")
        return {"sensors": len(services.last_values.names)}

    return check


def _tasks_check(services: WebServices) -> Check:
    """Tells which tasks are late. No reason not to answer questions: it fails only where that cannot be told."""

    async def check() -> object:
        late = [task.name for task in await services.queries.work.tasks.all() if task.late]
        return {"late": late}

    return check


def _depth(services: Services) -> Check:
    async def check() -> object:
        return {"readings_waiting": services.ingest.depth}

    return check
