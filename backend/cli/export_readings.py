"""`seduce export`: readings of the store as a file, by the process that owns it for as long as it takes."""

from __future__ import annotations

import asyncio
import gzip
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from backend.core.errors import UserError
from backend.formats import kinds
from backend.formats.kinds import Format
from backend.formats.write import writer
from backend.inventory.loader import load
from backend.processes.console import bar_of, say
from backend.processes.stores import opened
from backend.queries.export import ExportRequest, ExportService
from backend.settings import Settings


@dataclass(frozen=True, slots=True)
class Export:
    """What `seduce export` was asked for; `file` None is the standard output."""

    request: ExportRequest
    format: Format | None = None
    file: Path | None = None
    quiet: bool = False


def run_export(settings: Settings, wanted: Export) -> int:
    """Returns the exit code. Raises `SeduceError` for what the user can mend."""
    return asyncio.run(_export(settings, wanted))


async def _export(settings: Settings, wanted: Export) -> int:
    inventory = load(settings.description_dir)
    async with opened(settings, _ask_the_server(settings, wanted)) as store:
        service = ExportService(inventory.sensors, store)
        plan = await service.plan(wanted.request)
        kind = (
            wanted.format or (kinds.format_from_name(wanted.file.name) if wanted.file else None) or Format.CSV
        )
        made = writer(kind, plan.sensors, plan.tags)
        rows = 0
        shown = wanted.quiet or wanted.file is None
        with _target(wanted.file) as out, bar_of("Exporting", plan.end_ns - plan.start_ns, shown) as bar:
            out.write(made.begin())
            async for end, readings in service.windows(plan):
                if len(readings):
                    out.write(await asyncio.to_thread(made.write, readings))
                rows += len(readings)
                bar.update(end - plan.start_ns - bar.n)
            out.write(await asyncio.to_thread(made.end))
    if wanted.file is not None:
        say(f"{wanted.file}: {rows:,} readings")
    return 0


@contextmanager
def _target(file: Path | None) -> Iterator[BinaryIO]:
    """Where the export goes; a file is there as a whole or not at all."""
    if file is None:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except (
            BrokenPipeError
        ):  # whoever read it has enough; nor must the interpreter's own flush fail at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    part = file.with_name(f"{file.name}.part")
    try:
        packed = file.name.endswith(".gz")
        opened = gzip.open(part, "wb", 6) if packed else part.open("wb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}") from error
    try:
        with opened:
            yield cast(BinaryIO, opened)
        part.replace(file)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _ask_the_server(settings: Settings, wanted: Export) -> str:
    """How to have the same from the dashboard that runs."""
    said = {"sensors": ",".join(wanted.request.sensors), "types": ",".join(wanted.request.types)}
    said["format"] = str(wanted.format or Format.CSV)
    query = "&".join(f"{name}={value}" for name, value in said.items() if value)
    url = shlex.quote(f"http://{settings.host}:{settings.port}/export?{query}")
    return f"If that is the dashboard, ask it instead: curl -o {wanted.file or 'export'} {url}"
