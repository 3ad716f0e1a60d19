"""One run of a task, in whatever process: alone, limited in time, and written down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress

from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.outage import Outages
from backend.core.tasks import Leases, TaskLog, TaskQueue
from workers.schedule import AFTER, limit_of
from workers.tasks import Task

log = logging.getLogger(__name__)


def task_outages() -> Outages:
    """Return the log of failing tasks, by the task's name."""
    return Outages(log, "task", "task")


class TaskRuns:
    """With `leases` at most one process runs a task at a time; another that is told to does nothing.

    With a `queue` a run that found something to do asks for what comes after it, once another may run it.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task],
        log: TaskLog,
        clock: Clock,
        leases: Leases | None = None,
        queue: TaskQueue | None = None,
    ) -> None:
        self.names = tuple(tasks)
        self._tasks = tasks
        self._log = log
        self._clock = clock
        self._leases = leases
        self._queue = queue

    async def run(self, name: str) -> bool:
        """Whether it was run here. Raises what the task raises, `TransientError` where it took too long."""
        attempt = nullcontext(True) if self._leases is None else self._leases.attempt(f"task {name}")
        async with attempt as held:
            if held is None:
                return False
            started, began = self._clock.now_ns(), time.perf_counter()
            try:
                found = await self._limited(name)
            except Exception as failure:
                await self._record(name, started, began, str(failure) or type(failure).__name__)
                raise
            await self._record(name, started, began, None)
        if found:
            await self._go_on(name)
        return True

    async def _go_on(self, name: str) -> None:
        if self._queue is not None:
            with suppress(TransientError):  # then the schedule brings it on
                for other in AFTER.get(name, ()):
                    await self._queue.request_run(other)

    async def _limited(self, name: str) -> object:
        limit = limit_of(name)
        try:
            async with asyncio.timeout(limit) as scope:
                return await self._tasks[name]()
        except TimeoutError:
            if not scope.expired():
                raise
            raise TransientError(f"it was ended after {limit:g} s; what was done by then is kept") from None

    async def _record(self, name: str, started_ns: int, began: float, error: str | None) -> None:
        with suppress(TransientError):  # then this run is not counted
            await self._log.record(name, started_ns, time.perf_counter() - began, error)
