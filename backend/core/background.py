"""Background tasks that log at once when they end by an error, instead of when somebody awaits them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from backend.core.cancelling import cancel_all
from backend.core.outage import key_values

log = logging.getLogger(__name__)


def start_background_task(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Start `work` as a task of the running loop. The caller keeps the task and ends it with `cancel_all`."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_log_failure)
    return task


@asynccontextmanager
async def background_task(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run `work` beside the block and cancel it at the end of the block. Its failure does not end the block."""
    task = start_background_task(work, name)
    try:
        yield
    finally:
        await cancel_all([task])


def _log_failure(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.critical("background task ended %s", key_values(name=task.get_name()), exc_info=error)
