"""Recomputation by jobs of the example sensors' history, in one process, with live readings every second.

    python -m benchmarks.bench_jobs [--days 2] [--period 1] [--folder DIR] [--kinds sensor node]

A month is --days 30: it takes some 3 GB of disk and an hour to create. It is created once if a folder is given.
Prints wall and CPU seconds of the jobs, the same for a month, and the delay of live readings from endpoint to bus
without and with jobs.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np

from backend.core.bucket import SeriesKind
from backend.core.jobs import ACTIVE
from backend.core.reading import Readings
from backend.core.windows import NS_PER_SECOND, WINDOWS, Window
from backend.jobs.selection import JobRequest
from backend.processes.one_process import Services, create_app
from backend.settings import Settings

DAY = Window.D1.ns
CALM_S = 15.0
SENSORS = 350


def hour(names: tuple[str, ...], start: int, period_s: float) -> Readings:
    """Return an hour of readings of all sensors, ordered by time."""
    rng = np.random.default_rng(start // NS_PER_SECOND % 2**31)
    times = np.arange(start, start + Window.H1.ns, round(period_s * NS_PER_SECOND), dtype=np.int64)
    values = np.round(rng.normal(120, 20, len(times) * len(names)), 1)
    return Readings(
        names,
        np.tile(np.arange(len(names), dtype=np.int32), len(times)),
        np.repeat(times, len(names)),
        values,
    )


async def create_history(
    services: Services, names: tuple[str, ...], end: int, days: int, period_s: float
) -> None:
    """Write whole days before `end`, and roll them up. Do nothing if they exist."""
    start = end - days * DAY
    if await services.store.first_time() is None:
        began = time.perf_counter()
        for at in range(start, end, Window.H1.ns):
            await services.store.write(hour(names, at, period_s))
            if (at - start) % DAY == 0:
                await services.store.maintain(at)
        print(f"{days} days of {len(names)} sensors written in {time.perf_counter() - began:.0f} s")
    began, cpu = time.perf_counter(), time.process_time()
    await services.rollups.step()
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"first roll-up in {wall:.1f} s wall, {cpu:.1f} s CPU")


@asynccontextmanager
async def live(services: Services, names: tuple[str, ...]) -> AsyncIterator[list[float]]:
    """Push all sensors every second; yield the seconds until the bus delivers each batch."""
    delays: list[float] = []

    async def push() -> None:
        codes = np.arange(len(names), dtype=np.int32)
        due = time.time()
        while True:
            now = time.time_ns()
            times = np.full(len(names), now, np.int64)
            await services.ingest.push(Readings(names, codes, times, np.full(len(names), 20.0)))
            due += 1.0
            await asyncio.sleep(max(0.0, due - time.time()))

    async def listen() -> None:
        async with services.bus.subscribe() as batches:
            async for batch in batches:
                if len(batch):
                    delays.append((time.time_ns() - int(batch.times.min())) / NS_PER_SECOND)

    tasks = [asyncio.create_task(listen()), asyncio.create_task(push())]
    try:
        yield delays
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def print_delays(label: str, delays: list[float]) -> None:
    p50, p99 = np.percentile(delays, [50, 99])
    print(
        f"live readings {label:12s} p50 {p50 * 1e3:6.1f} ms  p99 {p99 * 1e3:6.1f} ms  max {max(delays) * 1e3:6.1f} ms"
    )


async def run_jobs(services: Services, start: int, end: int, days: int, kinds: list[SeriesKind]) -> None:
    service = services.queries.background.jobs
    began, cpu = time.perf_counter(), time.process_time()
    plan = await service.create(JobRequest(kinds=kinds, start_ns=start, end_ns=end))
    while sum([await service.count(state) for state in ACTIVE]):  # noqa: ASYNC110 (the state is in the database)
        await asyncio.sleep(0.5)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    jobs = [await service.find(job.id) for job in plan.jobs]
    run_s = sum(job.run_s for job in jobs if job is not None)
    print(
        f"{len(plan.jobs)} jobs, {plan.windows:,} windows: {wall:.1f} s wall, {run_s:.1f} s in slices, {cpu:.1f} s CPU"
    )
    print(f"a month at that rate: {run_s * 30 / days:.0f} s in slices, {cpu * 30 / days:.0f} s CPU")


async def bench(folder: Path, days: int, period_s: float, kinds: list[SeriesKind]) -> None:
    settings = Settings(data_dir=folder)
    end = DAY * (time.time_ns() // DAY)
    names: tuple[str, ...] = ()

    @asynccontextmanager
    async def prepared(services: Services) -> AsyncIterator[None]:
        nonlocal names
        names = tuple(services.inventory.sensors)[:SENSORS]
        await create_history(services, names, end, days, period_s)
        yield

    app = create_app(settings, extension=prepared)
    async with app.router.lifespan_context(app):
        services: Services = app.state.services
        rolled = [await services.state.watermark(window) for window in WINDOWS]
        assert all(rolled)
        async with live(services, names) as delays:
            await asyncio.sleep(CALM_S)
            print_delays("without jobs", delays)
            delays.clear()
            await run_jobs(services, end - days * DAY, end, days, kinds)
            print_delays("with jobs", delays)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--period", type=float, default=1.0, help="seconds between two readings of a sensor")
    parser.add_argument("--folder", type=Path)
    parser.add_argument(
        "--kinds",
        nargs="+",
        choices=list(SeriesKind),
        default=list(SeriesKind),
        help="kinds of series to recompute",
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(
            bench(
                arguments.folder or Path(temporary),
                arguments.days,
                arguments.period,
                [SeriesKind(k) for k in arguments.kinds],
            )
        )


if __name__ == "__main__":
    main()
