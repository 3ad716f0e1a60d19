"""The commands that run a process until it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from backend.cli.commands.options import server_settings

if TYPE_CHECKING:
    from backend.processes.application import Application
    from backend.settings import Settings


def serve() -> int:
    """Run the whole dashboard in one process, crawlers included."""
    from backend.processes.one_process import create_app, run_crawlers

    return _serve(lambda settings: create_app(settings, extension=run_crawlers), "The dashboard is live at")


def web() -> int:
    """Run page and API alone, over a store and a bus that other processes fill."""
    from backend.processes.stores import require_shared_services
    from backend.processes.web import create_web

    def create(settings: Settings) -> Application:
        require_shared_services(settings, "seduce web")
        return create_web(settings)

    return _serve(create, "The dashboard is live at")


def ingest() -> int:
    """Run the ingest endpoint alone: accept, spool, publish and store readings."""
    from backend.processes.ingest import create_ingest

    return _serve(create_ingest, "The ingest endpoint is live at", "ingest")


def temperature_registerer() -> int:
    """Run the receiver of temperature cards, which forwards to the ingest endpoint."""
    from backend.processes.cards import create_card_receiver

    return _serve(create_card_receiver, "The receiver of temperature cards is live at", "cards")


def rollups() -> int:
    """Run the periodic tasks alone."""
    from backend.processes.rollups import run_rollups

    return run_rollups(server_settings())


def _serve(create: Callable[[Settings], Application], greeting: str, process: str = "") -> int:
    from backend.processes.server import listen, serve

    settings = server_settings()
    listener = listen(settings, process)
    host, port = listener.getsockname()
    if not process:
        settings = settings.model_copy(update={"port": port})  # links in mails contain it
    return serve(create(settings), listener, f"{greeting} http://{host}:{port}", settings)
