"""Run the periodic tasks inside the process, on asyncio timers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

from backend.core.background import start_background_task
from backend.core.cancelling import cancel_all, raise_if_cancelled
from backend.core.measure import Timing
from workers.runs import task_outages
from workers.tasks import Task


@dataclass(slots=True)
class RunStats:
    """Statistics of one task since the start: its failures, and the durations of its runs."""

    failures: int = 0
    timing: Timing = field(default_factory=Timing)


class InProcessTaskQueue:
    """Implements the port `TaskQueue` for the tasks of a runner in this process."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    async def request_run(self, name: str) -> None:
        self.event(name).set()

    def event(self, name: str) -> asyncio.Event:
        """Return the event that is set when a run of the task is requested."""
        return self._events.setdefault(name, asyncio.Event())


class InProcessRunner:
    """Starts each task on a timer of its own. Runs of one task never overlap: a start during a run is skipped.

    A failed task runs again at its next start. The first failure and the recovery are logged, failures in between counted.
    Use the runner as an async context, or call `start` and `stop`. `stop` cancels running tasks and waits for their end.
    """

    def __init__(
        self,
        schedule: Mapping[str, float],
        tasks: Mapping[str, Task],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        queue: InProcessTaskQueue | None = None,
    ) -> None:
        """`schedule` gives the seconds between starts; a task that `queue` requests starts at once.

        Raises ValueError if a task has no period or a period no task.
        """
        unmatched = sorted(set(schedule) ^ set(tasks))
        if unmatched:
            raise ValueError(f"in only one of schedule and tasks: {', '.join(unmatched)}")
        self._schedule = schedule
        self._tasks = tasks
        self._sleep = sleep
        self._queue = queue or InProcessTaskQueue()
        self._running: list[asyncio.Task[None]] = []
        self._outages = task_outages()
        self.stats: Mapping[str, RunStats] = {name: RunStats() for name in tasks}

    def start(self) -> None:
        if not self._running:
            self._running = [
                start_background_task(self._repeat(name), f"periodic {name}") for name in self._tasks
            ]

    async def stop(self) -> None:
        await cancel_all(self._running)
        self._running = []

    async def __aenter__(self) -> InProcessRunner:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _repeat(self, name: str) -> None:
        period = self._schedule[name]
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self._run(name)
            raise_if_cancelled()
            delay = loop.time() - due
            due += period * (int(delay // period) + 1)
            await self._wait(name, max(0.0, due - loop.time()))

    async def _wait(self, name: str, seconds: float) -> None:
        """Wait for the next start, or for a request of the task."""
        requested = self._queue.event(name)
        waits = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(requested.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        requested.clear()

    async def _run(self, name: str) -> None:
        try:
            with self.stats[name].timing.measure():
                await self._tasks[name]()
        except Exception as error:
            self.stats[name].failures += 1
            self._outages.failed(name, error)
        else:
            self._outages.recovered(name)

    @property
    def failures(self) -> Mapping[str, int]:
        """Failures of each task since it last succeeded."""
        return {name: self._outages.failures(name) for name in self._tasks}
