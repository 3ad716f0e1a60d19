"""`seduce backup`: write a backup by the running process, or directly if none runs."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from backend.cli.console import say
from backend.ingest.spool import SqliteSpool
from backend.processes import control
from backend.processes.backup import SPOOLS, BackupSources, refuse_existing, write_backup
from backend.processes.receiver import open_spool
from backend.processes.stores import exclusive_store
from backend.settings import Settings


def run_backup(settings: Settings, target: Path) -> int:
    """Write the backup and return the exit code 0. Raise `SeduceError` for what the user can fix."""
    target = target.absolute()
    refuse_existing(target)
    try:
        control.send_command(settings.data_dir, {"command": "backup", "target": str(target)}, say)
    except control.NotRunning:
        asyncio.run(_write_directly(settings, target))
    return 0


async def _write_directly(settings: Settings, target: Path) -> None:
    """Write the backup from this process, which opens the files itself."""
    hint = "If the dashboard is running, use its data folder (--data, SEDUCE_DATA_DIR): it then makes the backup itself."
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(exclusive_store(settings, hint))
        spools: dict[str, SqliteSpool] = {}
        for name in SPOOLS:
            if (settings.data_dir / name).exists():
                spools[name] = open_spool(settings, name)
                await spools[name].open()
                stack.push_async_callback(spools[name].close)
        await write_backup(BackupSources(settings, store, spools), target, say)
