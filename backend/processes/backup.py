"""Copy all data of a deployment, as of one moment, into a folder or a .tar file.

A backup holds what a crash at its moment would have left. The order is spools, database, store: a reading that has left one
is in the next, and nothing that the store lacks is recorded as written. docs/decisions/0021 gives the reasons.
"""

from __future__ import annotations

import asyncio
import gzip
import shutil
import tarfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from backend.core.errors import PermanentError, UserError
from backend.core.ports import TimeSeriesStore
from backend.core.windows import NS_PER_SECOND
from backend.ingest.spool import SqliteSpool
from backend.inventory.loader import FILES, load
from backend.inventory.room_plan import PICTURES
from backend.processes import control
from backend.processes.control import Progress
from backend.processes.stores import database_url
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.store.duckdb.store import DuckDBStore

SERIES: Final = "series.duckdb"
READINGS: Final = "readings.line.gz"
DATABASE: Final = "database.jsonl.gz"
SPOOLS: Final = ("spool.sqlite", "cards.sqlite")
DESCRIPTION: Final = "description"


@dataclass(frozen=True, slots=True)
class BackupSources:
    """The open data of a deployment: its store, and its spools by file name."""

    settings: Settings
    store: TimeSeriesStore
    spools: Mapping[str, SqliteSpool]


def backup_command(
    settings: Settings, store: TimeSeriesStore, spools: Mapping[str, SqliteSpool]
) -> control.Command:
    """Return the command `{"command": "backup", "target": path}` of a running process; `spools` by file name."""
    sources = BackupSources(settings, store, spools)

    async def backup(request: Mapping[str, Any], progress: Progress) -> object:
        target = Path(str(request.get("target", "")))
        if not target.is_absolute():
            raise PermanentError("backup: expected an absolute `target`")
        refuse_existing(target)
        await write_backup(sources, target, progress)
        return str(target)

    return backup


def refuse_existing(target: Path) -> None:
    """Raise `UserError` if the target exists: a backup replaces nothing."""
    if target.exists():
        raise UserError(f"{target} already exists: choose another name")


async def write_backup(sources: BackupSources, target: Path, progress: Progress) -> None:
    """Write the folder `target`, or one file if its name ends in .tar. The target appears complete or not at all.

    Raises `PermanentError` if it cannot be written.
    """
    from backend.formats.manifest import Manifest, list_files

    part = target.with_name(f"{target.name}.part")
    try:
        if part.exists():
            await asyncio.to_thread(shutil.rmtree, part)
        part.mkdir(parents=True, mode=0o700)
        store, revision = await _copy(sources, part, progress)
        files = await asyncio.to_thread(list_files, part)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        Manifest(created, version("seduce-dashboard"), store, revision, files).write(part)
        if target.suffix == ".tar":
            await asyncio.to_thread(_pack, part, target)
        else:
            part.replace(target)
    except OSError as error:
        raise PermanentError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        await asyncio.to_thread(shutil.rmtree, part, True)
    size = sum(int(file["bytes"]) for file in files.values())
    progress(f"{target}: {len(files)} files, {size / 1e6:,.1f} MB, with their SHA-256 in manifest.json")


async def _copy(sources: BackupSources, part: Path, progress: Progress) -> tuple[str, str]:
    """Return the kind of the store, and the revision of the database."""
    from backend.db.copying import dump

    embedded = _as_embedded(sources.store)
    async with AsyncExitStack() as stack:
        if embedded is not None:
            progress("Writes to the store are paused; readings are still accepted")
            await stack.enter_async_context(embedded.hold_writes())
        for name, spool in sources.spools.items():
            rows = await spool.copy_to(part / name)
            progress(f"{name}: {rows:,} readings not yet in the store")
        with gzip.open(part / DATABASE, "wt", 6) as out:
            revision, count = await dump(database_url(sources.settings), out)
        progress(f"{DATABASE}: {count:,} rows")
        if embedded is not None:
            await _copy_duckdb(embedded, part)
            progress(f"{SERIES}: {(part / SERIES).stat().st_size / 1e6:,.1f} MB")
    _copy_description(sources.settings.description_dir, part / DESCRIPTION)
    if embedded is not None:
        return "duckdb", revision
    await _export(sources, part / READINGS, progress)
    return "influxdb", revision


def _as_embedded(store: TimeSeriesStore) -> DuckDBStore | None:
    """Return the store if it is embedded, else None. Raise `PermanentError` if it is in memory only."""
    from backend.store.duckdb.store import DuckDBStore

    if not isinstance(store, DuckDBStore):
        return None
    if not isinstance(store.path, Path):
        raise PermanentError("a store in memory cannot be backed up")
    return store


async def _copy_duckdb(store: DuckDBStore, part: Path) -> None:
    path = Path(store.path)
    await _copy_file(path, part / SERIES)
    write_ahead_log = path.with_name(path.name + ".wal")
    if write_ahead_log.exists() and write_ahead_log.stat().st_size:
        await _copy_file(write_ahead_log, part / f"{SERIES}.wal")


async def _copy_file(source: Path, target: Path) -> None:
    """Copy a file in a child process, sharing blocks where the file system can.

    This process must not close the file itself: it would lose its lock on it.
    """
    process = await asyncio.create_subprocess_exec(
        "cp", "--reflink=auto", "--", str(source), str(target), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    if process.returncode:
        raise PermanentError(f"{source} cannot be copied: {errors.decode(errors='replace').strip()}")


async def _export(sources: BackupSources, target: Path, progress: Progress) -> None:
    """Write the readings of a store that is a server of its own as line protocol."""
    from backend.formats.file_formats import Format
    from backend.formats.write import writer
    from backend.queries.export import ExportRequest, ExportService

    service = ExportService(load(sources.settings.description_dir).sensors, sources.store)
    # Up to an hour ahead: ingest accepts device clocks that are up to an hour fast.
    end = (int(datetime.now(UTC).timestamp()) + 3601) * NS_PER_SECOND
    plan = await service.plan(ExportRequest((), (), None, end))
    encoder, rows = writer(Format.LINE, plan.sensors, plan.tags), 0
    with gzip.open(target, "wb", 6) as out:
        out.write(encoder.begin())
        async for _, readings in service.windows(plan):
            if len(readings):
                out.write(await asyncio.to_thread(encoder.write, readings))
            rows += len(readings)
        out.write(encoder.end())
    progress(f"{READINGS}: {rows:,} readings; a restore recomputes the roll-ups from them")


def _copy_description(folder: Path, target: Path) -> None:
    target.mkdir()
    for name in (*FILES, *PICTURES):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, target / name)


def _pack(folder: Path, target: Path) -> None:
    part = target.with_name(f"{target.name}.packing")
    try:
        with tarfile.open(part, "w") as tar:
            for path in sorted(folder.rglob("*")):
                tar.add(path, str(path.relative_to(folder)), recursive=False)
        part.chmod(0o600)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
