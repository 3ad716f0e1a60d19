"""Rows on their way into a table: columns sorted by (series, time), each identity once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backend.core.reading import Float64, Int32, Int64


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """n rows: `sid` int32 series ids, `ts` int64 ns, `values` one float64 array a value column."""

    sid: Int32
    ts: Int64
    values: tuple[Float64, ...]

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> Rows:
        return Rows(self.sid[rows], self.ts[rows], tuple(v[rows] for v in self.values))

    def columns(self, names: tuple[str, ...]) -> dict[str, npt.NDArray[np.generic]]:
        """What DuckDB scans as a table."""
        return {"sid": self.sid, "ts": self.ts, **dict(zip(names, self.values, strict=True))}

    def distinct(self) -> Rows:
        """Sorted by (sid, ts); of rows with one identity the last one stands."""
        order = _order(self.sid, self.ts)
        rows = self if order is None else self.take(order)
        if len(rows) < 2:
            return rows
        last = np.ones(len(rows), bool)
        np.logical_or(rows.sid[1:] != rows.sid[:-1], rows.ts[1:] != rows.ts[:-1], out=last[:-1])
        return rows if last.all() else rows.take(last)

    def by_part(self, part_ns: int) -> Iterator[tuple[int, Rows]]:
        """The rows of each partition of time, number and rows, oldest first."""
        if not len(self):
            return
        part = self.ts // part_ns
        first, last = int(part.min()), int(part.max())
        if first == last:
            yield first, self
            return
        for number in np.unique(part).tolist():
            yield number, self.take(part == number)

    def newest(self) -> Rows:
        """The last row of each series; the rows must be distinct."""
        if not len(self):
            return self
        return self.take(np.flatnonzero(np.append(self.sid[1:] != self.sid[:-1], True)))


def _order(sid: Int32, ts: Int64) -> npt.NDArray[np.intp] | None:
    """What sorts the rows by (sid, ts), stably; None where they are already."""
    if _sorted(sid, ts):
        return None
    # Sorting by small integers is a radix sort: most batches come sorted by time and need no more than this.
    narrow = sid.astype(np.uint16) if len(sid) and sid.max() < 1 << 16 else sid
    order = np.argsort(narrow, kind="stable")
    if _sorted(sid[order], ts[order]):
        return order
    return np.lexsort((ts, sid))


def _sorted(sid: Int32, ts: Int64) -> bool:
    up, same = sid[1:] > sid[:-1], sid[1:] == sid[:-1]
    return bool(np.all(up | (same & (ts[1:] >= ts[:-1]))))
