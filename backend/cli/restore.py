"""`seduce restore`: a backup into empty places, after every file of it was checked."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from backend.cli.import_readings import Import, run_import
from backend.core.errors import UserError
from backend.db.copying import load
from backend.formats.kinds import Format, Precision
from backend.formats.manifest import Manifest, find_faults
from backend.processes import control
from backend.processes.backup import DATABASE, DESCRIPTION, READINGS, SERIES, SPOOLS
from backend.processes.console import say
from backend.processes.stores import database_of, duckdb_path, opened
from backend.settings import Settings


def run_restore(settings: Settings, source: Path, check_only: bool) -> int:
    """Returns the exit code. Raises `SeduceError` for what the user can mend, before anything is written."""
    with _unpacked(source, settings.data_dir) as folder:
        manifest = Manifest.read(folder)
        wrong = list(find_faults(folder, manifest))
        if wrong:
            raise UserError("\n".join([f"{source} is damaged, and nothing was restored:", *wrong]))
        say(
            f"{source}: made {manifest.made} by version {manifest.program}; every file is as it was backed up"
        )
        if check_only:
            return 0
        _must_be_free(settings, manifest)
        return _restore(settings, manifest, folder)


def _restore(settings: Settings, manifest: Manifest, folder: Path) -> int:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with gzip.open(folder / DATABASE, "rt") as lines:
        say(f"database: {asyncio.run(load(database_of(settings), lines)):,} rows")
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
        # By way of the importer, which marks what has to be rolled up again.
        readings = str(folder / READINGS)
        code = run_import(settings, Import([readings], Format.LINE, Precision.NS, again=True))
    say(f"The description of that time is in the backup, in {DESCRIPTION}; it is not put in place of yours")
    return code


async def _open_once(settings: Settings) -> None:
    async with opened(settings, ""):
        """A file that does not open is told now, and not at the next start."""


def _must_be_free(settings: Settings, manifest: Manifest) -> None:
    with contextlib.suppress(control.NobodyThere):
        control.ask(settings.data_dir, {"command": "ping"}, say)
        raise UserError(
            f"a dashboard runs over {settings.data_dir}: stop it, or restore into another folder (--data)"
        )
    path = duckdb_path(settings)
    kind = "influxdb" if path is None else "duckdb"
    if manifest.store != kind:
        raise UserError(
            f"the backup is of a store in {manifest.store}, and SEDUCE_STORE_URL names one in {kind}: restore it where the "
            "settings are as they were, then move the readings with `seduce export` and `seduce import`"
        )
    taken = [p for p in (settings.data_dir / name for name in SPOOLS) if p.exists()]
    taken += [path] if path is not None and path.exists() else []
    if taken:
        raise UserError(
            f"{', '.join(map(str, taken))} is there already: move it away, or restore into another folder (--data)"
        )


@contextlib.contextmanager
def _unpacked(source: Path, near: Path) -> Iterator[Path]:
    """The backup as a folder. Raises `UserError` for what is none."""
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise UserError(f"{source}: there is no such backup")
    near.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=near, prefix="restore-") as folder:
        try:
            with tarfile.open(source) as tar:
                tar.extractall(folder, filter="data")
        except tarfile.TarError as error:
            raise UserError(f"{source} is no backup: {error}") from error
        yield Path(folder)
