"""Rows of (series id, time, values) as numpy columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backend.core.reading import Float64, Int32, Int64


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """n rows: `sid` int32 series ids, `ts` int64 ns, `values` one float64 array per value column."""

    sid: Int32
    ts: Int64
    values: tuple[Float64, ...]

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> Rows:
        return Rows(self.sid[rows], self.ts[rows], tuple(v[rows] for v in self.values))

    def columns(self, names: tuple[str, ...]) -> dict[str, npt.NDArray[np.generic]]:
        """Return the columns under the names that DuckDB scans."""
        return {"sid": self.sid, "ts": self.ts, **dict(zip(names, self.values, strict=True))}

    @staticmethod
    def concat(parts: Sequence[Rows]) -> Rows:
        """Return all rows, in order."""
        return Rows(
            np.concatenate([part.sid for part in parts]),
            np.concatenate([part.ts for part in parts]),
            tuple(np.concatenate(columns) for columns in zip(*(part.values for part in parts), strict=True)),
        )

    def distinct(self) -> Rows:
        """Return the rows sorted by (sid, ts); the last of several rows with one (sid, ts) is kept."""
        if is_sorted(self.sid, self.ts):
            return self
        rows = self.take(_order(self.sid, self.ts))
        last = np.ones(len(rows), bool)
        np.logical_or(rows.sid[1:] != rows.sid[:-1], rows.ts[1:] != rows.ts[:-1], out=last[:-1])
        return rows if last.all() else rows.take(last)

    def by_partition(self, part_ns: int) -> Iterator[tuple[int, Rows]]:
        """Yield number and rows of each time partition, oldest first."""
        if not len(self):
            return
        first, last = int(self.ts.min()) // part_ns, int(self.ts.max()) // part_ns
        if first == last:
            yield first, self
            return
        for number in partitions_of(self.ts, part_ns):
            low = number * part_ns
            yield number, self.take((self.ts >= low) & (self.ts < low + part_ns))

    def edges(self) -> npt.NDArray[np.intp]:
        """Return the position at which each series begins, and the end; the rows must be distinct."""
        inner = np.flatnonzero(self.sid[1:] != self.sid[:-1]) + 1
        return np.concatenate(([0], inner, [len(self)])) if len(self) else np.zeros(1, np.intp)

    def newest(self) -> Rows:
        """Return the last row of each series; the rows must be distinct."""
        return self.take(self.edges()[1:] - 1)

    def oldest(self) -> Rows:
        """Return the first row of each series; the rows must be distinct."""
        return self.take(self.edges()[:-1])


def partitions_of(times: Int64, part_ns: int) -> list[int]:
    """Return the numbers of the partitions that hold these times."""
    if not len(times):
        return []
    first, last = int(times.min()) // part_ns, int(times.max()) // part_ns
    if first == last:
        return [first]
    numbers: list[int] = np.unique(times // part_ns).tolist()
    return numbers


def _order(sid: Int32, ts: Int64) -> npt.NDArray[np.intp]:
    """Return the order that sorts the rows by (sid, ts), stably."""
    # Small integers are sorted by radix. Most batches arrive sorted by time and need nothing else.
    narrow: npt.NDArray[np.uint16] | Int32 = sid.astype(np.uint16) if sid.max() < 1 << 16 else sid
    order = np.argsort(narrow, kind="stable")
    sorted_sid, sorted_ts = sid[order], ts[order]
    falling = (sorted_sid[1:] == sorted_sid[:-1]) & (sorted_ts[1:] < sorted_ts[:-1])
    return np.lexsort((ts, sid)) if falling.any() else order


def is_sorted(sid: Int32, ts: Int64) -> bool:
    """Return whether the rows are sorted by (sid, ts), each (sid, ts) once."""
    is_next_series = sid[1:] > sid[:-1]
    return bool(np.all(is_next_series | ((sid[1:] == sid[:-1]) & (ts[1:] > ts[:-1]))))
