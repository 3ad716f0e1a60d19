"""Jobs, events, runs of tasks and asks for them, in dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from backend.core.bucket import SeriesKind
from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.events import EventFilter, SensorEvent
from backend.core.jobs import ENDED, Job, JobState, Priority
from backend.core.ports import RollupState, TimeSeriesStore
from backend.core.tasks import TaskRecord
from backend.core.windows import Window
from backend.inventory.model import Inventory
from backend.jobs.background_services import BackgroundServices
from backend.rollups.definitions import Definitions
from workers.schedule import SCHEDULE


class MemoryJobs:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._jobs: dict[int, Job] = {}
        self._last = 0

    async def add(self, jobs: Sequence[Job]) -> Sequence[Job]:
        kept = []
        for job in jobs:
            self._last += 1
            kept.append(replace(job, id=self._last, version=1, changed_ns=self._clock.now_ns()))
        self._jobs |= {job.id: job for job in kept}
        return kept

    async def find(self, ids: Sequence[int]) -> Sequence[Job]:
        return [self._jobs[one] for one in ids if one in self._jobs]

    async def in_states(self, states: Sequence[JobState]) -> Sequence[Job]:
        found = [job for job in self._jobs.values() if job.state in states]
        return sorted(found, key=lambda job: (job.priority is not Priority.HIGH, job.id))

    async def page(
        self, states: Sequence[JobState] | None, limit: int, before_id: int | None
    ) -> Sequence[Job]:
        found = [
            job
            for job in self._jobs.values()
            if (states is None or job.state in states) and (before_id is None or job.id < before_id)
        ]
        return sorted(found, key=lambda job: -job.id)[:limit]

    async def count(self, states: Sequence[JobState] | None) -> int:
        return sum(states is None or job.state in states for job in self._jobs.values())

    async def changed(self, since_ns: int, limit: int) -> Sequence[Job]:
        found = [job for job in self._jobs.values() if job.changed_ns >= since_ns]
        return sorted(found, key=lambda job: (-job.changed_ns, -job.id))[:limit]

    async def save(self, jobs: Sequence[Job]) -> Sequence[Job]:
        kept = []
        for job in sorted(jobs, key=lambda job: job.id):
            old = self._jobs.get(job.id)
            if old is not None and old.version == job.version:
                new = replace(job, version=job.version + 1, changed_ns=self._clock.now_ns())
                self._jobs[job.id] = new
                kept.append(new)
        return kept

    async def speeds(self) -> Mapping[tuple[SeriesKind, Window], float]:
        totals: dict[tuple[SeriesKind, Window], tuple[int, float]] = {}
        for job in self._jobs.values():
            if job.run_s > 0:
                done, seconds = totals.get((job.kind, job.window), (0, 0.0))
                totals[job.kind, job.window] = (done + job.windows_done, seconds + job.run_s)
        return {key: done / seconds for key, (done, seconds) in totals.items() if done}

    async def delete_ended_before(self, before_ns: int) -> int:
        gone = [j.id for j in self._jobs.values() if j.state in ENDED and j.changed_ns < before_ns]
        for one in gone:
            del self._jobs[one]
        return len(gone)


class MemoryEvents:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: dict[int, SensorEvent] = {}
        self._changed: dict[int, int] = {}
        self._last = 0

    async def open(self) -> Sequence[SensorEvent]:
        return [event for event in self._events.values() if event.ended_ns is None]

    async def record(self, begun: Sequence[SensorEvent], ended: Sequence[SensorEvent]) -> None:
        now = self._clock.now_ns()
        for event in ended:
            kept = self._events.get(event.id)
            if kept is not None and kept.ended_ns is None:
                self._events[event.id] = replace(kept, ended_ns=event.ended_ns)
                self._changed[event.id] = now
        for event in begun:
            lasting = {(e.sensor, e.kind) for e in self._events.values() if e.ended_ns is None}
            if event.ended_ns is None and (event.sensor, event.kind) in lasting:
                continue
            self._last += 1
            self._events[self._last] = replace(event, id=self._last, noticed_ns=now)
            self._changed[self._last] = now

    async def page(self, chosen: EventFilter, limit: int) -> Sequence[SensorEvent]:
        found = [e for e in self._matching(chosen) if chosen.before_id is None or e.id < chosen.before_id]
        return sorted(found, key=lambda event: -event.id)[:limit]

    async def count(self, chosen: EventFilter) -> int:
        return len(self._matching(chosen))

    async def changed(self, since_ns: int) -> Sequence[SensorEvent]:
        return [event for event in self._events.values() if self._changed[event.id] >= since_ns]

    async def delete_ended_before(self, before_ns: int) -> int:
        gone = [e.id for e in self._events.values() if e.ended_ns is not None and e.ended_ns < before_ns]
        for one in gone:
            del self._events[one]
        return len(gone)

    def _matching(self, chosen: EventFilter) -> list[SensorEvent]:
        return [
            event
            for event in self._events.values()
            if (chosen.sensors is None or event.sensor in chosen.sensors)
            and (chosen.kinds is None or event.kind in chosen.kinds)
            and (chosen.start_ns is None or event.ended_ns is None or event.ended_ns >= chosen.start_ns)
            and (chosen.end_ns is None or event.at_ns < chosen.end_ns)
            and (chosen.lasting is None or (event.ended_ns is None) is chosen.lasting)
        ]


class MemoryTaskLog:
    def __init__(self) -> None:
        self._records: dict[str, TaskRecord] = {}

    async def record(self, name: str, started_ns: int, seconds: float, error: str | None) -> None:
        old = self._records.get(name, TaskRecord(name))
        old.timing.observe(seconds)
        self._records[name] = replace(
            old,
            failures=old.failures + (error is not None),
            failures_in_a_row=0 if error is None else old.failures_in_a_row + 1,
            started_ns=started_ns,
            succeeded_ns=started_ns if error is None else old.succeeded_ns,
            last_s=seconds,
            last_error=error or "",
        )

    async def records(self) -> Mapping[str, TaskRecord]:
        return dict(self._records)


class MemoryQueue:
    """Remembers what was asked for; set `down` to be out of reach."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down = False

    async def request_run(self, name: str) -> None:
        if self.down:
            raise TransientError("the broker is down")
        self.asked.append(name)


class MemoryWork:
    """Jobs and what belongs to them, over a store and a state."""

    def __init__(
        self, inventory: Inventory, store: TimeSeriesStore, state: RollupState, clock: Clock
    ) -> None:
        self.jobs, self.events = MemoryJobs(clock), MemoryEvents(clock)
        self.task_log, self.queue = MemoryTaskLog(), MemoryQueue()
        trees = (inventory.consumption, inventory.production)
        self.work = BackgroundServices.build(
            jobs=self.jobs,
            store=store,
            state=state,
            definitions=Definitions.of(inventory.sensors, trees),
            trees=trees,
            clock=clock,
            delay_s=0.0,
            log=self.task_log,
            queue=self.queue,
            schedule=SCHEDULE,
        )
