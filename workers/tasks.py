"""The periodic tasks by name; each calls one method of a service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from backend.accounts.outbox_sender import OutboxSender
from backend.core.clock import Clock
from backend.core.events import EventLog
from backend.core.jobs import JobRepository
from backend.core.ports import RollupState, TimeSeriesStore
from backend.core.windows import Window
from backend.jobs.runner import JobRunner
from backend.rollups.engine import RollupEngine
from backend.rollups.retention import RetentionPeriods
from backend.watch.error_counters import SilenceCounter
from backend.watch.watcher import Watcher

Task: TypeAlias = Callable[[], Awaitable[object]]

HEAL_LIMIT = 10_000
"""Most dirty spans that one run of `heal` recomputes, so that `roll_up` is not delayed."""


@dataclass(frozen=True, slots=True)
class LogRetention:
    """The retention of ended jobs and events in days; 0 keeps them for ever."""

    jobs: JobRepository
    events: EventLog
    jobs_days: int
    events_days: int

    async def delete_expired(self, now_ns: int) -> None:
        """Delete what is older than its retention."""
        if self.jobs_days:
            await self.jobs.delete_ended_before(now_ns - self.jobs_days * Window.D1.ns)
        if self.events_days:
            await self.events.delete_ended_before(now_ns - self.events_days * Window.D1.ns)


@dataclass(frozen=True, slots=True)
class TaskServices:
    """The services that the tasks call."""

    rollups: RollupEngine
    store: TimeSeriesStore
    state: RollupState
    clock: Clock
    keep: RetentionPeriods
    silence_counter: SilenceCounter
    watcher: Watcher
    jobs: JobRunner
    log_retention: LogRetention
    outbox_sender: OutboxSender


def bind_tasks(services: TaskServices) -> Mapping[str, Task]:
    """Return the tasks over these services, by the names of the schedule."""
    rollups, clock = services.rollups, services.clock

    async def check_health() -> None:
        """Fail if the store or the database cannot be reached; the task log then shows for how long."""
        await services.state.watermark(Window.S30)
        await services.store.latest([""])

    return {
        "roll_up": rollups.step,
        "heal": lambda: rollups.heal(HEAL_LIMIT),
        "learn_periods": rollups.learn,
        "retain": lambda: rollups.delete_expired(services.keep),
        "maintain": lambda: services.store.maintain(clock.now_ns()),
        "forget": lambda: services.log_retention.delete_expired(clock.now_ns()),
        "detect_unresponsive_temperature_sensors": services.silence_counter.detect,
        "watch_sensors": services.watcher.check,
        # The names of the job tasks are those of the job's transitions, not of the work that the methods do.
        "run_job": services.jobs.prepare,
        "wait_job": services.jobs.run,
        "finish_job": services.jobs.finish,
        "check_health": check_health,
        "send_confirmation_email": services.outbox_sender.send_confirmations,
        "send_authorization_email": services.outbox_sender.send_authorizations,
    }
