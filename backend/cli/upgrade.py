"""`seduce upgrade`: description, database and store as this version wants them, before it serves.

Each process does the same at its start; as a command of its own it tells an operator before the old version is gone.
"""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from backend.cli.console import say
from backend.core.errors import UserError
from backend.db.migrate import migrate, revisions
from backend.inventory.loader import load
from backend.processes import control
from backend.processes.stores import database_url, exclusive_store
from backend.settings import Settings


def run_upgrade(settings: Settings, check_only: bool) -> int:
    """Returns 0, or 1 where `check_only` found something to do. Raises `SeduceError` for what the user can mend."""
    if control.is_running(settings.data_dir):
        raise UserError(f"a dashboard runs over {settings.data_dir}: stop it first, and make a backup of it")
    return asyncio.run(_upgrade(settings, check_only))


async def _upgrade(settings: Settings, check_only: bool) -> int:
    say(f"version {version('seduce-dashboard')}")
    inventory = await asyncio.to_thread(load, settings.description_dir)
    say(f"description: {len(inventory.sensors)} sensors, no faults")
    url = database_url(settings)
    there, wanted = await revisions(url)
    if there == wanted:
        say(f"database: its tables are of revision {wanted}, as this version wants them")
    elif check_only:
        say(f"database: its tables are {_of(there)}, this version wants {wanted}")
        return 1
    else:
        await migrate(url)
        say(f"database: its tables were {_of(there)} and are of revision {wanted} now")
    if not check_only:
        async with exclusive_store(settings, "Stop it, then upgrade."):
            say("store: it opens, and its tables are there")
    return 0


def _of(revision: str | None) -> str:
    return "not there yet" if revision is None else f"of revision {revision}"
