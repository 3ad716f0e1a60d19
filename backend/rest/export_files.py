"""The files that an export may be: readings, or windows. Each is planned before its first byte is made."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from backend.core.windows import NS_PER_SECOND
from backend.formats.kinds import SORTS, Format
from backend.formats.windows import COVERAGE, Layout, Rolled, windows_writer
from backend.formats.write import writer
from backend.queries.export import ExportPlan, ExportService
from backend.queries.rollup_export import RollupExportPlan, RollupExportService
from backend.queries.series import SeriesColumns


class File(Protocol):
    """A file that can be made; `name` is what a browser saves it as."""

    @property
    def name(self) -> str: ...

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """Its bytes, the first with what was read for it, so that a store that is down is told in the status."""
        ...


class ReadingsFile:
    """Raises `UserError` for a sensor that no format can carry."""

    def __init__(self, service: ExportService, plan: ExportPlan, kind: Format) -> None:
        self._service, self._plan = service, plan
        self._writer = writer(kind, plan.sensors, plan.tags)
        self.name = file_name(plan.named, "", plan.start_ns, plan.end_ns, kind)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        head = self._writer.begin()
        async with aclosing(self._service.windows(self._plan)) as windows:
            async for _, readings in windows:
                piece = await asyncio.to_thread(self._writer.write, readings) if len(readings) else b""
                for part in (head, piece):  # apart: a piece is megabytes, and joining would copy them
                    if part:
                        yield part
                head = b""
        yield head + await asyncio.to_thread(self._writer.end)


class WindowsFile:
    """Raises `UserError` for a format that carries no windows."""

    def __init__(self, service: RollupExportService, plan: RollupExportPlan, kind: Format) -> None:
        self._service, self._plan = service, plan
        layout = Layout(plan.sensors, plan.nodes, plan.window.value, plan.statistics)
        self._writer = windows_writer(kind, layout)
        names = [*plan.sensors, *plan.nodes]
        self.name = file_name(names, plan.window.value, plan.start_ns, plan.end_ns, kind)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        head = self._writer.begin()
        async with aclosing(self._service.pieces(self._plan)) as pieces:
            async for found in pieces:
                blocks = [_rolled(series, self._plan.statistics) for series in found]
                yield head + await asyncio.to_thread(self._writer.write, blocks)
                head = b""
        yield head + await asyncio.to_thread(self._writer.end)


def _rolled(series: SeriesColumns, statistics: Sequence[str]) -> Rolled:
    grid = series.grid
    assert grid is not None and grid.coverage is not None  # described sensors and nodes are rolled up
    columns = {name: getattr(grid, name) for name in statistics}
    # Nothing of a window without readings came, whether or not it is known here how much should have.
    columns[COVERAGE] = np.where(grid.count > 0, grid.coverage, 0.0)
    if series.node is not None:
        return Rolled("node", series.node, series.times, columns)
    return Rolled("sensor", series.sensor or "", series.times, columns)


def file_name(names: Sequence[str], window: str, start_ns: int, end_ns: int, kind: Format) -> str:
    """`seduce-<the one series>-<window>-<from>-<to>.<suffix>`, in characters that every system takes."""
    only = re.sub(r"[^A-Za-z0-9._-]+", "_", names[0])[:80].strip("._-") if len(names) == 1 else ""
    parts = ["seduce", only, window, _stamp(start_ns), _stamp(end_ns)]
    return "-".join(part for part in parts if part) + SORTS[kind].suffix


def _stamp(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")
