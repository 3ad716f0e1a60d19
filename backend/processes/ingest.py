"""The ingest process: accepts pushes, spools them, writes them to the store and publishes them on the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette

from backend.processes.application import Application
from backend.processes.backup import backup_command
from backend.processes.endpoints import build_push_endpoints
from backend.processes.receiver import IngestPipeline, build_ingest_pipeline, build_receiver_app, drain_spool
from backend.processes.rollup_engine import build_rollup_engine, late_marker
from backend.processes.shared import (
    Overrides,
    SharedServices,
    build_shared_services,
    control_socket,
    open_shared,
)
from backend.processes.stores import require_shared_services
from backend.rollups.engine import RollupEngine
from backend.settings import Settings

SPOOL: Final = "spool.sqlite"
"""File name of the spool in the data folder."""


def create_ingest(settings: Settings, overrides: Overrides | None = None) -> Application:
    """Return the application of the ingest process. It has no page and no crawlers.

    The roll-up engine only marks windows dirty here; another process computes the roll-ups.

    Raises `PermanentError` for a store or a bus that other processes cannot share.
    """
    if overrides is None:
        require_shared_services(settings, "seduce ingest")
    shared = build_shared_services(settings, overrides)
    pipeline = build_store_pipeline(shared, build_rollup_engine(shared))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        commands = {"backup": backup_command(settings, shared.store, {SPOOL: pipeline.spool})}
        async with open_shared(shared), drain_spool(pipeline), control_socket(shared, commands):
            yield

    endpoints = build_push_endpoints(shared, pipeline.ingest)
    return build_receiver_app(endpoints, pipeline.ingest, lifespan, settings.data_dir)


def build_store_pipeline(shared: SharedServices, engine: RollupEngine) -> IngestPipeline:
    """Return the pipeline into the store. `engine` marks windows dirty for late readings."""
    return build_ingest_pipeline(
        shared.settings,
        shared.description,
        shared.store,
        shared.bus,
        SPOOL,
        clock=shared.clock,
        on_written=[late_marker(engine)],
    )
