"""The newest reading of every sensor, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from backend.core.reading import Float64, Int64, Reading
from backend.store.duckdb.partitions import NEVER
from backend.store.duckdb.rows import Rows


class LatestReadings:
    """The newest readings by series id.

    The writer thread replaces the columns together, never changes them in place; readers share them.
    """

    def __init__(self) -> None:
        self._columns: tuple[Int64, Float64] = (np.empty(0, np.int64), np.empty(0, np.float64))

    def update(self, rows: Rows) -> None:
        """Store rows, one per series, that are not older than the known ones."""
        if not len(rows):
            return
        times, values = self._with_room(int(rows.sid.max()) + 1)
        newer = rows.take(rows.ts >= times[rows.sid])
        times[newer.sid], values[newer.sid] = newer.ts, newer.values[0]
        self._columns = (times, values)

    def remove(self, sids: Sequence[int]) -> None:
        times, values = self._with_room(max(sids, default=-1) + 1)
        times[list(sids)] = NEVER
        self._columns = (times, values)

    def readings(self, name: Callable[[int], str], requested: Mapping[int, str] | None) -> dict[str, Reading]:
        """Return the newest readings of the requested series, by id and name, or of all."""
        times, values = self._columns
        if requested is None:
            requested = {sid: name(sid) for sid in np.flatnonzero(times != NEVER).tolist()}
        rows = [
            (sensor, int(times[sid]), float(values[sid]))
            for sid, sensor in requested.items()
            if sid < len(times)
        ]
        return {sensor: Reading(sensor, ts, value) for sensor, ts, value in rows if ts != NEVER}

    def _with_room(self, size: int) -> tuple[Int64, Float64]:
        """Return copies of the columns with room for `size` series."""
        times, values = self._columns
        more = max(0, size - len(times))
        return np.append(times, np.full(more, NEVER)), np.append(values, np.zeros(more))
