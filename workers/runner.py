"""Runs the periodic tasks inside the process, on asyncio timers."""

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
class TaskRuns:
    """Runs of one task since the start: how many failed, and how long each took."""

    failures: int = 0
    timing: Timing = field(default_factory=Timing)


class Asks:
    """The port `TaskQueue` for tasks of a runner in this process."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    async def request_run(self, name: str) -> None:
        self.event(name).set()

    def event(self, name: str) -> asyncio.Event:
        return self._events.setdefault(name, asyncio.Event())


class InProcessRunner:
    """One timer a task. A task never overlaps itself: a start that falls into a run is left out, not made up for.

    A failing task is tried again at its next start; the first failure and the recovery are logged, what is between is counted.
    Use as an async context, or `start` and `stop`; `stop` cancels what runs and returns when it has ended.
    """

    def __init__(
        self,
        schedule: Mapping[str, float],
        tasks: Mapping[str, Task],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        asks: Asks | None = None,
    ) -> None:
        """`schedule` gives seconds between starts; a task that is asked for starts at once.

        Raises ValueError where a task has no period or a period no task.
        """
        odd = sorted(set(schedule) ^ set(tasks))
        if odd:
            raise ValueError(f"in only one of schedule and tasks: {', '.join(odd)}")
        self._schedule = schedule
        self._tasks = tasks
        self._sleep = sleep
        self._asks = asks or Asks()
        self._running: list[asyncio.Task[None]] = []
        self._outages = task_outages()
        self.runs: Mapping[str, TaskRuns] = {name: TaskRuns() for name in tasks}

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
            late = loop.time() - due
            due += period * (int(late // period) + 1)
            await self._pause(name, max(0.0, due - loop.time()))

    async def _pause(self, name: str, seconds: float) -> None:
        """Until it is time, or the task is asked for."""
        asked = self._asks.event(name)
        waiting = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(asked.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        asked.clear()

    async def _run(self, name: str) -> None:
        try:
            with self.runs[name].timing.measure():
                await self._tasks[name]()
        except Exception as error:
            self.runs[name].failures += 1
            self._outages.failed(name, error)
        else:
            self._outages.recovered(name)

    @property
    def failures(self) -> Mapping[str, int]:
        """Failures of each task since it last succeeded."""
        return {name: self._outages.failures(name) for name in self._tasks}
