"""All services of background work, built once from the ports."""

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
from backend.jobs.repair import RollupRepair
from backend.jobs.service import JobService
from backend.rollups.definitions import Definitions

LATE_PERIODS = 5
LATE_S = 60.0


@dataclass(frozen=True, slots=True)
class TaskHealth:
    """One periodic task: the seconds between two starts, and the record of its runs, None before the first."""

    name: str
    period_s: float
    record: TaskRecord | None
    late: bool


class TaskService:
    """Health of the periodic tasks, in any process. Raises `TransientError` if the database cannot be reached."""

    def __init__(self, schedule: Mapping[str, float], log: TaskLog, clock: Clock) -> None:
        """`schedule` gives seconds between starts."""
        self._schedule = schedule
        self._log = log
        self._clock = clock

    async def records(self) -> Mapping[str, TaskRecord]:
        return await self._log.records()

    async def all(self) -> Sequence[TaskHealth]:
        """Return the tasks by name. A task is late if it has not succeeded for five of its periods, and for a minute."""
        records, now = await self._log.records(), self._clock.now_ns()
        tasks = []
        for name, period in sorted(self._schedule.items()):
            record = records.get(name)
            limit = max(LATE_PERIODS * period, LATE_S) * NS_PER_SECOND
            last_success = None if record is None else record.succeeded_ns
            tasks.append(TaskHealth(name, period, record, last_success is None or now - last_success > limit))
        return tasks


@dataclass(frozen=True, slots=True)
class BackgroundServices:
    """The services for background work that the API uses."""

    jobs: JobService
    diagnostic: Diagnostic
    repair: RollupRepair
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
    ) -> BackgroundServices:
        service = JobService(jobs, store, state, definitions, trees, clock, queue)
        diagnostic = Diagnostic(store, state, definitions, clock, delay_s, log)
        return cls(
            jobs=service,
            diagnostic=diagnostic,
            repair=RollupRepair(diagnostic, service, store, queue),
            tasks=TaskService(schedule, log, clock),
        )
