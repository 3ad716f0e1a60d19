"""Equal subscriptions run once: one execution and one encoding, however many pages watch the same.

A watcher gets a snapshot of its own and then what the shared run yields. One that falls behind gets a new snapshot in place of
what it missed: the newest state, not a growing queue.
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
"""Begins a run of the subscription; its first result is a snapshot."""

resumed: ContextVar[bool] = ContextVar("resumed", default=False)
"""Whether a run begins for somebody who fell behind, so that its snapshot stands in place of what was missed."""

MAX_WAITING: Final = 16
"""Results a watcher may leave lying before it is given a new snapshot instead."""


class _Watcher:
    """What the shared run yielded and the watcher has not taken."""

    def __init__(self) -> None:
        self.waiting: deque[ExecutionResult] = deque()
        self.behind = False
        self.ended = False
        self.news = asyncio.Event()

    def offer(self, result: ExecutionResult) -> None:
        if len(self.waiting) >= MAX_WAITING:
            self.waiting.clear()
            self.behind = True
        if not self.behind:
            self.waiting.append(result)
        self.news.set()

    def end(self) -> None:
        self.ended = True
        self.news.set()


class _Run:
    """One execution and its watchers."""

    def __init__(self, start: Start) -> None:
        self.watchers: set[_Watcher] = set()
        self.task: asyncio.Task[None] | None = None
        self.outdated = False
        self._start = start

    @property
    def is_over(self) -> bool:
        return self.task is not None and self.task.done()

    async def pump(self, source: Results) -> None:
        try:
            async with aclosing(source):
                async for result in source:
                    if isinstance(result, ExecutionResult) and result.data is not None:
                        # Encoded here once; the messages to all watchers carry it as it is.
                        result.data = cast("dict[str, Any]", orjson.Fragment(dumps(result.data)))
                        result.extensions = None  # the snapshot has said what it costs
                    for watcher in self.watchers:
                        watcher.offer(result)
        finally:
            if self.task is asyncio.current_task():  # else another has taken over
                for watcher in self.watchers:
                    watcher.end()

    def restart(self) -> None:
        """From a snapshot: what it answers from is not what it was."""
        if self.task is None:
            self.outdated = True  # it is just beginning
        else:
            self.task = asyncio.create_task(self._take_over(self.task), name="shared subscription")

    async def _take_over(self, before: asyncio.Task[None]) -> None:
        before.cancel()
        await asyncio.gather(before, return_exceptions=True)
        await self.pump(await self._start())


class FanOut:
    """All shared runs of one event loop, by what they were asked."""

    def __init__(self) -> None:
        self._runs: dict[bytes, _Run] = {}

    @property
    def runs(self) -> int:
        return len(self._runs)

    @property
    def watchers(self) -> int:
        return sum(len(run.watchers) for run in self._runs.values())

    def restart(self) -> None:
        """Every subscription starts anew, with a snapshot for all who watch it: the description has changed."""
        for run in self._runs.values():
            run.restart()

    async def watch(self, key: bytes, start: Start) -> Results:
        """The results of a subscription. `key` tells equal ones: what, with which variables, and for whom."""
        watcher = _Watcher()
        run = self._runs.get(key)
        if run is None or run.is_over:
            run = self._runs[key] = _Run(start)
        run.watchers.add(watcher)  # before the snapshot, so that nothing falls in between
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
                if run.outdated:
                    run.restart()
            else:
                await source.aclose()
            while not (watcher.ended and not watcher.waiting):
                await watcher.news.wait()
                watcher.news.clear()
                if watcher.behind:
                    watcher.behind = False
                    yield await _snapshot(start)
                while watcher.waiting:
                    yield watcher.waiting.popleft()
        finally:
            run.watchers.discard(watcher)
            if not run.watchers:
                if self._runs.get(key) is run:
                    del self._runs[key]
                if run.task is not None:
                    run.task.cancel()
                    await asyncio.gather(run.task, return_exceptions=True)


async def _snapshot(start: Start) -> Any:
    token = resumed.set(True)
    try:
        async with aclosing(await start()) as source:
            return await anext(source)
    finally:
        resumed.reset(token)
