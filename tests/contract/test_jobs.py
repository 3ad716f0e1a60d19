"""Contract of JobRepository, on every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.core.bucket import SeriesKind
from backend.core.jobs import ACTIVE, Job, JobRepository, JobState, Priority, apply_step
from backend.core.windows import NS_PER_SECOND, Window
from backend.db.engine import Database
from backend.db.jobs import SqlJobs
from tests.support.databases import DATABASES, opened_database
from tests.support.manual_clock import ManualClock
from tests.support.memory_jobs import MemoryJobs

NOW = 1_790_000_000 * NS_PER_SECOND
JOB = Job(
    id=0,
    batch="b",
    cq_name="cq_é'; drop table job; --_1h",
    kind=SeriesKind.NODE,
    window=Window.H1,
    series=("é'; drop table job; --",),
    whole=True,
    priority=Priority.LOW,
    state=JobState.CREATED,
    interval_start_ns=0,
    interval_end_ns=10 * Window.H1.ns,
    done_from_ns=10 * Window.H1.ns,
    windows=10,
    created_ns=NOW,
    changed_ns=0,
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture(params=["memory", *DATABASES])
async def jobs(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[JobRepository]:
    if request.param == "memory":
        yield MemoryJobs(clock)
        return
    async with opened_database(request, tmp_path) as database:
        yield SqlJobs(database, clock)


async def test_a_job_is_stored_completely(jobs: JobRepository) -> None:
    full = replace(
        JOB,
        series=("a", "b"),
        whole=False,
        windows_done=2**40,
        last_run_start_ns=1,
        last_run_end_ns=2,
        last_execution_s=0.25,
        run_s=1.5,
        attempts=3,
        last_error="é",
        ended_ns=5,
        state=JobState.FAILED,
    )
    first, second = await jobs.add([JOB, full])
    assert 0 < first.id < second.id
    assert first == replace(JOB, id=first.id, version=first.version, changed_ns=NOW)
    jobs_by_id = {job.id: job for job in await jobs.find([second.id, first.id, 10**6])}
    assert jobs_by_id == {first.id: first, second.id: second}
    assert replace(second, id=0, version=0, changed_ns=0) == full
    assert list(await jobs.add([])) == []


async def test_high_priority_comes_first_then_order_of_creation(jobs: JobRepository) -> None:
    high = replace(JOB, priority=Priority.HIGH)
    added = await jobs.add([JOB, high, replace(JOB, state=JobState.PAUSED), JOB, high])
    ids = [job.id for job in added]
    assert [job.id for job in await jobs.in_states(ACTIVE)] == [ids[1], ids[4], ids[0], ids[3]]
    assert [job.id for job in await jobs.in_states((JobState.PAUSED,))] == [ids[2]]
    assert list(await jobs.in_states(())) == []


async def test_pages_are_newest_first(jobs: JobRepository) -> None:
    ids = [job.id for job in await jobs.add([JOB] * 4 + [replace(JOB, state=JobState.FINISHED)])]
    assert [job.id for job in await jobs.page(None, 2, None)] == [ids[4], ids[3]]
    assert [job.id for job in await jobs.page(None, 9, ids[3])] == ids[2::-1]
    assert [job.id for job in await jobs.page((JobState.CREATED,), 1, None)] == [ids[3]]
    assert (await jobs.count(None), await jobs.count((JobState.FINISHED,))) == (5, 1)


async def test_a_writer_with_an_older_version_changes_nothing(
    jobs: JobRepository, clock: ManualClock
) -> None:
    one, two = await jobs.add([JOB, JOB])
    clock.advance(5)
    (saved,) = await jobs.save([apply_step(one, "pause")])
    assert (saved.state, saved.changed_ns) == (JobState.PAUSED, clock.now_ns())
    assert saved.version != one.version
    other = await jobs.save(
        [replace(one, windows_done=7), replace(two, windows_done=7), replace(two, id=10**6)]
    )
    assert [(job.id, job.windows_done) for job in other] == [(two.id, 7)]
    assert list(await jobs.save([])) == []
    assert await jobs.find([one.id]) == [saved]


async def test_only_one_of_several_concurrent_writers_changes_a_job(jobs: JobRepository) -> None:
    (job,) = await jobs.add([JOB])
    results = await asyncio.gather(*(jobs.save([replace(job, windows_done=at)]) for at in range(8)))
    (only,) = [one for batch in results for one in batch]
    assert await jobs.find([job.id]) == [only]


async def test_changes_since_a_time(jobs: JobRepository, clock: ManualClock) -> None:
    one, two, three = await jobs.add([JOB] * 3)
    clock.advance(1)
    await jobs.save([apply_step(two, "cancel")])
    assert [job.id for job in await jobs.changed(clock.now_ns(), 9)] == [two.id]
    assert [job.id for job in await jobs.changed(0, 2)] == [two.id, three.id]
    assert one.id


async def test_speeds_are_of_all_jobs_that_ran(jobs: JobRepository) -> None:
    assert await jobs.speeds() == {}
    ran = replace(JOB, windows_done=100, run_s=2.0)
    day = replace(ran, window=Window.D1, kind=SeriesKind.SENSOR, run_s=0.5)
    await jobs.add([JOB, ran, replace(ran, windows_done=50, run_s=1.0), day])
    assert await jobs.speeds() == {(SeriesKind.NODE, Window.H1): 50.0, (SeriesKind.SENSOR, Window.D1): 200.0}


async def test_only_rows_that_ended_long_ago_are_deleted(jobs: JobRepository, clock: ManualClock) -> None:
    old, _ = await jobs.add([replace(JOB, state=JobState.FINISHED), JOB])
    clock.advance(60)
    await jobs.add([replace(JOB, state=JobState.CANCELLED)])
    assert await jobs.delete_ended_before(NOW + 1) == 1
    assert await jobs.find([old.id]) == []
    assert await jobs.count(None) == 2


async def test_thousands_at_once(database: Database, clock: ManualClock) -> None:
    jobs = SqlJobs(database, clock)
    ids = [job.id for job in await jobs.add([JOB] * 2_500)]
    assert ids == sorted(set(ids))
    stored = await jobs.find(ids)
    assert len(stored) == 2_500
    await jobs.save(stored[:3])
    assert len(await jobs.save(stored)) == 2_497
