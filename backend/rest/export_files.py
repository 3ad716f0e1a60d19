"""The files of an export: readings or windows. Each is planned completely before its first byte is created."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from backend.core.windows import NS_PER_SECOND
from backend.formats.file_formats import FORMAT_INFO, Format
from backend.formats.window_writer import COVERAGE, Layout, WindowSeries, windows_writer
from backend.formats.write import writer
from backend.queries.export import ExportPlan, ExportService
from backend.queries.rollup_export import RollupExportPlan, RollupExportService
from backend.queries.series import SeriesColumns


class File(Protocol):
    """A file to create; `name` is its default name in a browser."""

    @property
    def name(self) -> str: ...

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes. The first piece already contains data, so a store failure still becomes an error status."""
        ...


class ReadingsFile:
    """A file of readings. Raises `UserError` for a sensor that the format cannot represent."""

    def __init__(self, service: ExportService, plan: ExportPlan, kind: Format) -> None:
        self._service, self._plan = service, plan
        self._writer = writer(kind, plan.sensors, plan.tags, plan.labels)
        self.name = file_name(plan.named, "", plan.start_ns, plan.end_ns, kind)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        head = self._writer.begin()
        async with aclosing(self._service.windows(self._plan)) as windows:
            async for _, readings in windows:
                piece = await asyncio.to_thread(self._writer.write, readings) if len(readings) else b""
                for part in (head, piece):  # separate, because joining would copy megabytes
                    if part:
                        yield part
                head = b""
        yield head + await asyncio.to_thread(self._writer.end)


class WindowsFile:
    """A file of roll-up windows. Raises `UserError` for a format that cannot represent windows."""

    def __init__(self, service: RollupExportService, plan: RollupExportPlan, kind: Format) -> None:
        self._service, self._plan = service, plan
        layout = Layout(plan.sensors, plan.nodes, plan.window.value, plan.statistics, plan.labels)
        self._writer = windows_writer(kind, layout)
        names = [*plan.sensors, *plan.nodes]
        self.name = file_name(names, plan.window.value, plan.start_ns, plan.end_ns, kind)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        head = self._writer.begin()
        async with aclosing(self._service.pieces(self._plan)) as pieces:
            async for batch in pieces:
                blocks = [_rolled(series, self._plan.statistics) for series in batch]
                yield head + await asyncio.to_thread(self._writer.write, blocks)
                head = b""
        yield head + await asyncio.to_thread(self._writer.end)


def _rolled(series: SeriesColumns, statistics: Sequence[str]) -> WindowSeries:
    grid = series.grid
    assert grid is not None and grid.coverage is not None  # every selected series is rolled up
    columns = {name: getattr(grid, name) for name in statistics}
    # A window without readings has coverage 0, even if the expected number of readings is unknown.
    columns[COVERAGE] = np.where(grid.count > 0, grid.coverage, 0.0)
    if series.node is not None:
        return WindowSeries("node", series.node, series.times, columns)
    return WindowSeries("sensor", series.sensor or "", series.times, columns)


def file_name(names: Sequence[str], window: str, start_ns: int, end_ns: int, kind: Format) -> str:
    """Return `seduce-<the only series>-<window>-<from>-<to>.<suffix>` in characters that every file system permits."""
    only = re.sub(r"[^A-Za-z0-9._-]+", "_", names[0])[:80].strip("._-") if len(names) == 1 else ""
    parts = ["seduce", only, window, _stamp(start_ns), _stamp(end_ns)]
    return "-".join(part for part in parts if part) + FORMAT_INFO[kind].suffix


def _stamp(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")
