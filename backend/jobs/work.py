"""All services of work that is done beside answering, built once from the ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.core.clock import Clock
from backend.core.jobs import JobRepository
from backend.core.ports import RollupState, TimeSeriesStore
from backend.core.tasks import TaskLog, TaskQueue, TaskRecord
from backend.core.tree import Tree
from backend.core.windows import NS_PER_SECOND
from backend.jobs.diagnostic import Diagnostic
from backend.jobs.repair import Mending
from backend.jobs.service import JobService
from backend.rollups.definitions import Definitions

LATE_PERIODS = 5
LATE_S = 60.0


@dataclass(frozen=True, slots=True)
class TaskHealth:
    """One periodic task: its seconds between two starts, and how its runs fared, None before the first."""

    name: str
    period_s: float
    record: TaskRecord | None
    late: bool


class TaskService:
    """How the periodic tasks fare, wherever they run. Raises `TransientError` where the database cannot be reached."""

    def __init__(self, schedule: Mapping[str, float], log: TaskLog, clock: Clock) -> None:
        """`schedule` gives seconds between starts."""
        self._schedule = schedule
        self._log = log
        self._clock = clock

    async def records(self) -> Mapping[str, TaskRecord]:
        return await self._log.records()

    async def all(self) -> Sequence[TaskHealth]:
        """By name. A task is late that has not succeeded for five of its periods, and for a minute."""
        records, now = await self._log.records(), self._clock.now_ns()
        found = []
        for name, period in sorted(self._schedule.items()):
            record = records.get(name)
            limit = max(LATE_PERIODS * period, LATE_S) * NS_PER_SECOND
            last = None if record is None else record.succeeded_ns
            found.append(TaskHealth(name, period, record, last is None or now - last > limit))
        return found


@dataclass(frozen=True, slots=True)
class Work:
    """What the API asks for and looks after."""

    jobs: JobService
    diagnostic: Diagnostic
    mending: Mending
    tasks: TaskService

    @classmethod
    def build(
        cls,
        jobs: JobRepository,
        store: TimeSeriesStore,
        state: RollupState,
        definitions: Definitions,
        trees: Sequence[Tree],
        clock: Clock,
        delay_s: float,
        log: TaskLog,
        queue: TaskQueue,
        schedule: Mapping[str, float],
    ) -> Work:
        service = JobService(jobs, store, state, definitions, trees, clock, queue)
        diagnostic = Diagnostic(store, state, definitions, clock, delay_s, log)
        return cls(
            jobs=service,
            diagnostic=diagnostic,
            mending=Mending(diagnostic, service, store, queue),
            tasks=TaskService(schedule, log, clock),
        )
