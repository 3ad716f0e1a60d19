"""A store with two days of readings that are rolled up, and all that carries jobs forward, over any store and database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backend.core.jobs import Job, JobRepository
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Points, Readings
from backend.core.windows import WINDOWS, Window
from backend.jobs.diagnostic import Diagnostic
from backend.jobs.repair import RollupRepair
from backend.jobs.runner import JobRunner
from backend.jobs.selection import JobRequest
from backend.jobs.service import JobService
from backend.rollups.definitions import Definitions
from backend.rollups.engine import RollupEngine
from tests.support.manual_clock import ManualClock
from tests.support.memory_jobs import MemoryJobs, MemoryQueue, MemoryTaskLog
from tests.support.memory_rollup_state import MemoryRollupState
from tests.support.rollup_day import CONSUMPTION, DEFINITIONS, END, PRODUCTION, compare, readings_of, simulate

POINTS = simulate()
TREES = (CONSUMPTION, PRODUCTION)


class JobSite:
    """`points` are the readings that are there; what a test changes behind everybody's back it changes there too."""

    def __init__(
        self,
        store: TimeSeriesStore,
        definitions: Definitions = DEFINITIONS,
        state: MemoryRollupState | None = None,
    ) -> None:
        self.store: Any = store
        self.points: Mapping[str, Points] = POINTS
        self.clock = ManualClock(END)
        self.state = state or MemoryRollupState()
        self.definitions = definitions
        self.engine = RollupEngine(store, self.state, definitions, self.clock, 0.0)
        self.jobs: JobRepository = MemoryJobs(self.clock)
        self.queue, self.log = MemoryQueue(), MemoryTaskLog()
        self.service = JobService(self.jobs, store, self.state, definitions, TREES, self.clock, self.queue)
        self.runner = JobRunner(self.jobs, self.engine, self.clock)
        self.diagnostic = Diagnostic(store, self.state, definitions, self.clock, 0.0, self.log)
        self.repair = RollupRepair(self.diagnostic, self.service, store, self.queue)

    async def roll_up(self) -> None:
        await self.store.write(readings_of(self.points))
        await self.engine.step()

    async def falsify(self, by: float = 7.0) -> None:
        """Readings change, and nobody is told: all that is rolled up is wrong."""
        changed = {}
        for name, p in self.points.items():
            changed[name] = Points(p.times, p.values + by)
            await self.store.write(Readings((name,), np.zeros(len(p), np.int32), p.times, p.values + by))
        self.points = changed

    async def compare(self) -> int:
        """Every bucket against its readings."""
        ends = {window: window.floor(END) for window in WINDOWS}
        return await compare(self.store, self.points, ends, definitions=self.definitions)

    async def create(self, **fields: Any) -> list[int]:
        return [job.id for job in (await self.service.create(JobRequest(**fields))).jobs]

    async def job(self, job_id: int) -> Job:
        (job,) = await self.jobs.find([job_id])
        return job

    async def work_off(self) -> None:
        """As the periodic tasks do, until nothing is left to do."""
        while await self.runner.prepare() + await self.runner.run() + await self.runner.finish():
            pass


HOUR = Window.H1.ns
