"""A cancellation that must not be lost."""

from __future__ import annotations

import asyncio


def raise_if_cancelled() -> None:
    """Raises `CancelledError` in a task that was told to end and went on.

    That happens where another failure takes the place of the cancellation, such as that of a statement broken off by it, and in
    Python 3.11's `asyncio.wait_for`, which forgets one that comes together with the answer. A loop that runs for ever asks here.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
