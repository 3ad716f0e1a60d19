"""Rows on their way into a table: columns sorted by (series, time), each identity once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

    @staticmethod
    def concat(parts: Sequence[Rows]) -> Rows:
        """All rows, in order."""
        return Rows(
            np.concatenate([part.sid for part in parts]),
            np.concatenate([part.ts for part in parts]),
            tuple(np.concatenate(columns) for columns in zip(*(part.values for part in parts), strict=True)),
        )

    def distinct(self) -> Rows:
        """Sorted by (sid, ts); of rows with one identity the last one stands."""
        if rising(self.sid, self.ts):
            return self
        rows = self.take(_order(self.sid, self.ts))
        last = np.ones(len(rows), bool)
        np.logical_or(rows.sid[1:] != rows.sid[:-1], rows.ts[1:] != rows.ts[:-1], out=last[:-1])
        return rows if last.all() else rows.take(last)

    def by_part(self, part_ns: int) -> Iterator[tuple[int, Rows]]:
        """The rows of each partition of time, number and rows, oldest first."""
        if not len(self):
            return
        first, last = int(self.ts.min()) // part_ns, int(self.ts.max()) // part_ns
        if first == last:
            yield first, self
            return
        for number in parts_of(self.ts, part_ns):
            low = number * part_ns
            yield number, self.take((self.ts >= low) & (self.ts < low + part_ns))

    def edges(self) -> npt.NDArray[np.intp]:
        """Where each series begins, and the end; the rows must be distinct."""
        inner = np.flatnonzero(self.sid[1:] != self.sid[:-1]) + 1
        return np.concatenate(([0], inner, [len(self)])) if len(self) else np.zeros(1, np.intp)

    def newest(self) -> Rows:
        """The last row of each series; the rows must be distinct."""
        return self.take(self.edges()[1:] - 1)

    def oldest(self) -> Rows:
        """The first row of each series; the rows must be distinct."""
        return self.take(self.edges()[:-1])


def parts_of(times: Int64, part_ns: int) -> list[int]:
    """Numbers of the partitions that hold these times."""
    if not len(times):
        return []
    first, last = int(times.min()) // part_ns, int(times.max()) // part_ns
    if first == last:
        return [first]
    numbers: list[int] = np.unique(times // part_ns).tolist()
    return numbers


def _order(sid: Int32, ts: Int64) -> npt.NDArray[np.intp]:
    """What sorts the rows by (sid, ts), stably."""
    # Sorting by small integers is a radix sort: most batches come sorted by time and need no more than this.
    narrow: npt.NDArray[np.uint16] | Int32 = sid.astype(np.uint16) if sid.max() < 1 << 16 else sid
    order = np.argsort(narrow, kind="stable")
    sorted_sid, sorted_ts = sid[order], ts[order]
    falling = (sorted_sid[1:] == sorted_sid[:-1]) & (sorted_ts[1:] < sorted_ts[:-1])
    return np.lexsort((ts, sid)) if falling.any() else order


def rising(sid: Int32, ts: Int64) -> bool:
    """Whether the rows are sorted by (sid, ts) with each identity once."""
    up = sid[1:] > sid[:-1]
    return bool(np.all(up | ((sid[1:] == sid[:-1]) & (ts[1:] > ts[:-1]))))
