"""`seduce backup`: a copy of all that a deployment keeps, of one moment, made by the process that owns it or in its absence.

What a backup holds is what a crash at its moment would have left: spools first, then the database, then the store, so that a
reading that left one is in the next, and nothing that the store lacks is said to be in it. docs/decisions/0021 says why.
"""

from __future__ import annotations

import asyncio
import gzip
import shutil
import tarfile
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from backend.core.errors import PermanentError, UserError
from backend.core.ports import TimeSeriesStore
from backend.core.windows import NS_PER_SECOND
from backend.db.copying import dump
from backend.formats.kinds import Format
from backend.formats.manifest import Manifest, list_files
from backend.formats.write import writer
from backend.ingest.spool import SqliteSpool
from backend.inventory.loader import FILES, load
from backend.inventory.plan import PICTURES
from backend.processes import control
from backend.processes.console import say
from backend.processes.stores import database_of, opened
from backend.queries.export import ExportRequest, ExportService
from backend.settings import Settings
from backend.store.duckdb.store import DuckDBStore

SERIES: Final = "series.duckdb"
READINGS: Final = "readings.line.gz"
DATABASE: Final = "database.jsonl.gz"
SPOOLS: Final = ("spool.sqlite", "cards.sqlite")
DESCRIPTION: Final = "description"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is to back up: open spools by file name, the database's URL, the open store."""

    settings: Settings
    store: TimeSeriesStore
    spools: Mapping[str, SqliteSpool]


def run_backup(settings: Settings, target: Path) -> int:
    """By the process that runs over the data folder, else here. Raises `SeduceError` for what the user can mend."""
    target = target.absolute()
    _must_be_free(target)
    try:
        control.ask(settings.data_dir, {"command": "backup", "target": str(target)}, say)
    except control.NobodyThere:
        asyncio.run(_alone(settings, target))
    return 0


def command(settings: Settings, store: TimeSeriesStore, spools: Mapping[str, SqliteSpool]) -> control.Command:
    """The command `backup` of a running process; `spools` by the names of their files."""
    kept = Kept(settings, store, spools)

    async def backup(request: Mapping[str, Any], tell: control.Say) -> object:
        target = Path(str(request.get("target", "")))
        if not target.is_absolute():
            raise PermanentError("backup: expected an absolute `target`")
        _must_be_free(target)
        await make(kept, target, tell)
        return str(target)

    return backup


async def make(kept: Kept, target: Path, tell: Say) -> None:
    """The folder `target`, or one file where its name ends in .tar; there as a whole or not at all. Raises `PermanentError`."""
    part = target.with_name(f"{target.name}.part")
    try:
        if part.exists():
            await asyncio.to_thread(shutil.rmtree, part)
        part.mkdir(parents=True, mode=0o700)
        store, revision = await _copy(kept, part, tell)
        files = await asyncio.to_thread(list_files, part)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        Manifest(made, version("seduce-dashboard"), store, revision, files).write(part)
        if target.suffix == ".tar":
            await asyncio.to_thread(_pack, part, target)
        else:
            part.replace(target)
    except OSError as error:
        raise PermanentError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        await asyncio.to_thread(shutil.rmtree, part, True)
    size = sum(int(file["bytes"]) for file in files.values())
    tell(f"{target}: {len(files)} files, {size / 1e6:,.1f} MB, with their SHA-256 in manifest.json")


async def _copy(kept: Kept, part: Path, tell: Say) -> tuple[str, str]:
    """Which kind of store it is, and the revision of the database."""
    embedded = kept.store if isinstance(kept.store, DuckDBStore) else None
    path = embedded.path if embedded else None
    async with AsyncExitStack() as stack:
        if embedded is not None and path is not None:
            if not isinstance(path, Path):
                raise PermanentError("a store in memory cannot be backed up")
            tell("Writes to the store wait; readings are taken meanwhile")
            await stack.enter_async_context(embedded.hold_writes())
        for name, spool in kept.spools.items():
            rows = await spool.copy_to(part / name)
            tell(f"{name}: {rows:,} readings on their way")
        with gzip.open(part / DATABASE, "wt", 6) as out:
            revision, count = await dump(database_of(kept.settings), out)
        tell(f"{DATABASE}: {count:,} rows")
        if isinstance(path, Path):
            await _copy_file(path, part / SERIES)
            log = path.with_name(path.name + ".wal")
            if log.exists() and log.stat().st_size:
                await _copy_file(log, part / f"{SERIES}.wal")
            tell(f"{SERIES}: {(part / SERIES).stat().st_size / 1e6:,.1f} MB")
    _copy_description(kept.settings.description_dir, part / DESCRIPTION)
    if path is None:
        await _export(kept, part / READINGS, tell)
    return ("influxdb" if path is None else "duckdb"), revision


async def _copy_file(source: Path, target: Path) -> None:
    """By a process of its own: were this one to close the file it would lose its lock on it. Shares blocks where the disk can."""
    process = await asyncio.create_subprocess_exec(
        "cp", "--reflink=auto", "--", str(source), str(target), stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode:
        raise PermanentError(f"{source} cannot be copied: {said.decode(errors='replace').strip()}")


async def _export(kept: Kept, target: Path, tell: Say) -> None:
    """The readings of a store that is a server of its own, as line protocol."""
    service = ExportService(load(kept.settings.description_dir).sensors, kept.store)
    # Up to an hour ahead: that far the door believes a device's clock.
    end = (int(datetime.now(UTC).timestamp()) + 3601) * NS_PER_SECOND
    plan = await service.plan(ExportRequest((), (), None, end))
    made, rows = writer(Format.LINE, plan.sensors, plan.tags), 0
    with gzip.open(target, "wb", 6) as out:
        out.write(made.begin())
        async for _, readings in service.windows(plan):
            if len(readings):
                out.write(await asyncio.to_thread(made.write, readings))
            rows += len(readings)
        out.write(made.end())
    tell(f"{READINGS}: {rows:,} readings; roll-ups are made of them again")


def _copy_description(folder: Path, target: Path) -> None:
    target.mkdir()
    for name in (*FILES, *PICTURES):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, target / name)


def _pack(folder: Path, target: Path) -> None:
    beside = target.with_name(f"{target.name}.packing")
    try:
        with tarfile.open(beside, "w") as tar:
            for path in sorted(folder.rglob("*")):
                tar.add(path, str(path.relative_to(folder)), recursive=False)
        beside.chmod(0o600)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _must_be_free(target: Path) -> None:
    if target.exists():
        raise UserError(f"{target} is there already: name another, a backup replaces nothing")


async def _alone(settings: Settings, target: Path) -> None:
    """No process runs: its files are opened here."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            opened(
                settings, "Let that process make the backup: name its data folder (--data, SEDUCE_DATA_DIR)."
            )
        )
        spools = {}
        for name in SPOOLS:
            if (settings.data_dir / name).exists():
                spools[name] = SqliteSpool(settings.data_dir / name, settings.spool_max_mb * 1024 * 1024)
                await spools[name].open()
                stack.push_async_callback(spools[name].close)
        await make(Kept(settings, store, spools), target, say)
