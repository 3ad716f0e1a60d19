"""`seduce upgrade`: bring site description, database and store to this version.

Each process does the same at its start. The command reports problems while the old version is still installed.
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
    """Return 0, or 1 if `check_only` finds something to do. Raise `SeduceError` for what the user can fix."""
    if control.is_running(settings.data_dir):
        raise UserError(
            f"{settings.data_dir} is used by a running dashboard: stop it and back up its data first"
        )
    return asyncio.run(_upgrade(settings, check_only))


async def _upgrade(settings: Settings, check_only: bool) -> int:
    say(f"version {version('seduce-dashboard')}")
    inventory = await asyncio.to_thread(load, settings.description_dir)
    say(f"description: {len(inventory.sensors)} sensors, no faults")
    url = database_url(settings)
    current, target = await revisions(url)
    if current == target:
        say(f"database: revision {target} is current")
    elif check_only:
        say(f"database: {_describe(current)}; this version needs revision {target}")
        return 1
    else:
        await migrate(url)
        say(f"database: upgraded to revision {target}; before: {_describe(current)}")
    if not check_only:
        async with exclusive_store(settings, "Stop it, then upgrade."):
            say("store: opened, tables are current")
    return 0


def _describe(revision: str | None) -> str:
    return "no tables yet" if revision is None else f"revision {revision}"
