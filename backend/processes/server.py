"""The HTTP server of every process that serves: it binds the socket, serves until a signal, and prints its address."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import uvicorn
from uvicorn.loops.auto import auto_loop_factory

from backend.core.errors import PermanentError
from backend.processes.application import Application
from backend.processes.tracing import traced
from backend.rest.connection import LimitedHttpProtocol
from backend.rest.requests import RequestLog
from backend.settings import Settings

T = TypeVar("T")

SOCKETS: Final[dict[str, Any]] = {
    # A fanned-out message is encoded once. Compressing each copy would cost more than everything else.
    "ws_per_message_deflate": False,
    # Clients send only documents and variables.
    "ws_max_size": 256 * 1024,
    # Proxies close idle connections, and the server must notice a client that vanished.
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
}
"""Options of WebSockets, in uvicorn's names."""

GC_THRESHOLDS: Final = (10_000, 10, 25)
"""New containers before a collection of the youngest generation, and the ratios of the older ones, as `gc` defines them."""

RETAINED_BYTES: Final = 16 << 20
"""Freed memory that the C library keeps for the next allocations instead of returning it to the system."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""From malloc.h of the GNU C library."""


def listen(settings: Settings, process: str = "") -> socket.socket:
    """Return the bound socket. Raise `PermanentError` if the port is in use; callers bind first, to fail early.

    `process` is `ingest` or `cards` for the addresses of these processes in the settings; empty for the page.
    """
    prefix = f"{process}_" if process else ""
    host, port = getattr(settings, f"{prefix}host"), getattr(settings, f"{prefix}port")
    # asyncio disables Nagle's algorithm only if the protocol is named; otherwise small answers wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as cause:
        listener.close()
        raise PermanentError(
            f"cannot listen on port {port} of {host} ({cause.strerror}): choose another with SEDUCE_{prefix.upper()}PORT"
        ) from cause
    return listener


def serve(
    app: Application, listener: socket.socket, greeting: str | Callable[[], str], settings: Settings
) -> int:
    """Serve until SIGINT or SIGTERM. Return 0, or 1 if the start failed; the log gives the reason.

    The greeting is printed when the application is up; a function is called then.
    """
    with traced(app.handle, settings) as handle:
        app.front = RequestLog(handle, settings.access_log)
        return _serve(app, listener, greeting)


def _serve(app: Application, listener: socket.socket, greeting: str | Callable[[], str]) -> int:
    config = uvicorn.Config(
        app,
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
    """Run a coroutine like `asyncio.run`, on uvloop's event loop if it is installed.

    uvloop writes to sockets in C; with a thousand subscribers that saves a fifth of all CPU time.
    """
    try:
        with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
            return runner.run(main)
    finally:
        gc.unfreeze()  # otherwise the interpreter reports frozen objects as leaked at its end


def tune_gc() -> None:
    """Exclude the objects of the start-up from garbage collection, and collect older generations less often.

    Without this a collection scans everything, for tens of milliseconds. With a thousand subscribers, collections of
    long-lived objects stopped all of them for 50 ms every other second. Few objects here form cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    _retain_freed_memory()


def _retain_freed_memory() -> None:
    """Let the GNU C library keep freed memory; with another C library this does nothing.

    A large answer consists of a dozen columns and copies of megabytes each. By default each is mapped and unmapped, and the
    system clears every page of it again: a third of the time of an export.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, RETAINED_BYTES // 2)
        mallopt(_M_TRIM_THRESHOLD, RETAINED_BYTES)


class _Server(uvicorn.Server):
    """Prints the greeting once it serves."""

    def __init__(self, config: uvicorn.Config, greeting: str | Callable[[], str]) -> None:
        super().__init__(config)
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            tune_gc()
            print(self._greeting if isinstance(self._greeting, str) else self._greeting(), flush=True)
