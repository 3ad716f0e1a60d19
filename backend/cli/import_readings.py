"""`seduce import`: files into the store, by the process that owns it for as long as it takes.

An import writes through ingest, as everything does that writes readings. What is older than the roll-ups marks its
windows dirty, durably, so that the dashboard makes them anew once it runs. After each batch it is noted how far the file
was read; a batch that was written and not yet noted is written again, which changes nothing.
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
from backend.core.clock import Clock, SystemClock
from backend.core.errors import UserError
from backend.core.ports import SensorTags, TimeSeriesStore, WriteResult
from backend.core.reading import Readings
from backend.core.windows import Window
from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.db.rollup_state import SqlRollupState
from backend.formats.batch import Batch
from backend.formats.kinds import Format, Precision
from backend.formats.notes import ImportProgress, Progress
from backend.formats.read import STDIN, ReadOptions, Source, file_identity, read
from backend.formats.report import Tally
from backend.ingest.service import Ingest
from backend.ingest.spool import SqliteSpool
from backend.inventory.loader import load
from backend.inventory.model import Inventory
from backend.processes.console import bar_of, say
from backend.processes.stores import opened
from backend.rollups.definitions import Definitions
from backend.rollups.engine import RollupEngine
from backend.settings import Settings

NOTES: Final = "imports.json"
AHEAD_NS: Final = Window.H1.ns
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Import:
    """What `seduce import` was asked for; `again` imports files anew that were imported before."""

    files: Sequence[str]
    format: Format | None = None
    precision: Precision | None = None
    again: bool = False
    quiet: bool = False


def run_import(settings: Settings, wanted: Import, clock: Clock | None = None) -> int:
    """Returns the exit code: 1 where a file could not be read to its end or held no reading at all."""
    return asyncio.run(_import(settings, wanted, clock or SystemClock()))


async def _import(settings: Settings, wanted: Import, clock: Clock) -> int:
    missing = [name for name in wanted.files if name != STDIN and not _exists(name)]
    if missing:  # told before anything is written
        raise UserError(f"there is no file {', '.join(missing)}")
    if list(wanted.files).count(STDIN) > 1:
        raise UserError("the standard input can be read once only")
    inventory = load(settings.description_dir)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with opened(
        settings, "Stop the dashboard for the time of the import, and start it again after it."
    ) as store:
        importer = await _Importer.make(settings, inventory, store, clock, wanted)
        try:
            failed = [name for name in wanted.files if not await importer.take(name)]
            await importer.settle()
        finally:
            await importer.close()
    importer.tell_strangers()
    return 1 if failed else 0


@dataclass(slots=True)
class _Importer:
    """Takes one file after the other."""

    store: TimeSeriesStore
    inventory: Inventory
    clock: Clock
    wanted: Import
    notes: ImportProgress
    ingest: Ingest
    rollups: RollupEngine
    database: Database
    strangers: Counter[str] = field(default_factory=Counter)
    changed: bool = False

    @classmethod
    async def make(
        cls, settings: Settings, inventory: Inventory, store: TimeSeriesStore, clock: Clock, wanted: Import
    ) -> _Importer:
        url = settings.database_url or f"sqlite:///{settings.data_dir.resolve() / 'seduce.sqlite'}"
        await migrate(url)
        database = Database(url)
        definitions = Definitions.of(inventory.sensors, (inventory.consumption, inventory.production))
        rollups = RollupEngine(store, SqlRollupState(database), definitions, clock, settings.rollup_delay_s)
        tags = {n: SensorTags(s.location, s.sensor_type, s.unit) for n, s in inventory.sensors.items()}

        async def mark_late(readings: Readings, _: WriteResult) -> None:
            await rollups.on_late(readings)

        spool = SqliteSpool(settings.data_dir / "spool.sqlite", 0)  # never opened: history goes past it
        ingest = Ingest(spool, store, MemoryBus(), tags, clock=clock, on_written=[mark_late])
        notes = ImportProgress(settings.data_dir / NOTES)
        return cls(store, inventory, clock, wanted, notes, ingest, rollups, database)

    async def close(self) -> None:
        await self.database.close()

    async def take(self, name: str) -> bool:
        """Import one file and say what became of it; False where it could not be read to its end, or held no reading."""
        try:
            told_by = await asyncio.to_thread(file_identity, name)
        except UserError as error:
            say(str(error))
            return False
        key = told_by and f"{told_by} {self.wanted.format} {self.wanted.precision}"
        begin = await self._noted(key) if key else Progress()
        if begin.done:
            say(f"{name}: imported before, {begin.readings:,} readings (--again imports it anew)")
            return True
        if begin.position:
            say(f"{name}: goes on after {begin.readings:,} readings")
        file = _File(name, key, begin, Tally())
        try:
            await self._read(file)
        except UserError as error:
            file.tell()
            say(f"{name}: {error}" if name not in str(error) else str(error))
            return False
        return file.end()

    async def settle(self) -> None:
        """House-keeping, so that the dashboard starts with everything in its place."""
        if self.changed:
            say("Putting the readings in order")
            await self.store.maintain(self.clock.now_ns())

    def tell_strangers(self) -> None:
        if self.strangers:
            some = ", ".join(name for name, _ in self.strangers.most_common(_NAMED))
            more = f" and {len(self.strangers) - _NAMED} more" if len(self.strangers) > _NAMED else ""
            say(
                f"{sum(self.strangers.values()):,} readings are of {len(self.strangers)} sensors that the description does not "
                f"know; they are kept and not rolled up: {some}{more}"
            )
        if self.changed:
            say("Roll-ups of what was imported are made by the dashboard while it runs")

    async def _noted(self, key: str) -> Progress:
        """What the notes say, if the store still is the one that they speak of."""
        found = self.notes.get(key)
        if self.wanted.again or not found.sensor:
            return Progress()
        there = await self.store.count([found.sensor], found.time_ns, found.time_ns + 1)
        return found if there else Progress()

    async def _read(self, file: _File) -> None:
        kind = ReadOptions(self.wanted.format, self.wanted.precision, self.clock.now_ns() + AHEAD_NS)
        with (
            Source(file.name) as source,
            bar_of(f"{Path(file.name).name:24.24}", source.size, self.wanted.quiet) as bar,
        ):
            found = read(source, kind, file.tally, file.begin.mark)

            def following() -> tuple[Batch, Progress, int] | None:
                batch = next(found, None)
                return None if batch is None else (batch, file.reached(batch), source.read_bytes)

            # One batch is read while the one before it is written.
            ahead = asyncio.create_task(asyncio.to_thread(following))
            try:
                while (got := await ahead) is not None:
                    ahead = asyncio.create_task(asyncio.to_thread(following))
                    batch, reached, read_bytes = got
                    await self._keep(batch)
                    file.note(self.notes, reached)
                    bar.update(max(0, read_bytes - bar.n))
                    bar.set_postfix_str(f"  {reached.readings:,} readings")
                    file.tell()
            finally:
                await asyncio.gather(ahead, return_exceptions=True)
        file.note(self.notes, file.last, done=True)

    async def _keep(self, batch: Batch) -> None:
        if not len(batch.readings):
            return
        # Marked before as well: were this process killed in between, nobody would know that roll-ups lack these readings.
        await self.rollups.on_late(batch.readings)
        await self.ingest.import_history(batch.readings, batch.tags)
        self.changed = True
        names = batch.readings.names
        for code, rows in enumerate(_counts(batch.readings)):
            if rows and names[code] not in self.inventory.sensors:
                self.strangers[names[code]] += rows


@dataclass(slots=True)
class _File:
    """One file on its way in."""

    name: str
    key: str | None
    begin: Progress
    tally: Tally
    last: Progress = field(init=False)
    told: int = 0

    def __post_init__(self) -> None:
        self.last = self.begin

    def reached(self, batch: Batch) -> Progress:
        """Where the file goes on after a batch; called where the batch was read."""
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

    def note(self, notes: ImportProgress, reached: Progress, done: bool = False) -> None:
        if self.key is not None and reached.sensor:
            values = {name: getattr(reached, name) for name in Progress.__slots__}
            notes.save(self.key, Progress(**{**values, "done": done}))

    def tell(self) -> None:
        """The faults that were not told yet."""
        for wrong in self.tally.examples[self.told :]:
            say(f"{self.name}: {wrong}")
            self.told += 1

    def end(self) -> bool:
        self.tell()
        last = self.last
        text = f"{self.name}: {last.readings:,} readings"
        if last.wrong:
            text += f"; {last.wrong:,} lines are wrong" + (
                " (the first are told above)" if self.tally.wrong > self.told else ""
            )
        if last.skipped:
            some = ", ".join(name for name, _ in self.tally.skipped.most_common(3))
            text += f"; {last.skipped:,} points of other measurements passed over ({some}…), roll-ups are made anew"
        say(text)
        return bool(last.readings or not last.wrong)


def _exists(name: str) -> bool:
    return Path(name).exists()


def _counts(readings: Readings) -> list[int]:
    found: list[int] = np.bincount(readings.codes, minlength=len(readings.names)).tolist()
    return found
