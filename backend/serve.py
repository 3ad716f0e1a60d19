"""Listens, serves until it is told to stop, and says where. Shared by all that `seduce` serves."""

from __future__ import annotations

import asyncio
import socket

import uvicorn
from starlette.applications import Starlette

from backend.core.asgi import App
from backend.core.errors import PermanentError
from backend.ingest.door import Doors
from backend.rest.requests import Requests
from backend.settings import Settings
from backend.tracing import traced


def listen(settings: Settings, process: str = "") -> socket.socket:
    """The bound socket, taken before anything else: a port in use is told at once. Raises `PermanentError`.

    `process`: `ingest` or `cards` for the address that the settings give to those; else the page's.
    """
    prefix = f"{process}_" if process else ""
    host, port = getattr(settings, f"{prefix}host"), getattr(settings, f"{prefix}port")
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it small answers wait for 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as cause:
        listener.close()
        raise PermanentError(
            f"port {port} of {host} cannot be had ({cause.strerror}); choose another with SEDUCE_{prefix.upper()}PORT"
        ) from cause
    return listener


def serve(app: Starlette, listener: socket.socket, greeting: str, settings: Settings) -> int:
    """Until SIGINT or SIGTERM. Returns 0, or 1 where the start failed (the log says why)."""
    with traced(app, settings) as spanned:
        # Pushes skip routing and middleware: a thousand a second come in, and none of it is for them.
        front = Doors(app.state.doors, Requests(spanned, settings.access_log))
        return _serve(front, listener, greeting)


def _serve(front: App, listener: socket.socket, greeting: str) -> int:
    config = uvicorn.Config(
        front,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        lifespan="on",
        # Fanned-out messages are encoded once; compressing every copy would cost more than all the rest.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=3,
    )
    server = _Server(config, greeting)
    try:
        asyncio.run(server.serve(sockets=[listener]))
    except KeyboardInterrupt:
        pass
    finally:
        listener.close()
    return 0 if server.started else 1


class _Server(uvicorn.Server):
    """Says where it serves once it does."""

    def __init__(self, config: uvicorn.Config, greeting: str) -> None:
        super().__init__(config)
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self._greeting, flush=True)
