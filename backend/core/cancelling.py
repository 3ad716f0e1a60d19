"""A cancellation that must not be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

AGAIN_S: Final = 5.0
"""After so long a task that goes on is told once more: it may have lost the word, or be busy with ending."""


def raise_if_cancelled() -> None:
    """Raises `CancelledError` in a task that was told to end and went on.

    That happens where another failure takes the place of the cancellation, such as that of a statement broken off by it, and in
    Python 3.11's `asyncio.wait_for`, which forgets one that comes together with the answer. A loop that runs for ever asks here.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels tasks and returns when all have ended. Their failures are nobody's any more."""
    tasks = list(tasks)
    going = {task for task in tasks if not task.done()}
    while going:
        for task in going:
            task.cancel()
        _, going = await asyncio.wait(going, timeout=AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
