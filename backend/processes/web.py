"""The web process: page and API over a store and a bus that other processes fill."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from backend.processes.application import Application
from backend.processes.rollup_engine import build_rollup_engine
from backend.processes.shared import Overrides, build_shared_services, control_socket, open_shared
from backend.processes.web_app import build_web_app
from backend.processes.web_services import build_web_services, run_live
from backend.settings import Settings
from workers.queue import CeleryQueue


def create_web(settings: Settings, overrides: Overrides | None = None) -> Application:
    """Return the application of the web process. It has no push endpoints; its `state.services` are `WebServices`.

    Raises `DescriptionError` with all faults of the site description, `PermanentError` for an invalid setting.
    """
    overrides = overrides or Overrides()
    shared = build_shared_services(settings, overrides)
    build_rollup_engine(
        shared
    )  # runs nothing here; it adds to the preview of a reload what would be recomputed
    services = build_web_services(shared, CeleryQueue(settings.broker))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with open_shared(shared), run_live(services), control_socket(shared):
            yield

    return build_web_app(services, overrides.page, lifespan)
