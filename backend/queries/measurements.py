"""Raw readings of one sensor in one answer, as the old API gave them."""

from __future__ import annotations

from typing import Final

from backend.core.errors import UserError
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Points
from backend.queries.sensors import SensorService

MOST_ROWS: Final = 1_000_000
"""Readings of one answer, 40 MB of JSON: eleven days by seconds."""


class UnknownSensor(UserError):
    """Nobody has heard of a sensor of this name."""


class TooMany(UserError):
    """More readings than one answer may have."""


class MeasurementService:
    """Reads the store by sensor name, described or not."""

    def __init__(self, sensors: SensorService, store: TimeSeriesStore) -> None:
        self._sensors = sensors
        self._store = store

    async def read(self, name: str, start_ns: int, end_ns: int) -> Points:
        """Readings of [start_ns, end_ns]: both ends belong to it. Raises `UnknownSensor` and `TooMany`."""
        if self._sensors.find(name) is None and name not in await self._store.latest([name]):
            raise UnknownSensor(name)
        if end_ns < start_ns:
            return Points.empty()
        found = await self._store.raw_up_to([name], start_ns, end_ns + 1, MOST_ROWS)
        if found is None:
            raise TooMany(f"more than {MOST_ROWS:,} readings lie in the interval")
        return found.get(name, Points.empty())
