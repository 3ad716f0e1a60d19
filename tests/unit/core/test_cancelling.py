from __future__ import annotations

import asyncio

import pytest

from backend.core import cancelling


async def test_a_loop_that_loses_the_word_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "REPEAT_AFTER_S", 0.01)
    turns = 0

    async def deaf() -> None:
        nonlocal turns
        while True:
            turns += 1
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if turns == 3:
                    raise

    async def failing() -> None:
        raise OSError("on its own")

    tasks = [asyncio.create_task(deaf()), asyncio.create_task(failing())]
    await asyncio.sleep(0)
    await asyncio.wait_for(cancelling.cancel_all(tasks), 30)
    assert turns == 3
    assert all(task.done() for task in tasks)
    await cancelling.cancel_all([])


async def test_a_task_asks_whether_it_was_told_to_end() -> None:
    async def asks() -> str:
        cancelling.raise_if_cancelled()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelling.raise_if_cancelled()
        return "went on"

    task = asyncio.create_task(asks())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
