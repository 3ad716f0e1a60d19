"""What mends a continuous query: one action for each fault. Workers do the computing; this asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.core.bucket import SeriesKind
from backend.core.errors import NotFound
from backend.core.jobs import Job, Priority
from backend.core.ports import TimeSeriesStore
from backend.core.tasks import TaskQueue
from backend.jobs.diagnostic import Diagnostic, QueryFault, QueryHealth
from backend.jobs.selection import JobRequest
from backend.jobs.service import JobService


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done about one query: a sentence an action, and the jobs that were created for it."""

    name: str
    faults: tuple[QueryFault, ...]
    actions: tuple[str, ...]
    jobs: tuple[Job, ...]


class Mending:
    """Raises `TransientError` where store, database or workers cannot be reached."""

    def __init__(
        self, diagnostic: Diagnostic, jobs: JobService, store: TimeSeriesStore, queue: TaskQueue
    ) -> None:
        self._diagnostic = diagnostic
        self._jobs = jobs
        self._store = store
        self._queue = queue

    async def mend(self, names: Sequence[str], only: Sequence[QueryFault] | None = None) -> Sequence[Mended]:
        """Mend the named queries of all faults they have, or only of some. Raises `NotFound` for an unknown name."""
        healths = {health.query.name: health for health in await self._diagnostic.read()}
        unknown = [name for name in names if name not in healths]
        if unknown:
            raise NotFound(f"There is no continuous query {unknown[0]!r}.", path=("names",))
        return [await self._mend(healths[name], only) for name in dict.fromkeys(names)]

    async def _mend(self, health: QueryHealth, only: Sequence[QueryFault] | None) -> Mended:
        faults = tuple(fault for fault in health.faults if only is None or fault in only)
        actions: list[str] = []
        jobs: list[Job] = []
        for fault in faults:
            match fault:
                case QueryFault.LATE:
                    await self._queue.request_run("roll_up")
                    actions.append("Rolling up was asked for.")
                case QueryFault.DIRTY:
                    await self._queue.request_run("heal")
                    actions.append("Healing was asked for.")
                case QueryFault.UNKNOWN:
                    await self._store.drop_series(health.query.kind, health.query.window, health.unknown)
                    actions.append(f"The roll-ups of {len(health.unknown)} series were deleted.")
                case QueryFault.MISSING:
                    jobs += await self._again(health, health.missing, actions)
                case QueryFault.WRONG:
                    if health.stale:
                        await self._queue.request_run("heal")
                        actions.append(f"Healing of {len(health.stale)} series was asked for.")
                    jobs += await self._again(
                        health, [name for name in health.wrong if name not in health.stale], actions
                    )
        return Mended(health.query.name, faults, tuple(actions), tuple(jobs))

    async def _again(self, health: QueryHealth, series: Sequence[str], actions: list[str]) -> Sequence[Job]:
        if not series:
            return []
        actions.append(f"{len(series)} series are computed again.")
        return (await self._jobs.create(_request(health, series))).jobs


def _request(health: QueryHealth, series: Sequence[str]) -> JobRequest:
    """All that is kept of these series of one query."""
    kind, windows = health.query.kind, (health.query.window,)
    return JobRequest(
        sensors=series if kind is SeriesKind.SENSOR else (),
        types=series if kind is SeriesKind.TYPE else (),
        nodes=series if kind is SeriesKind.NODE else (),
        windows=windows,
        priority=Priority.HIGH,
    )
