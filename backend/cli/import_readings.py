"""`seduce import`: write readings from files into the store. The command opens the store exclusively.

An import writes through ingest, like every writer of readings. Readings older than the roll-ups mark their windows dirty on
disk, and the dashboard recomputes these once it runs. The position in the file is saved after each batch. A batch that was
written but not recorded is written again, which changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from backend.bus.memory import MemoryBus
from backend.cli.console import progress_bar, say
from backend.core.clock import Clock, SystemClock
from backend.core.errors import UserError
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Readings
from backend.core.windows import Window
from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.db.rollup_state import SqlRollupState
from backend.formats.batch import Batch
from backend.formats.file_formats import Format, Precision
from backend.formats.progress import ImportProgress, Progress
from backend.formats.read import STDIN, ReadOptions, Source, file_identity, read
from backend.formats.report import Tally
from backend.ingest.service import Ingest
from backend.ingest.spool import SqliteSpool
from backend.inventory.loader import load
from backend.inventory.model import Inventory
from backend.processes.receiver import tags_of
from backend.processes.rollup_engine import definitions_of, late_marker
from backend.processes.stores import database_url, exclusive_store
from backend.rollups.engine import RollupEngine
from backend.settings import Settings

PROGRESS_FILE: Final = "imports.json"
MAX_AHEAD_NS: Final = Window.H1.ns
_MAX_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Import:
    """The options of `seduce import`; `reimport` does not skip files that were imported before."""

    files: Sequence[str]
    format: Format | None = None
    precision: Precision | None = None
    reimport: bool = False
    quiet: bool = False


def run_import(settings: Settings, options: Import, clock: Clock | None = None) -> int:
    """Import and return the exit code: 1 if a file could not be read to its end, or contains no reading."""
    return asyncio.run(_import(settings, options, clock or SystemClock()))


async def _import(settings: Settings, options: Import, clock: Clock) -> int:
    missing = [name for name in options.files if name != STDIN and not _exists(name)]
    if missing:  # reported before anything is written
        raise UserError(f"no such file: {', '.join(missing)}")
    if list(options.files).count(STDIN) > 1:
        raise UserError("the standard input can be given only once")
    inventory = load(settings.description_dir)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with exclusive_store(
        settings, "Stop the dashboard during the import, and start it again afterwards."
    ) as store:
        importer = await _Importer.make(settings, inventory, store, clock, options)
        try:
            failed = [name for name in options.files if not await importer.take(name)]
            await importer.maintain()
        finally:
            await importer.close()
    importer.print_summary()
    return 1 if failed else 0


@dataclass(slots=True)
class _Importer:
    """Imports one file after the other."""

    store: TimeSeriesStore
    inventory: Inventory
    clock: Clock
    options: Import
    progress: ImportProgress
    ingest: Ingest
    rollups: RollupEngine
    database: Database
    undescribed: Counter[str] = field(default_factory=Counter)
    has_imported: bool = False

    @classmethod
    async def make(
        cls, settings: Settings, inventory: Inventory, store: TimeSeriesStore, clock: Clock, options: Import
    ) -> _Importer:
        url = database_url(settings)
        await migrate(url)
        database = Database(url)
        definitions = definitions_of(inventory)
        rollups = RollupEngine(store, SqlRollupState(database), definitions, clock, settings.rollup_delay_s)
        spool = SqliteSpool(settings.data_dir / "spool.sqlite", 0)  # never opened: an import bypasses it
        ingest = Ingest(
            spool, store, MemoryBus(), tags_of(inventory), clock=clock, on_written=[late_marker(rollups)]
        )
        progress = ImportProgress(settings.data_dir / PROGRESS_FILE)
        return cls(store, inventory, clock, options, progress, ingest, rollups, database)

    async def close(self) -> None:
        await self.database.close()

    async def take(self, name: str) -> bool:
        """Import one file and print the result. Return False if it could not be read to its end, or has no reading."""
        try:
            file_id = await asyncio.to_thread(file_identity, name)
        except UserError as error:
            say(str(error))
            return False
        key = file_id and f"{file_id} {self.options.format} {self.options.precision}"
        begin = await self._saved_progress(key) if key else Progress()
        if begin.done:
            say(f"{name}: already imported, {begin.readings:,} readings (--again imports it again)")
            return True
        if begin.position:
            say(f"{name}: continuing after {begin.readings:,} readings")
        file = _File(name, key, begin, Tally())
        try:
            await self._read(file)
        except UserError as error:
            file.print_faults()
            say(f"{name}: {error}" if name not in str(error) else str(error))
            return False
        return file.end()

    async def maintain(self) -> None:
        """Sort the imported readings into the store, so that the dashboard starts fast."""
        if self.has_imported:
            say("Sorting the imported readings")
            await self.store.maintain(self.clock.now_ns())

    def print_summary(self) -> None:
        """Print the sensors that are not described, and what happens next."""
        if self.undescribed:
            some = ", ".join(name for name, _ in self.undescribed.most_common(_MAX_NAMED))
            more = (
                f" and {len(self.undescribed) - _MAX_NAMED} more"
                if len(self.undescribed) > _MAX_NAMED
                else ""
            )
            say(
                f"{sum(self.undescribed.values()):,} readings belong to {len(self.undescribed)} sensors that are not in the "
                f"site description. They are stored but not rolled up: {some}{more}"
            )
        if self.has_imported:
            say("Start the dashboard: it computes the roll-ups of the imported readings")

    async def _saved_progress(self, key: str) -> Progress:
        """Return the saved progress if the store still has its last reading, else no progress."""
        saved = self.progress.get(key)
        if self.options.reimport or not saved.sensor:
            return Progress()
        count = await self.store.count([saved.sensor], saved.time_ns, saved.time_ns + 1)
        return saved if count else Progress()

    async def _read(self, file: _File) -> None:
        read_options = ReadOptions(
            self.options.format, self.options.precision, self.clock.now_ns() + MAX_AHEAD_NS
        )
        with (
            Source(file.name) as source,
            progress_bar(f"{Path(file.name).name:24.24}", source.size, self.options.quiet) as bar,
        ):
            batches = read(source, read_options, file.tally, file.begin.mark)

            def read_next() -> tuple[Batch, Progress, int] | None:
                batch = next(batches, None)
                return None if batch is None else (batch, file.reached(batch), source.read_bytes)

            # The next batch is read while the previous one is written.
            ahead = asyncio.create_task(asyncio.to_thread(read_next))
            try:
                while (item := await ahead) is not None:
                    ahead = asyncio.create_task(asyncio.to_thread(read_next))
                    batch, reached, read_bytes = item
                    await self._write(batch)
                    file.save(self.progress, reached)
                    bar.update(max(0, read_bytes - bar.n))
                    bar.set_postfix_str(f"  {reached.readings:,} readings")
                    file.print_faults()
            finally:
                await asyncio.gather(ahead, return_exceptions=True)
        file.save(self.progress, file.last, done=True)

    async def _write(self, batch: Batch) -> None:
        if not len(batch.readings):
            return
        # Also marked before: if this process is killed in between, the roll-ups are still known to lack these readings.
        await self.rollups.on_late(batch.readings)
        await self.ingest.import_history(batch.readings, batch.tags)
        self.has_imported = True
        names = batch.readings.names
        for code, rows in enumerate(_counts(batch.readings)):
            if rows and names[code] not in self.inventory.sensors:
                self.undescribed[names[code]] += rows


@dataclass(slots=True)
class _File:
    """The progress of one file."""

    name: str
    key: str | None
    begin: Progress
    tally: Tally
    last: Progress = field(init=False)
    printed: int = 0

    def __post_init__(self) -> None:
        self.last = self.begin

    def reached(self, batch: Batch) -> Progress:
        """Return the position after a batch. Called by the thread that reads."""
        tally, begin = self.tally, self.begin
        sensor, time_ns = self.last.sensor, self.last.time_ns
        if len(batch.readings):
            sensor = batch.readings.names[int(batch.readings.codes[-1])]
            time_ns = int(batch.readings.times[-1])
        self.last = Progress(
            batch.mark.position,
            batch.mark.line,
            begin.readings + tally.readings,
            begin.wrong + tally.wrong,
            begin.skipped + tally.skipped.total(),
            False,
            sensor,
            time_ns,
        )
        return self.last

    def save(self, progress: ImportProgress, reached: Progress, done: bool = False) -> None:
        if self.key is not None and reached.sensor:
            values = {name: getattr(reached, name) for name in Progress.__slots__}
            progress.save(self.key, Progress(**{**values, "done": done}))

    def print_faults(self) -> None:
        """Print the faults that are not printed yet."""
        for fault in self.tally.examples[self.printed :]:
            say(f"{self.name}: {fault}")
            self.printed += 1

    def end(self) -> bool:
        """Print the result. Return False if the file has faults and no reading."""
        self.print_faults()
        last = self.last
        text = f"{self.name}: {last.readings:,} readings"
        if last.wrong:
            text += f"; {last.wrong:,} lines are invalid" + (
                " (the first are listed above)" if self.tally.wrong > self.printed else ""
            )
        if last.skipped:
            some = ", ".join(name for name, _ in self.tally.skipped.most_common(3))
            text += f"; {last.skipped:,} points of other measurements skipped ({some}…); the dashboard computes its own roll-ups"
        say(text)
        return bool(last.readings or not last.wrong)


def _exists(name: str) -> bool:
    return Path(name).exists()


def _counts(readings: Readings) -> list[int]:
    counts: list[int] = np.bincount(readings.codes, minlength=len(readings.names)).tolist()
    return counts
