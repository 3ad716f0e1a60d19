"""The whole dashboard in one process: page, API, push endpoints, roll-ups and, on request, the crawlers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

from starlette.applications import Starlette

from backend.core.background import background_task
from backend.ingest.service import Ingest
from backend.inventory.model import Inventory
from backend.metrics import readings
from backend.processes.application import Application
from backend.processes.backup import backup_command
from backend.processes.endpoints import build_push_endpoints
from backend.processes.ingest import SPOOL, build_store_pipeline
from backend.processes.receiver import IngestPipeline, drain_spool, spool_check
from backend.processes.rollup_engine import build_rollup_engine
from backend.processes.shared import (
    Overrides,
    SharedServices,
    build_shared_services,
    control_socket,
    open_shared,
)
from backend.processes.tasks import build_runner
from backend.processes.web_app import build_web_app
from backend.processes.web_services import WebServices, build_web_services, run_live
from backend.rollups.engine import RollupEngine
from backend.settings import Settings
from crawlers.health import report_loop
from crawlers.registry import build_crawler, update_crawler
from workers.runner import InProcessRunner, InProcessTaskQueue

IN_PROCESS: Final = "in the web process"
"""The name of this process's crawler, as the page shows it."""


@dataclass(frozen=True, slots=True)
class Services(WebServices):
    """All running services of the one process."""

    ingest: Ingest
    rollups: RollupEngine
    runner: InProcessRunner


LifespanExtension: TypeAlias = Callable[[Services], AbstractAsyncContextManager[object]]
"""A context that runs as long as the application does.

It is entered when readings can be accepted and before the periodic tasks start, and left after they have stopped.
"""


def create_app(
    settings: Settings, overrides: Overrides | None = None, extension: LifespanExtension | None = None
) -> Application:
    """Return the application. Its `state.services` are `Services`; they open with the lifespan.

    Raises `DescriptionError` with all faults of the site description, `PermanentError` for an invalid setting.
    """
    overrides = overrides or Overrides()
    shared = build_shared_services(settings, overrides)
    engine = build_rollup_engine(shared)
    # Build this before the crawlers, because subscribers to the description run in this order:
    # ingest must accept a new sensor before a crawler reads it.
    pipeline = build_store_pipeline(shared, engine)
    services = _build_services(shared, engine, pipeline)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with _open(shared, services, pipeline, extension):
            yield

    return build_web_app(
        services,
        overrides.page,
        lifespan,
        build_push_endpoints(shared, pipeline.ingest),
        {"spool": spool_check(pipeline.ingest)},
        [readings.ingest(pipeline.ingest.counters, lambda: pipeline.ingest.depth)],
    )


@asynccontextmanager
async def run_crawlers(services: Services) -> AsyncIterator[None]:
    """Run the crawlers of all described devices in this process."""
    crawler = build_crawler(services.inventory, services.ingest, services.clock)

    async def update_description(old: Inventory, new: Inventory) -> None:
        await update_crawler(crawler, old.sensors, new.sensors)

    services.description.on_update(update_description)
    reports = report_loop(crawler, IN_PROCESS, services.board, services.clock)
    async with background_task(crawler.run(), "crawlers"), background_task(reports, "health of devices"):
        yield


def _build_services(shared: SharedServices, engine: RollupEngine, pipeline: IngestPipeline) -> Services:
    queue = InProcessTaskQueue()
    web = build_web_services(shared, queue)
    return Services(
        settings=web.settings,
        clock=web.clock,
        description=web.description,
        store=web.store,
        state=web.state,
        bus=web.bus,
        last_values=web.last_values,
        queries=web.queries,
        board=web.board,
        counters=web.counters,
        accounts=web.accounts,
        ingest=pipeline.ingest,
        rollups=engine,
        runner=build_runner(shared, engine, queue, web.last_values),
    )


@asynccontextmanager
async def _open(
    shared: SharedServices, services: Services, pipeline: IngestPipeline, extension: LifespanExtension | None
) -> AsyncIterator[None]:
    """Open the services in the order of their dependencies, and close them in the reverse order.

    Thus each writer stops before the service that it writes to.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(open_shared(shared))
        await stack.enter_async_context(run_live(services))
        await stack.enter_async_context(drain_spool(pipeline))
        if extension is not None:
            await stack.enter_async_context(extension(services))
        await stack.enter_async_context(services.runner)
        commands = {"backup": backup_command(shared.settings, shared.store, {SPOOL: pipeline.spool})}
        await stack.enter_async_context(control_socket(shared, commands))
        yield
