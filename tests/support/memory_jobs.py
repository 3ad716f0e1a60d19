"""Jobs, sensor events, task runs and requests for task runs, in dictionaries."""

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
        saved = []
        for job in jobs:
            self._last += 1
            saved.append(replace(job, id=self._last, version=1, changed_ns=self._clock.now_ns()))
        self._jobs |= {job.id: job for job in saved}
        return saved

    async def find(self, ids: Sequence[int]) -> Sequence[Job]:
        return [self._jobs[one] for one in ids if one in self._jobs]

    async def in_states(self, states: Sequence[JobState]) -> Sequence[Job]:
        matches = [job for job in self._jobs.values() if job.state in states]
        return sorted(matches, key=lambda job: (job.priority is not Priority.HIGH, job.id))

    async def page(
        self, states: Sequence[JobState] | None, limit: int, before_id: int | None
    ) -> Sequence[Job]:
        matches = [
            job
            for job in self._jobs.values()
            if (states is None or job.state in states) and (before_id is None or job.id < before_id)
        ]
        return sorted(matches, key=lambda job: -job.id)[:limit]

    async def count(self, states: Sequence[JobState] | None) -> int:
        return sum(states is None or job.state in states for job in self._jobs.values())

    async def changed(self, since_ns: int, limit: int) -> Sequence[Job]:
        matches = [job for job in self._jobs.values() if job.changed_ns >= since_ns]
        return sorted(matches, key=lambda job: (-job.changed_ns, -job.id))[:limit]

    async def save(self, jobs: Sequence[Job]) -> Sequence[Job]:
        saved = []
        for job in sorted(jobs, key=lambda job: job.id):
            old = self._jobs.get(job.id)
            if old is not None and old.version == job.version:
                new = replace(job, version=job.version + 1, changed_ns=self._clock.now_ns())
                self._jobs[job.id] = new
                saved.append(new)
        return saved

    async def speeds(self) -> Mapping[tuple[SeriesKind, Window], float]:
        totals: dict[tuple[SeriesKind, Window], tuple[int, float]] = {}
        for job in self._jobs.values():
            if job.run_s > 0:
                done, seconds = totals.get((job.kind, job.window), (0, 0.0))
                totals[job.kind, job.window] = (done + job.windows_done, seconds + job.run_s)
        return {key: done / seconds for key, (done, seconds) in totals.items() if done}

    async def delete_ended_before(self, before_ns: int) -> int:
        deleted_ids = [j.id for j in self._jobs.values() if j.state in ENDED and j.changed_ns < before_ns]
        for one in deleted_ids:
            del self._jobs[one]
        return len(deleted_ids)


class MemoryEvents:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: dict[int, SensorEvent] = {}
        self._changed: dict[int, int] = {}
        self._last = 0

    async def open(self) -> Sequence[SensorEvent]:
        return [event for event in self._events.values() if event.ended_ns is None]

    async def record(self, started: Sequence[SensorEvent], ended: Sequence[SensorEvent]) -> None:
        now = self._clock.now_ns()
        for event in ended:
            stored = self._events.get(event.id)
            if stored is not None and stored.ended_ns is None:
                self._events[event.id] = replace(stored, ended_ns=event.ended_ns)
                self._changed[event.id] = now
        for event in started:
            lasting = {(e.sensor, e.kind) for e in self._events.values() if e.ended_ns is None}
            if event.ended_ns is None and (event.sensor, event.kind) in lasting:
                continue
            self._last += 1
            self._events[self._last] = replace(event, id=self._last, noticed_ns=now)
            self._changed[self._last] = now

    async def page(self, event_filter: EventFilter, limit: int) -> Sequence[SensorEvent]:
        matches = [
            e
            for e in self._matching(event_filter)
            if event_filter.before_id is None or e.id < event_filter.before_id
        ]
        return sorted(matches, key=lambda event: -event.id)[:limit]

    async def count(self, event_filter: EventFilter) -> int:
        return len(self._matching(event_filter))

    async def changed(self, since_ns: int) -> Sequence[SensorEvent]:
        return [event for event in self._events.values() if self._changed[event.id] >= since_ns]

    async def delete_ended_before(self, before_ns: int) -> int:
        deleted_ids = [
            e.id for e in self._events.values() if e.ended_ns is not None and e.ended_ns < before_ns
        ]
        for one in deleted_ids:
            del self._events[one]
        return len(deleted_ids)

    def _matching(self, event_filter: EventFilter) -> list[SensorEvent]:
        return [
            event
            for event in self._events.values()
            if (event_filter.sensors is None or event.sensor in event_filter.sensors)
            and (event_filter.kinds is None or event.kind in event_filter.kinds)
            and (
                event_filter.start_ns is None
                or event.ended_ns is None
                or event.ended_ns >= event_filter.start_ns
            )
            and (event_filter.end_ns is None or event.at_ns < event_filter.end_ns)
            and (event_filter.lasting is None or (event.ended_ns is None) is event_filter.lasting)
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
    """Records the requested runs. While `down` is set, every request fails."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.down = False

    async def request_run(self, name: str) -> None:
        if self.down:
            raise TransientError("the broker is down")
        self.requests.append(name)


class MemoryWork:
    """The job services over a store and a roll-up state, with repositories in memory."""

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
