"""Jobs from creation to the end, against recomputation from raw readings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.core.bucket import SeriesKind
from backend.core.errors import Conflict, NotFound, TransientError, UserError
from backend.core.jobs import ACTIVE, Job, JobState, Priority
from backend.core.windows import Window
from backend.db.engine import Database
from backend.db.leases import SqlLeases
from backend.db.migrate import migrate
from backend.jobs.runner import MAX_ATTEMPTS
from backend.jobs.selection import JobRequest, NodeSelection
from backend.rollups.engine import RollupReport
from backend.rollups.recompute import Portion
from backend.store.duckdb.store import DuckDBStore
from tests.support.job_site import HOUR, JobSite
from tests.support.rollup_day import DEFINITIONS, END, START, readings_of
from workers.runs import TaskExecutor

EVERYTHING = list(SeriesKind)


@pytest.fixture
async def site() -> AsyncIterator[JobSite]:
    store = DuckDBStore(":memory:", readers=2)
    await store.open()
    site = JobSite(store)
    await site.roll_up()
    yield site
    await store.close()


async def states(site: JobSite, ids: Iterable[int]) -> set[JobState]:
    return {job.state for job in await site.jobs.find(list(ids))}


async def test_all_of_history_is_recomputed(site: JobSite) -> None:
    await site.falsify()
    with pytest.raises(AssertionError):
        await site.compare()
    ids = await site.create(kinds=EVERYTHING)
    assert site.queue.requests == ["run_job"]
    await site.work_off()
    assert await states(site, ids) == {JobState.FINISHED}
    assert await site.compare() > 1000
    for job in await site.jobs.find(ids):
        assert (job.progress, job.windows_done, job.last_error) == (1.0, job.windows, "")
        assert job.done_from_ns <= job.interval_start_ns
        assert job.ended_ns == END


async def test_only_the_interval_is_recomputed(site: JobSite) -> None:
    await site.falsify()
    start, end = START + 5 * HOUR + 1, START + 8 * HOUR - 1
    ids = await site.create(sensors=["plug_1"], windows=[Window.M1], start_ns=start, end_ns=end)
    before = await site.store.buckets(SeriesKind.SENSOR, ("plug_1",), Window.M1, 0, 2 * END)
    await site.work_off()
    after = await site.store.buckets(SeriesKind.SENSOR, ("plug_1",), Window.M1, 0, 2 * END)
    changed = after.starts[before.mean != after.mean]
    job = await site.job(ids[0])
    assert job.interval_start_ns == Window.M1.floor(start)
    assert job.interval_end_ns == Window.M1.ceil(end)
    assert (changed.min(), changed.max()) == (job.interval_start_ns, job.interval_end_ns - Window.M1.ns)
    untouched = await site.store.buckets(SeriesKind.SENSOR, ("plug_2",), Window.M1, 0, 2 * END)
    await site.falsify(-7.0)
    fresh = await site.store.aggregate(
        {"plug_2": ["plug_2"]}, Window.M1, Window.D1.floor(START), Window.M1.floor(END)
    )
    assert untouched.mean.tolist() == pytest.approx(fresh.mean.tolist()), "other series are as they were"


async def test_nodes_are_computed_from_the_stored_means(site: JobSite) -> None:
    await site.falsify()
    await site.create(kinds=[SeriesKind.SENSOR, SeriesKind.TYPE])
    await site.work_off()
    with pytest.raises(AssertionError, match="node"):
        await site.compare()
    await site.create(nodes=["datacenter", "overall_production"], scope=NodeSelection.BELOW)
    await site.work_off()
    with pytest.raises(AssertionError, match="node"):
        await site.compare()
    # `steady` is in a tree of its own that requests do not select.
    await site.create(kinds=[SeriesKind.NODE])
    await site.work_off()
    assert await site.compare()


async def test_a_dry_run_estimates_and_stores_nothing(site: JobSite) -> None:
    plan = await site.service.plan(JobRequest(kinds=[SeriesKind.NODE], windows=[Window.H1]))
    hours = (Window.H1.floor(END) - Window.H1.floor(START)) // HOUR
    assert plan.windows == hours * len(DEFINITIONS.nodes)
    assert (plan.start_ns, plan.end_ns) == (Window.H1.floor(START), Window.H1.floor(END))
    assert plan.seconds > 0
    assert not plan.measured
    assert await site.jobs.count(None) == 0
    await site.create(kinds=[SeriesKind.NODE], windows=[Window.H1])
    await site.work_off()
    again = await site.service.plan(JobRequest(kinds=[SeriesKind.NODE], windows=[Window.H1]))
    ran = sum(job.run_s for job in await site.jobs.page(None, 99, None))
    assert again.measured
    assert again.seconds == pytest.approx(ran)


async def test_history_that_cannot_be_computed_is_left_out(site: JobSite) -> None:
    midnight = Window.D1.floor(START) + Window.D1.ns
    await site.state.set_retained_from(Window.M1, midnight)
    plan = await site.service.plan(JobRequest(queries=["cq_datacenter_1m", "cq_datacenter_1h"]))
    starts = {job.window: job.interval_start_ns for job in plan.jobs}
    assert starts == {Window.M1: midnight, Window.H1: Window.H1.floor(START)}
    with pytest.raises(UserError, match="No roll-ups to recompute in this interval"):
        await site.service.plan(JobRequest(kinds=EVERYTHING, start_ns=END + HOUR))
    with pytest.raises(UserError, match="ends before it begins"):
        await site.service.plan(JobRequest(kinds=EVERYTHING, start_ns=END, end_ns=START))


async def test_jobs_of_one_request_share_one_read(site: JobSite) -> None:
    read: list[tuple[int, tuple[Window, ...], int, int]] = []
    aggregate = site.store.aggregate_many

    async def counted(groups: Any, windows: Any, start: int, end: int) -> Any:
        read.append((len(groups), tuple(windows), start, end))
        return await aggregate(groups, windows, start, end)

    site.store.aggregate_many = counted
    midnight = Window.D1.floor(START) + Window.D1.ns
    await site.create(kinds=EVERYTHING, start_ns=midnight, end_ns=midnight + Window.D1.ns)
    await site.work_off()
    groups = [(windows, many) for many, windows, *_ in read]
    assert {windows for windows, _ in groups} == {tuple(Window)}, "all windows at once"
    assert sum(many for _, many in groups) == len(DEFINITIONS.sensors) + len(DEFINITIONS.types)


async def test_high_priority_runs_first_and_preempts(site: JobSite) -> None:
    low = await site.create(kinds=[SeriesKind.SENSOR])
    await site.runner.prepare()
    high = await site.create(kinds=[SeriesKind.NODE], priority=Priority.HIGH)
    await site.runner.prepare()
    await site.runner.run(budget_s=0)
    assert await states(site, low) == {JobState.RUNNING}
    assert all(job.windows_done for job in await site.jobs.find(high) if job.window is Window.S30)
    assert not any(job.windows_done for job in await site.jobs.find(low))


async def test_a_paused_job_stops_and_resumes_where_it_was(site: JobSite) -> None:
    await site.falsify()
    ids = await site.create(kinds=EVERYTHING)
    await site.runner.prepare()
    await site.runner.run(budget_s=0)
    some = ids[-7:]  # nodes, which depend on the sensors
    await site.service.step(some, "pause")
    done = {job.id: job.windows_done for job in await site.jobs.find(some)}
    await site.work_off()
    assert await states(site, some) == {JobState.PAUSED}
    assert await states(site, ids[:-7]) == {JobState.FINISHED}
    assert {job.id: job.windows_done for job in await site.jobs.find(some)} == done
    await site.service.step(some, "resume")
    await site.work_off()
    assert await states(site, ids) == {JobState.FINISHED}
    assert await site.compare()


async def test_a_pause_within_a_slice_discards_that_slice(site: JobSite) -> None:
    (one,) = await site.create(sensors=["sun"], windows=[Window.M1])
    recompute = site.engine.recompute_series

    async def interrupted(portions: Any) -> Any:
        await site.service.step([one], "pause")
        return await recompute(portions)

    site.engine.recompute_series = interrupted  # type: ignore[method-assign]
    await site.runner.prepare()
    await site.runner.run()
    job = await site.job(one)
    assert (job.state, job.windows_done) == (JobState.PAUSED, 0)


async def test_a_cancelled_job_ends_and_may_be_retried(site: JobSite) -> None:
    ids = await site.create(sensors=["sun"])
    (first, *_) = await site.service.step_batch((await site.job(ids[0])).batch, "cancel")
    assert first.ended_ns == END
    await site.work_off()
    assert await states(site, ids) == {JobState.CANCELLED}
    await site.service.step(ids, "retry")
    await site.work_off()
    assert await states(site, ids) == {JobState.FINISHED}
    with pytest.raises(
        Conflict, match="is finished: only a job that is created or running or waiting can pause"
    ):
        await site.service.step(ids[:1], "pause")
    with pytest.raises(NotFound, match="no job 999"):
        await site.service.step([999], "pause")
    with pytest.raises(NotFound, match="No job of batch"):
        await site.service.step_batch("nope", "cancel")


async def test_a_store_that_is_down_uses_no_attempt(site: JobSite) -> None:
    ids = await site.create(sensors=["sun"])
    await site.runner.prepare()
    recompute = site.engine.recompute_series

    async def down(portions: Sequence[Portion]) -> RollupReport:
        raise TransientError("the store is down")

    site.engine.recompute_series = down  # type: ignore[method-assign]
    for _ in range(2 * MAX_ATTEMPTS):
        with pytest.raises(TransientError):
            await site.runner.run()
    job = await site.job(ids[0])
    assert (job.state, job.attempts, job.last_error) == (JobState.RUNNING, 0, "the store is down")
    site.engine.recompute_series = recompute  # type: ignore[method-assign]
    await site.work_off()
    assert await states(site, ids) == {JobState.FINISHED}


async def test_a_permanent_fault_fails_the_job_after_some_runs(site: JobSite) -> None:
    ids = await site.create(sensors=["sun"])
    await site.runner.prepare()
    seen: list[int] = []

    async def broken(portions: Any) -> Any:
        seen.append(max(p.end_ns - p.start_ns for p in portions))
        raise ValueError("a fault of ours")

    site.engine.recompute_series = broken  # type: ignore[method-assign]
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(ValueError, match="a fault of ours"):
            await site.runner.run()
    assert await site.runner.run() == 0
    job = await site.job(ids[0])
    assert (job.state, job.last_error, job.ended_ns) == (JobState.FAILED, "a fault of ours", END)
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == MAX_ATTEMPTS


async def test_a_run_that_dies_leaves_its_slice_to_the_next(site: JobSite) -> None:
    await site.falsify()
    ids = await site.create(kinds=EVERYTHING)
    await site.runner.prepare()
    write, left = site.store.write_buckets, 5

    async def dying(*what: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise asyncio.CancelledError
        await write(*what)

    site.store.write_buckets = dying
    with pytest.raises(asyncio.CancelledError):
        await site.runner.run()
    site.store.write_buckets = write
    assert (await site.job(ids[0])).attempts == 1
    await site.work_off()
    assert await states(site, ids) == {JobState.FINISHED}
    assert await site.compare()


async def test_tasks_requested_twice_run_once(site: JobSite, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    await migrate(url)
    await site.falsify()
    await site.create(kinds=EVERYTHING)
    inside = 0

    async def run_job() -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        await site.runner.prepare()
        await site.runner.run(budget_s=0)
        await site.runner.finish()
        inside -= 1

    databases = [Database(url) for _ in range(4)]  # each represents a process
    workers = [
        TaskExecutor({"run_job": run_job}, site.log, site.clock, SqlLeases(database))
        for database in databases
    ]
    ran = 0
    while await site.jobs.count((*ACTIVE,)):
        ran += sum(await asyncio.gather(*(worker.run("run_job") for worker in workers)))
    assert (await site.log.records())["run_job"].timing.count == ran
    assert await site.compare()
    for database in databases:
        await database.close()


async def test_late_readings_meanwhile_are_healed(site: JobSite) -> None:
    await site.create(kinds=EVERYTHING)
    await site.falsify()
    for name, points in site.points.items():
        await site.engine.on_late(readings_of({name: points}))
    await asyncio.gather(site.work_off(), site.engine.heal())
    await site.engine.heal()
    assert await site.compare()


async def test_changes_of_jobs_are_published(site: JobSite) -> None:
    ids = await site.create(sensors=["sun"])
    news = site.service.watch()
    snapshot, jobs = await anext(news)
    assert snapshot
    assert [job.id for job in jobs] == sorted(ids, reverse=True)
    await site.service.step(ids[:1], "pause")
    snapshot, jobs = await anext(news)
    assert (snapshot, [(job.id, job.state) for job in jobs]) == (False, [(ids[0], JobState.PAUSED)])
    await news.aclose()


def test_figures_of_a_job() -> None:
    job = Job(
        1, "b", "cq", SeriesKind.SENSOR, Window.H1, ("a",), True, Priority.LOW, JobState.WAITING, 0, 1, 1, 100, 0, 0
    )  # fmt: skip
    assert (job.progress, job.windows_per_s, job.remaining_s) == (0.0, None, None)
    job = replace(job, windows_done=25, run_s=5.0)
    assert (job.progress, job.windows_per_s, job.remaining_s) == (0.25, 5.0, 15.0)
