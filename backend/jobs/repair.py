"""Repair of continuous queries: one action for each fault. Workers do the computing; this module requests it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.core.bucket import SeriesKind
from backend.core.errors import NotFound
from backend.core.jobs import Job, Priority
from backend.core.ports import TimeSeriesStore
from backend.core.tasks import TaskQueue
from backend.jobs.diagnostic import Diagnostic, RollupFault, RollupHealth
from backend.jobs.selection import JobRequest
from backend.jobs.service import JobService


@dataclass(frozen=True, slots=True)
class RepairResult:
    """Result for one query: one sentence per action, and the jobs that were created."""

    name: str
    faults: tuple[RollupFault, ...]
    actions: tuple[str, ...]
    jobs: tuple[Job, ...]


class RollupRepair:
    """Repairs queries. Raises `TransientError` if store, database or workers cannot be reached."""

    def __init__(
        self, diagnostic: Diagnostic, jobs: JobService, store: TimeSeriesStore, queue: TaskQueue
    ) -> None:
        self._diagnostic = diagnostic
        self._jobs = jobs
        self._store = store
        self._queue = queue

    async def repair(
        self, names: Sequence[str], only: Sequence[RollupFault] | None = None
    ) -> Sequence[RepairResult]:
        """Repair the named queries: all their faults, or only some kinds. Raise `NotFound` for an unknown name."""
        healths = {health.query.name: health for health in await self._diagnostic.read()}
        unknown = [name for name in names if name not in healths]
        if unknown:
            raise NotFound(f"There is no continuous query {unknown[0]!r}.", path=("names",))
        return [await self._repair(healths[name], only) for name in dict.fromkeys(names)]

    async def _repair(self, health: RollupHealth, only: Sequence[RollupFault] | None) -> RepairResult:
        faults = tuple(fault for fault in health.faults if only is None or fault in only)
        actions: list[str] = []
        jobs: list[Job] = []
        for fault in faults:
            match fault:
                case RollupFault.LATE:
                    await self._queue.request_run("roll_up")
                    actions.append("The roll-up task runs within 10 s.")
                case RollupFault.DIRTY:
                    await self._queue.request_run("heal")
                    actions.append("The healing task runs within 30 s.")
                case RollupFault.UNKNOWN:
                    await self._store.drop_series(health.query.kind, health.query.window, health.unknown)
                    actions.append(f"Deleted the roll-ups of {len(health.unknown)} series.")
                case RollupFault.MISSING:
                    jobs += await self._create_jobs(health, health.missing, actions)
                case RollupFault.WRONG:
                    if health.stale:
                        await self._queue.request_run("heal")
                        actions.append(f"Requested healing of {len(health.stale)} series.")
                    jobs += await self._create_jobs(
                        health, [name for name in health.wrong if name not in health.stale], actions
                    )
        return RepairResult(health.query.name, faults, tuple(actions), tuple(jobs))

    async def _create_jobs(
        self, health: RollupHealth, series: Sequence[str], actions: list[str]
    ) -> Sequence[Job]:
        if not series:
            return []
        actions.append(f"Created jobs to recompute {len(series)} series.")
        return (await self._jobs.create(_request(health, series))).jobs


def _request(health: RollupHealth, series: Sequence[str]) -> JobRequest:
    """Return a request for the whole stored history of these series of one query."""
    kind, windows = health.query.kind, (health.query.window,)
    return JobRequest(
        sensors=series if kind is SeriesKind.SENSOR else (),
        types=series if kind is SeriesKind.TYPE else (),
        nodes=series if kind is SeriesKind.NODE else (),
        windows=windows,
        priority=Priority.HIGH,
    )
