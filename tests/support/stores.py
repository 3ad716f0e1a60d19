"""A store in memory with configurable errors, for tests of the drain."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import numpy as np

from backend.core.ports import SensorTags, WriteResult
from backend.core.reading import Reading, Readings


class FailingStore:
    """Keeps the written readings. Raises `error` while it is set, and the errors in `poison` for their sensors."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, int], float] = {}
        self.tags: dict[str, SensorTags] = {}
        self.error: Exception | None = None
        self.poison: dict[str, Exception] = {}
        self.writes = 0
        self.tried = asyncio.Event()

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags] | None = None) -> WriteResult:
        self.writes += 1
        self.tried.set()
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        rows = list(readings)
        for r in rows:
            if r.sensor in self.poison:
                raise self.poison[r.sensor]
        newest: dict[str, int] = {}
        for sensor, time_ns in self.stored:
            newest[sensor] = max(newest.get(sensor, 0), time_ns)
        late = np.array([r.time_ns <= newest.get(r.sensor, 0) for r in rows], bool)
        for r in rows:
            self.stored[(r.sensor, r.time_ns)] = r.value
            self.tags[r.sensor] = (tags or {})[r.sensor]
        return WriteResult(len(rows), readings.take(late))

    def readings(self) -> list[Reading]:
        return [Reading(s, t, v) for (s, t), v in self.stored.items()]
