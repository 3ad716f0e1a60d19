"""The newest reading of every sensor, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from backend.core.reading import Float64, Int64, Reading
from backend.store.duckdb.partitions import NEVER
from backend.store.duckdb.rows import Rows


class Newest:
    """Changed by the writer thread, read by others: the columns are replaced together, never changed in place."""

    def __init__(self) -> None:
        self._columns: tuple[Int64, Float64] = (np.empty(0, np.int64), np.empty(0, np.float64))

    def renew(self, rows: Rows) -> None:
        """Take rows, one a series, that are not older than what is known."""
        if not len(rows):
            return
        times, values = self._grown(int(rows.sid.max()) + 1)
        better = rows.take(rows.ts >= times[rows.sid])
        times[better.sid], values[better.sid] = better.ts, better.values[0]
        self._columns = (times, values)

    def forget(self, sids: Sequence[int]) -> None:
        times, values = self._grown(max(sids, default=-1) + 1)
        times[list(sids)] = NEVER
        self._columns = (times, values)

    def readings(self, name: Callable[[int], str], wanted: Mapping[int, str] | None) -> dict[str, Reading]:
        """Of the wanted series, by id and name, or of all."""
        times, values = self._columns
        if wanted is None:
            wanted = {sid: name(sid) for sid in np.flatnonzero(times != NEVER).tolist()}
        rows = [
            (known, int(times[sid]), float(values[sid])) for sid, known in wanted.items() if sid < len(times)
        ]
        return {known: Reading(known, ts, value) for known, ts, value in rows if ts != NEVER}

    def _grown(self, size: int) -> tuple[Int64, Float64]:
        """Copies with room for `size` series."""
        times, values = self._columns
        more = max(0, size - len(times))
        return np.append(times, np.full(more, NEVER)), np.append(values, np.zeros(more))
