"""Execute one run of a task in any process: exclusively, limited in time, and recorded in the task log."""

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
from workers.schedule import FOLLOW_UPS, limit_of
from workers.tasks import Task

log = logging.getLogger(__name__)


def task_outages() -> Outages:
    """Return the log of failing tasks, by the task's name."""
    return Outages(log, "task", "task")


class TaskExecutor:
    """Executes runs of tasks.

    leases   at most one process runs a task at a time; without leases there is only one process
    queue    a run that did something requests the follow-up tasks, once its lease is released
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
        """Run a task and return True, or return False if another process runs it.

        Raises what the task raises, and `TransientError` if the task exceeded its time limit.
        """
        lease = nullcontext(True) if self._leases is None else self._leases.attempt(f"task {name}")
        async with lease as held:
            if held is None:
                return False
            started_ns, start = self._clock.now_ns(), time.perf_counter()
            try:
                result = await self._run_limited(name)
            except Exception as failure:
                await self._record(name, started_ns, start, str(failure) or type(failure).__name__)
                raise
            await self._record(name, started_ns, start, None)
        if result:
            await self._request_follow_ups(name)
        return True

    async def _request_follow_ups(self, name: str) -> None:
        if self._queue is not None:
            with suppress(TransientError):  # the schedule runs them anyway
                for follow_up in FOLLOW_UPS.get(name, ()):
                    await self._queue.request_run(follow_up)

    async def _run_limited(self, name: str) -> object:
        limit_s = limit_of(name)
        try:
            async with asyncio.timeout(limit_s) as scope:
                return await self._tasks[name]()
        except TimeoutError:
            if not scope.expired():
                raise
            raise TransientError(
                f"stopped after its limit of {limit_s:g} s; finished work is kept, and the next run continues"
            ) from None

    async def _record(self, name: str, started_ns: int, start: float, error: str | None) -> None:
        with suppress(TransientError):  # the run is then missing from the log
            await self._log.record(name, started_ns, time.perf_counter() - start, error)
