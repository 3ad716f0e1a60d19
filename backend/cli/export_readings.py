"""`seduce export`: write readings of the store to a file. The command opens the store exclusively."""

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

from backend.cli.console import progress_bar, say
from backend.core.errors import UserError
from backend.formats import file_formats
from backend.formats.file_formats import Format
from backend.formats.write import writer
from backend.inventory.loader import load
from backend.processes.stores import exclusive_store
from backend.queries.export import ExportRequest, ExportService
from backend.settings import Settings


@dataclass(frozen=True, slots=True)
class Export:
    """The options of `seduce export`; without a `file` the target is the standard output."""

    request: ExportRequest
    format: Format | None = None
    file: Path | None = None
    quiet: bool = False


def run_export(settings: Settings, options: Export) -> int:
    """Export and return the exit code 0. Raise `SeduceError` for what the user can fix."""
    return asyncio.run(_export(settings, options))


async def _export(settings: Settings, options: Export) -> int:
    inventory = load(settings.description_dir)
    async with exclusive_store(settings, _server_hint(settings, options)) as store:
        service = ExportService(inventory.sensors, store)
        plan = await service.plan(options.request)
        kind = (
            options.format
            or (file_formats.format_from_name(options.file.name) if options.file else None)
            or Format.CSV
        )
        encoder = writer(kind, plan.sensors, plan.tags, plan.labels)
        rows = 0
        is_quiet = options.quiet or options.file is None
        with (
            _target(options.file) as out,
            progress_bar("Exporting", plan.end_ns - plan.start_ns, is_quiet) as bar,
        ):
            out.write(encoder.begin())
            async for end, readings in service.windows(plan):
                if len(readings):
                    out.write(await asyncio.to_thread(encoder.write, readings))
                rows += len(readings)
                bar.update(end - plan.start_ns - bar.n)
            out.write(await asyncio.to_thread(encoder.end))
    if options.file is not None:
        say(f"{options.file}: {rows:,} readings")
    return 0


@contextmanager
def _target(file: Path | None) -> Iterator[BinaryIO]:
    """Yield the stream to write to. A file appears complete or not at all."""
    if file is None:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except (
            BrokenPipeError
        ):  # the reader has closed the pipe; the interpreter's own flush at exit must not fail either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    part = file.with_name(f"{file.name}.part")
    try:
        is_compressed = file.name.endswith(".gz")
        opened = gzip.open(part, "wb", 6) if is_compressed else part.open("wb")  # noqa: SIM115 (closed below)
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


def _server_hint(settings: Settings, options: Export) -> str:
    """Return a hint: the command that exports the same from a running dashboard."""
    parameters = {"sensors": ",".join(options.request.sensors), "types": ",".join(options.request.types)}
    parameters["format"] = str(options.format or Format.CSV)
    query = "&".join(f"{name}={value}" for name, value in parameters.items() if value)
    url = shlex.quote(f"http://{settings.host}:{settings.port}/export?{query}")
    return f"If the dashboard is running, use its API: curl -o {options.file or 'export'} {url}"
