"""Listens, serves until it is told to stop, and says where. Shared by all that `seduce` serves."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import uvicorn
from starlette.applications import Starlette
from uvicorn.loops.auto import auto_loop_factory

from backend.core.asgi import App
from backend.core.errors import PermanentError
from backend.ingest.endpoints.dispatch import PathDispatcher
from backend.processes.tracing import traced
from backend.rest.connection import LimitedHttpProtocol
from backend.rest.requests import RequestLog
from backend.settings import Settings

T = TypeVar("T")

SOCKETS: Final[dict[str, Any]] = {
    # Fanned-out messages are encoded once; compressing every copy would cost more than all the rest.
    "ws_per_message_deflate": False,
    # What a client sends are documents and variables.
    "ws_max_size": 256 * 1024,
    # Proxies cut what is idle, and a client that is gone without a word must not be written to for ever.
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
}
"""How WebSockets are served, as uvicorn calls it."""

COLLECT_AFTER: Final = (10_000, 10, 25)
"""New containers before the young ones are looked through, and how many times that before older ones are; as `gc` counts."""

KEPT_FREE: Final = 16 << 20
"""Bytes of freed memory that are kept for what comes next, rather than given back to the system at once."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""As malloc.h of the GNU C library has them."""


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


def serve(
    app: Starlette, listener: socket.socket, greeting: str | Callable[[], str], settings: Settings
) -> int:
    """Until SIGINT or SIGTERM. Returns 0, or 1 where the start failed (the log says why).

    A greeting that is a function is asked for when all is up.
    """
    with traced(app, settings) as spanned:
        # Pushes skip routing and middleware: a thousand a second come in, and none of it is for them.
        front = PathDispatcher(app.state.doors, RequestLog(spanned, settings.access_log))
        return _serve(front, listener, greeting)


def _serve(front: App, listener: socket.socket, greeting: str | Callable[[], str]) -> int:
    config = uvicorn.Config(
        front,
        http=LimitedHttpProtocol,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        lifespan="on",
        **SOCKETS,
        timeout_graceful_shutdown=3,
    )
    server = _Server(config, greeting)
    try:
        run(server.serve(sockets=[listener]))
    except KeyboardInterrupt:
        pass
    finally:
        listener.close()
    return 0 if server.started else 1


def run(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, in the loop that suits a server: uvloop's where there is one. It writes to sockets in C; with a thousand
    subscribers that is a fifth of all the work.
    """
    try:
        with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
            return runner.run(main)
    finally:
        gc.unfreeze()  # at its end the interpreter lets go of all: what stays is reported as leaked


def settle() -> None:
    """What is there at the start stays: the collector need not look through all of it each time, for tens of milliseconds.

    Nor need it look through what lives long as often as it does by itself: with a thousand subscribers that stopped every one of
    them for 50 ms, every other second. Little of what is made here is a cycle, and all else goes without the collector.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """A large answer is made of a dozen columns and copies of megabytes each. By itself the C library takes each from the system
    and gives it back, and the system clears every page of it anew: a third of the time of an export.

    Where there is another C library, nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, KEPT_FREE // 2)
        mallopt(_M_TRIM_THRESHOLD, KEPT_FREE)


class _Server(uvicorn.Server):
    """Says where it serves once it does."""

    def __init__(self, config: uvicorn.Config, greeting: str | Callable[[], str]) -> None:
        super().__init__(config)
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            settle()
            print(self._greeting if isinstance(self._greeting, str) else self._greeting(), flush=True)
