"""The process `seduce rollups`: runs all periodic tasks, mails and jobs included.

`rollup_engine.py` builds the engine for any process; `backend/rollups/engine.py` computes the roll-ups.
"""

from __future__ import annotations

import asyncio
import logging
import signal

from backend.processes.rollup_engine import build_rollup_engine
from backend.processes.shared import build_shared_services, control_socket, open_shared
from backend.processes.stores import require_shared_services
from backend.processes.tasks import build_runner
from backend.settings import Settings

log = logging.getLogger("seduce.app")


def run_rollups(settings: Settings) -> int:
    """Run the periodic tasks until SIGINT or SIGTERM, and return the exit code 0."""
    require_shared_services(settings, "seduce rollups")
    shared = build_shared_services(settings)
    runner = build_runner(shared, build_rollup_engine(shared))

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with open_shared(shared), runner, control_socket(shared):
            log.info("periodic tasks started")
            await stop.wait()

    asyncio.run(run())
    return 0
