"""Beat and two workers as processes, over a real InfluxDB and a real Redis: a month is computed again while workers are killed
and Redis is away, and afterwards every window is what its raw readings say.

The workers share a PostgreSQL, as they do on several machines. A month of thin readings, about a minute; SEDUCE_TEST_LONG=1
makes it four, and again over SQLite.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from backend.core.bucket import SeriesKind
from backend.core.jobs import Job, JobState
from backend.core.reading import Points, Readings
from backend.core.windows import WINDOWS, Window
from backend.jobs.selection import JobRequest
from backend.processes.rollup_engine import definitions_of
from backend.processes.shared import Overrides, SharedServices, build_shared_services, open_shared
from backend.processes.tasks import build_background_services
from backend.settings import Settings
from tests.conftest import need
from tests.support import postgres, thin_month
from tests.support.influx import InfluxServer
from tests.support.processes import Service
from tests.support.redis import RedisServer
from tests.support.rollup_day import compare, readings_of
from tests.support.waiting import DEADLINE_S
from workers.queue import CeleryQueue

LONG = bool(os.environ.get("SEDUCE_TEST_LONG"))
DAYS = 120 if LONG else 30
DATABASES = ("postgresql", "sqlite") if LONG else ("postgresql",)
REDIS_AWAY_S = 10.0
WORKER = [
    "celery",
    "-A",
    "workers.app",
    "worker",
    "-P",
    "prefork",
    "-c",
    "2",
    "--without-gossip",
    "--without-mingle",
]
BEAT = ["celery", "-A", "workers.app", "beat"]
READY = "ready."


@dataclass
class Site:
    folder: Path
    settings: Settings
    influx: InfluxServer
    redis: RedisServer
    base: SharedServices
    services: dict[str, Service]


@asynccontextmanager
async def running_site(folder: Path, database: str) -> AsyncIterator[Site]:
    """Servers, and the parts of a process of the test's own; beat and workers are made and not started."""
    if database == "postgresql" and (reason := postgres.why_not()):
        pytest.skip(reason)
    for name in ("influx", "redis"):
        (folder / name).mkdir()
    async with AsyncExitStack() as stack:
        influx = InfluxServer(need("influxd", "influxdb"), folder / "influx")
        redis = RedisServer(need("redis-server", "redis-server"), folder / "redis")
        for server in (influx, redis):
            stack.callback(server.stop)
            await asyncio.to_thread(server.start)
        settings = Settings(
            description_dir=thin_month.describe(folder),
            data_dir=folder / "data",
            database_url=f"sqlite:///{folder / 'seduce.sqlite'}"
            if database == "sqlite"
            else stack.enter_context(postgres.server()),
            store_url=influx.url("seduce"),
            bus_url=redis.url(1),
        )
        named = {"description_dir", "data_dir", "database_url", "store_url", "bus_url"}
        environment = {f"SEDUCE_{k.upper()}": str(v) for k, v in settings.model_dump(include=named).items()}
        services = {
            name: Service(name, command, folder, environment, family=True)
            for name, command in {
                "beat": BEAT,
                "worker_1": [*WORKER, "-n", "one@%h"],
                "worker_2": [*WORKER, "-n", "two@%h"],
            }.items()
        }
        for service in services.values():
            stack.callback(service.abandon)
        base = build_shared_services(settings, Overrides())
        await stack.enter_async_context(open_shared(base))
        yield Site(folder, settings, influx, redis, base, services)


async def until(what: str, condition: object, within_s: float = DEADLINE_S) -> None:
    """Waits for an asynchronous condition."""
    async with asyncio.timeout(within_s):
        while not await condition():  # type: ignore[operator]
            await asyncio.sleep(0.2)


async def falsify(base: SharedServices, points: dict[str, Points], start: int, end: int) -> dict[str, Points]:
    """Readings that change unnoticed: every roll-up over them is wrong until it is computed again."""
    changed = {}
    for name, p in points.items():
        values = p.values + 7.0
        await base.store.write(Readings((name,), np.zeros(len(p), np.int32), p.times, values))
        changed[name] = Points(p.times, values)
    return changed


def progress(jobs: Sequence[Job]) -> float:
    return sum(job.windows_done for job in jobs) / sum(job.windows for job in jobs)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("database", DATABASES)
async def test_history_is_computed_again_whatever_dies(tmp_path: Path, database: str) -> None:
    async with running_site(tmp_path, database) as site:
        base, services = site.base, site.services
        end = Window.D1.floor(time.time_ns())
        start = end - DAYS * Window.D1.ns
        points = thin_month.readings(start, end)
        await base.store.write(readings_of(points))
        for service in services.values():
            await service.start()

        async def rolled() -> bool:
            return (await base.state.watermark(Window.D1) or 0) >= end

        await until("all is rolled up", rolled)
        points = await falsify(base, points, start, end)

        work = build_background_services(base, CeleryQueue(site.settings.broker))
        batch = await work.jobs.create(JobRequest(kinds=list(SeriesKind), start_ns=start, end_ns=end))
        ids = [job.id for job in batch.jobs]

        async def is_started() -> bool:
            return progress(await base.jobs.find(ids)) > 0

        await until("the first slice is done", is_started)
        assert progress(await base.jobs.find(ids)) < 1, "nothing is left to be killed"
        await services["worker_1"].kill()
        await asyncio.to_thread(site.redis.stop)
        await services["worker_1"].start()
        await asyncio.sleep(REDIS_AWAY_S)
        await asyncio.to_thread(site.redis.start)
        await services["worker_2"].kill()
        await services["worker_2"].start()

        async def done() -> bool:
            jobs = await base.jobs.find(ids)
            failed = [job for job in jobs if job.state is JobState.FAILED]
            assert not failed, failed[0].last_error
            return all(job.state is JobState.FINISHED for job in jobs)

        await until("all jobs are finished", done, 400)
        for name in ("beat", "worker_1", "worker_2"):
            assert await services[name].end(60) == 0
            assert "Traceback" not in services[name].log.read_text(), services[name].log.read_text()[-3000:]
        # Today is empty, and rolled up as far as somebody lived to do so.
        ends = {w: await base.state.watermark(w) or 0 for w in WINDOWS}
        assert await compare(base.store, points, ends, start, definitions_of(base.inventory)) > 1000
