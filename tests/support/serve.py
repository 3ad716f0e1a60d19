"""A real server on a free port of loopback, in the test's own event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from backend.rest.connection import LimitedHttpProtocol


@asynccontextmanager
async def serving(app: Any, port: int = 0, **options: Any) -> AsyncIterator[str]:
    """Yields `127.0.0.1:port`. The application's lifespan runs around the block."""
    # asyncio switches Nagle's algorithm off only for sockets that are said to be TCP.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        # As `backend/processes/server.py` has it: proxies are the application's business.
        settings: dict[str, Any] = {
            "proxy_headers": False,
            "http": LimitedHttpProtocol,
            "timeout_graceful_shutdown": 3,
        } | options
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on", **settings)
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        started = asyncio.Event()
        whole = server.startup

        async def startup(*args: Any, **kwargs: Any) -> None:
            await whole(*args, **kwargs)
            started.set()

        server.startup = startup  # type: ignore[method-assign]
        task = asyncio.create_task(server._serve([listener]))
        waiting = asyncio.create_task(started.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
                raise RuntimeError("the server ended before it had started")
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            waiting.cancel()
            server.should_exit = True
            await task
