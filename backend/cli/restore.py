"""`seduce restore`: check every file of a backup, then restore it into an empty deployment."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from backend.cli.console import say
from backend.cli.import_readings import Import, run_import
from backend.core.errors import UserError
from backend.db.copying import load
from backend.formats.file_formats import Format, Precision
from backend.formats.manifest import Manifest, find_faults
from backend.processes import control
from backend.processes.backup import DATABASE, DESCRIPTION, READINGS, SERIES, SPOOLS
from backend.processes.stores import database_url, duckdb_path, exclusive_store
from backend.settings import Settings


def run_restore(settings: Settings, source: Path, check_only: bool) -> int:
    """Restore and return the exit code. Raise `SeduceError` for what the user can fix, before anything is written."""
    with _unpacked(source, settings.data_dir) as folder:
        manifest = Manifest.read(folder)
        damaged = list(find_faults(folder, manifest))
        if damaged:
            raise UserError("\n".join([f"{source} is damaged, and nothing was restored:", *damaged]))
        say(f"{source}: created {manifest.made} by version {manifest.program}; all checksums match")
        if check_only:
            return 0
        _must_be_free(settings, manifest)
        return _restore(settings, manifest, folder)


def _restore(settings: Settings, manifest: Manifest, folder: Path) -> int:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with gzip.open(folder / DATABASE, "rt") as lines:
        say(f"database: {asyncio.run(load(database_url(settings), lines)):,} rows")
    for name in SPOOLS:
        if name in manifest.files:
            shutil.copyfile(folder / name, settings.data_dir / name)
            say(f"{settings.data_dir / name}: restored")
    if path := duckdb_path(settings):
        path.parent.mkdir(parents=True, exist_ok=True)
        for end in ("", ".wal"):
            if SERIES + end in manifest.files:
                shutil.copyfile(folder / (SERIES + end), path.with_name(path.name + end))
        asyncio.run(_open_once(settings))
        say(f"{path}: restored")
        code = 0
    else:
        # The import marks the windows to roll up again.
        readings = str(folder / READINGS)
        code = run_import(settings, Import([readings], Format.LINE, Precision.NS, reimport=True))
    say(f"The site description is not restored. The backup has it in the folder {DESCRIPTION}")
    return code


async def _open_once(settings: Settings) -> None:
    async with exclusive_store(settings, ""):
        """Report a file that does not open now, instead of at the next start."""


def _must_be_free(settings: Settings, manifest: Manifest) -> None:
    if control.is_running(settings.data_dir):
        raise UserError(
            f"{settings.data_dir} is used by a running dashboard: stop it, or restore into another folder (--data)"
        )
    path = duckdb_path(settings)
    kind = "influxdb" if path is None else "duckdb"
    if manifest.store != kind:
        raise UserError(
            f"The backup is from {manifest.store}, but SEDUCE_STORE_URL is {kind}. "
            "Restore with the original settings, then export and import."
        )
    existing = [p for p in (settings.data_dir / name for name in SPOOLS) if p.exists()]
    existing += [path] if path is not None and path.exists() else []
    if existing:
        raise UserError(
            f"{', '.join(map(str, existing))} already exists: move it, or restore into another folder (--data)"
        )


@contextlib.contextmanager
def _unpacked(source: Path, near: Path) -> Iterator[Path]:
    """Yield the backup as a folder. Raise `UserError` if it is no backup."""
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise UserError(f"{source}: no such backup")
    near.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=near, prefix="restore-") as folder:
        try:
            with tarfile.open(source) as tar:
                tar.extractall(folder, filter="data")
        except tarfile.TarError as error:
            raise UserError(f"{source} is not a backup: {error}") from error
        yield Path(folder)
