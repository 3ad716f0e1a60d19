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
    """Run only the web page and API. Other processes fill the store and the bus."""
    from backend.processes.stores import require_shared_services
    from backend.processes.web import create_web

    def create(settings: Settings) -> Application:
        require_shared_services(settings, "seduce web")
        return create_web(settings)

    return _serve(create, "The dashboard is live at")


def ingest() -> int:
    """Run only the ingest endpoint: accept, spool, publish and store readings."""
    from backend.processes.ingest import create_ingest

    return _serve(create_ingest, "The ingest endpoint is live at", "ingest")


def temperature_registerer() -> int:
    """Run only the receiver of temperature cards, which forwards to the ingest endpoint."""
    from backend.processes.cards import create_card_receiver

    return _serve(create_card_receiver, "The receiver of temperature cards is live at", "cards")


def rollups() -> int:
    """Run only the periodic tasks."""
    from backend.processes.rollups import run_rollups

    return run_rollups(server_settings())


def _serve(create: Callable[[Settings], Application], greeting: str, process: str = "") -> int:
    from backend.processes.server import listen, serve

    settings = server_settings()
    listener = listen(settings, process)
    host, port = listener.getsockname()
    if not process:
        settings = settings.model_copy(update={"port": port})  # links in e-mails contain it
    return serve(create(settings), listener, f"{greeting} http://{host}:{port}", settings)
