"""Cancellation of tasks that is not lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

REPEAT_AFTER_S: Final = 5.0
"""Seconds after which a task that still runs is cancelled again: it may have lost the first cancellation."""


def raise_if_cancelled() -> None:
    """Raise `CancelledError` if the current task was cancelled but continued. An endless loop calls this in every round.

    A cancellation is lost if another failure replaces it, such as that of a statement it interrupted. `asyncio.wait_for` of
    Python 3.11 also loses one that arrives together with the result.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and return when all have ended. Their exceptions are discarded."""
    tasks = list(tasks)
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=REPEAT_AFTER_S)
    await asyncio.gather(*tasks, return_exceptions=True)
