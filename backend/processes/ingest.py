"""The processes beside the web process, each made from the settings alone: the ingest door and the roll-ups."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette

from backend.processes.receiver import application, draining
from backend.processes.shared import (
    Parts,
    backup_command,
    build_base,
    build_door,
    build_rollups,
    commanded,
    open_doors,
    opened,
    refuse_one_process_parts,
)
from backend.processes.tasks import build_tasks
from backend.settings import Settings
from workers.runner import Asks, InProcessRunner
from workers.schedule import SCHEDULE

log = logging.getLogger("seduce.app")


def create_ingest(settings: Settings, parts: Parts | None = None) -> Starlette:
    """The doors, the spool, and what carries it to the store; announces on the bus. No page, no crawlers, no roll-ups.

    Raises `PermanentError` for a store or a bus that other processes could not share.
    """
    if parts is None:
        refuse_one_process_parts(settings, "seduce ingest")
    base = build_base(settings, parts or Parts())
    door = build_door(base, build_rollups(base))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with opened(base), draining(door), commanded(base, {"backup": backup_command(base, door)}):
            yield

    return application(open_doors(base, door.ingest), door.ingest, lifespan, settings.data_dir)


def run_rollups(settings: Settings) -> int:
    """The periodic tasks, until SIGINT or SIGTERM."""
    refuse_one_process_parts(settings, "seduce rollups")
    base = build_base(settings, Parts())
    rollups = build_rollups(base)
    asks = Asks()
    tasks = build_tasks(base, rollups, asks)
    runner = InProcessRunner(SCHEDULE, {name: partial(tasks.run, name) for name in tasks.names}, asks=asks)

    async def work() -> None:
        told = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        async with opened(base), runner, commanded(base, {}):
            log.info("rolling up")
            await told.wait()

    asyncio.run(work())
    return 0
