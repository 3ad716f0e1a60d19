"""Raw readings of one sensor in one answer, for the REST API."""

from __future__ import annotations

from typing import Final

from backend.core.errors import UserError
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Points
from backend.queries.sensors import SensorService

MAX_ROWS: Final = 1_000_000
"""Readings in one answer: 40 MB of JSON, or eleven days of one reading per second."""


class UnknownSensor(UserError):
    """There is no sensor with this name, neither in the description nor in the store."""


class TooMany(UserError):
    """The answer would hold more than `MAX_ROWS` readings."""


class MeasurementService:
    """Reads the store by sensor name, described or not."""

    def __init__(self, sensors: SensorService, store: TimeSeriesStore) -> None:
        self._sensors = sensors
        self._store = store

    async def read(self, name: str, start_ns: int, end_ns: int) -> Points:
        """Return the readings of [start_ns, end_ns], both ends included. Raises `UnknownSensor` and `TooMany`."""
        if self._sensors.find(name) is None and name not in await self._store.latest([name]):
            raise UnknownSensor(name)
        if end_ns < start_ns:
            return Points.empty()
        readings = await self._store.raw_up_to([name], start_ns, end_ns + 1, MAX_ROWS)
        if readings is None:
            raise TooMany(f"more than {MAX_ROWS:,} readings lie in the interval")
        return readings.get(name, Points.empty())
