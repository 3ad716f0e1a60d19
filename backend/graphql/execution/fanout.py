"""Shared subscriptions: equal subscriptions have one execution and one encoding, however many clients subscribe.

Each subscriber gets a snapshot of its own and then the results of the shared run. A subscriber that falls behind gets a new
snapshot in place of the results that it missed: the newest state instead of a growing queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Final, TypeAlias, cast

import orjson
from strawberry.types import ExecutionResult

from backend.graphql.scalars import dumps

Results: TypeAlias = AsyncGenerator[Any, None]
Start: TypeAlias = Callable[[], Awaitable[Results]]
"""Starts an execution of the subscription. Its first result is a snapshot."""

replaces_missed: ContextVar[bool] = ContextVar("replaces_missed", default=False)
"""True if an execution starts for a subscriber that fell behind, so that its snapshot replaces missed results."""

MAX_QUEUED: Final = 16
"""Results that a subscriber may leave in its queue. One more, and a new snapshot replaces the queue."""


class _Subscriber:
    """The queue of one subscriber."""

    def __init__(self) -> None:
        self.queue: deque[ExecutionResult] = deque()
        self.is_behind = False
        self.has_ended = False
        self.changed = asyncio.Event()

    def offer(self, result: ExecutionResult) -> None:
        if len(self.queue) >= MAX_QUEUED:
            self.queue.clear()
            self.is_behind = True
        if not self.is_behind:
            self.queue.append(result)
        self.changed.set()

    def end(self) -> None:
        self.has_ended = True
        self.changed.set()


class _SharedRun:
    """One execution and its subscribers."""

    def __init__(self, start: Start) -> None:
        self.subscribers: set[_Subscriber] = set()
        self.task: asyncio.Task[None] | None = None
        self.must_restart = False
        self._start = start

    @property
    def is_over(self) -> bool:
        return self.task is not None and self.task.done()

    async def pump(self, source: Results) -> None:
        """Offer every result of `source` to all subscribers."""
        try:
            async with aclosing(source):
                async for result in source:
                    if isinstance(result, ExecutionResult) and result.data is not None:
                        # Encoded once here. The messages to all subscribers contain these bytes.
                        result.data = cast("dict[str, Any]", orjson.Fragment(dumps(result.data)))
                        result.extensions = None  # the snapshot has reported the cost
                    for subscriber in self.subscribers:
                        subscriber.offer(result)
        finally:
            if self.task is asyncio.current_task():  # else a restart has replaced this task
                for subscriber in self.subscribers:
                    subscriber.end()

    def restart(self) -> None:
        """Start the execution anew. Its snapshot goes to all subscribers."""
        if self.task is None:
            self.must_restart = True  # the first execution is just starting
        else:
            self.task = asyncio.create_task(self._replace(self.task), name="shared subscription")

    async def _replace(self, old: asyncio.Task[None]) -> None:
        old.cancel()
        await asyncio.gather(old, return_exceptions=True)
        await self.pump(await self._start())


class FanOut:
    """All shared runs of one event loop, by operation and variables."""

    def __init__(self) -> None:
        self._runs: dict[bytes, _SharedRun] = {}

    @property
    def runs(self) -> int:
        """Number of shared runs."""
        return len(self._runs)

    @property
    def subscribers(self) -> int:
        """Number of subscribers of all runs."""
        return sum(len(run.subscribers) for run in self._runs.values())

    def restart(self) -> None:
        """Restart every run: the site description has changed. All subscribers get a new snapshot."""
        for run in self._runs.values():
            run.restart()

    async def subscribe(self, key: bytes, start: Start) -> Results:
        """Yield the results of a subscription. Subscriptions with equal keys share one run."""
        subscriber = _Subscriber()
        run = self._runs.get(key)
        if run is None or run.is_over:
            run = self._runs[key] = _SharedRun(start)
        run.subscribers.add(subscriber)  # before the snapshot, so that no result is lost between the two
        try:
            source = await start()
            first = await anext(source, None)
            if first is not None:
                yield first
            if not isinstance(first, ExecutionResult) or first.data is None:
                await source.aclose()
                return
            if run.task is None:
                run.task = asyncio.create_task(run.pump(source), name="shared subscription")
                if run.must_restart:
                    run.restart()
            else:
                await source.aclose()
            while not (subscriber.has_ended and not subscriber.queue):
                await subscriber.changed.wait()
                subscriber.changed.clear()
                if subscriber.is_behind:
                    subscriber.is_behind = False
                    yield await _snapshot(start)
                while subscriber.queue:
                    yield subscriber.queue.popleft()
        finally:
            await self._leave(key, run, subscriber)

    async def _leave(self, key: bytes, run: _SharedRun, subscriber: _Subscriber) -> None:
        """Remove a subscriber. The last one ends the run."""
        run.subscribers.discard(subscriber)
        if run.subscribers:
            return
        if self._runs.get(key) is run:
            del self._runs[key]
        if run.task is not None:
            run.task.cancel()
            await asyncio.gather(run.task, return_exceptions=True)


async def _snapshot(start: Start) -> Any:
    """Return the first result of a new execution, which replaces missed results."""
    token = replaces_missed.set(True)
    try:
        async with aclosing(await start()) as source:
            return await anext(source)
    finally:
        replaces_missed.reset(token)
