"""A served application with a known past, for the client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_asyncio
from starlette.applications import Starlette

from backend.core.clock import SystemClock
from backend.core.reading import Readings
from backend.core.windows import NS_PER_SECOND
from backend.processes.one_process import create_app
from backend.processes.shared import Overrides
from backend.settings import Settings
from tests.support.serve import serving
from tests.support.small_site import WATTMETERS, small_inventory

HOURS = 3


@dataclass
class Served:
    """Three hours of wattmeters by seconds, ending at `end_s` (on a minute), rolled up; `fan` is silent for the last hour."""

    url: str
    app: Starlette
    end_s: int
    sensors: Sequence[str] = field(default=WATTMETERS)

    @property
    def start_s(self) -> int:
        return self.end_s - HOURS * 3600

    def value(self, sensor: str, second: int) -> float:
        return 100.0 * (1 + self.sensors.index(sensor)) + second % 7

    def times(self, sensor: str) -> range:
        return range(self.start_s, self.end_s - (3600 if sensor == "fan" else 0))

    async def push(self, **values: float) -> None:
        """As a crawler would, stamped now."""
        ingest = self.app.state.services.ingest
        now = SystemClock().now_ns()
        await ingest.push(Readings.from_rows(list(values), [now] * len(values), list(values.values())))


@asynccontextmanager
async def served(folder: Path, port: int = 0, **parts: Any) -> AsyncIterator[Served]:
    app = create_app(Settings(data_dir=folder), Overrides(inventory=small_inventory(), **parts))
    async with serving(app, port) as address:
        services = app.state.services
        await services.runner.stop()
        end = SystemClock().now_ns() // NS_PER_SECOND // 60 * 60 - 120
        result = Served(f"http://{address}", app, end)
        for name in result.sensors:
            times = list(result.times(name))
            rows = Readings.from_rows(
                [name] * len(times),
                [t * NS_PER_SECOND for t in times],
                [result.value(name, t) for t in times],
            )
            await services.store.write(rows)
        await services.rollups.learn()
        await services.rollups.step()
        yield result


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as result:
        yield result
