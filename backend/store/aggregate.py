"""Buckets of raw readings: what is read at once, and how rows fall into groups and windows.

Rows are read in pieces that fit the processor's cache, which is three times faster than in one piece, and every window
asked for is computed from the piece while it is there.
"""

# ruff: noqa: S608 (names and numbers in statements are our own; values travel as arrays)

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.core.bucket import Buckets
from backend.core.reading import Float64, Int32, Int64
from backend.core.windows import Window
from backend.store.engine import Cursor, fetch
from backend.store.rows import Rows
from backend.store.summary import Summary, summarise

PIECE_ROWS: Final = 250_000
BATCH_ROWS: Final = 4_000_000
"""Rows held at once, unless one window of one group has more."""

Source = Callable[[str, Sequence[int], int, int], str]
"""A SELECT of the given columns of these series over [start_ns, end_ns)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    codes: Int32
    starts: Int64
    summary: Summary


class Aggregation:
    """One reading of an interval into buckets of several windows; its edges are edges of each of them.

    members   series ids of each group
    """

    def __init__(
        self,
        source: Source,
        members: Sequence[Sequence[int]],
        windows: Sequence[Window],
        start_ns: int,
        end_ns: int,
    ) -> None:
        self._source = source
        self._members = [sorted(set(group)) for group in members]
        self._windows = windows
        self._start, self._end = start_ns, end_ns
        self._rows: dict[int, int] = {}

    def run(self, cursor: Cursor, names: Sequence[str]) -> Mapping[Window, Buckets]:
        """`names` are those of the groups."""
        found: dict[Window, list[_Piece]] = {window: [] for window in self._windows}
        if not self._windows:
            return {}
        self._rows = self._count(cursor)
        for batch in self._batches():
            sids = sorted({sid for code in batch for sid in self._members[code]})
            for start, end in self._spans(sids):
                rows = self._read(cursor, sids, start, end)
                if len(rows):
                    for window in self._windows:
                        found[window].append(self._summarise(rows, batch, window))
        return {window: _join(names, pieces) for window, pieces in found.items()}

    def _count(self, cursor: Cursor) -> dict[int, int]:
        """Rows of each series that has any."""
        everyone = sorted({sid for group in self._members for sid in group})
        if not everyone:
            return {}
        source = self._source("sid", everyone, self._start, self._end)
        got = fetch(cursor, f"select sid, count(*) as n from ({source}) group by sid")
        return dict(zip(got["sid"].tolist(), got["n"].tolist(), strict=True))

    def _batches(self) -> Iterator[list[int]]:
        """Groups to be read together, in order; those without rows are left out."""
        batch: list[int] = []
        held: set[int] = set()
        rows = 0
        for code, group in enumerate(self._members):
            alive = {sid for sid in group if sid in self._rows}
            if not alive:
                continue
            more = sum(self._rows[sid] for sid in alive - held)
            if batch and rows + more > PIECE_ROWS:
                yield batch
                batch, held, rows = [], set(), 0
                more = sum(self._rows[sid] for sid in alive)
            batch.append(code)
            held |= alive
            rows += more
        if batch:
            yield batch

    def _spans(self, sids: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The interval, cut at window edges where it holds too many rows at once."""
        rows = sum(self._rows.get(sid, 0) for sid in sids)
        widest = max(window.ns for window in self._windows)
        step = max(1, (self._end - self._start) // widest * BATCH_ROWS // max(rows, 1)) * widest
        for start in range(self._start, self._end, step):
            yield start, min(start + step, self._end)

    def _read(self, cursor: Cursor, sids: Sequence[int], start: int, end: int) -> Rows:
        """Rows of these series, sorted by (sid, ts)."""
        parts: list[Rows] = []
        some: list[int] = []
        expected = 0
        for sid in sids:
            some.append(sid)
            expected += self._rows.get(sid, 0)
            if expected >= PIECE_ROWS or sid == sids[-1]:
                got = fetch(cursor, self._source("sid, ts, value", some, start, end))
                parts.append(Rows(got["sid"], got["ts"], (got["value"],)).distinct())
                some, expected = [], 0
        return parts[0] if len(parts) == 1 else Rows.concat(parts)

    def _summarise(self, rows: Rows, batch: Sequence[int], window: Window) -> _Piece:
        """`batch` are the groups, by code."""
        per_group = (self._end - self._start) // window.ns
        number = (rows.ts - self._start) // window.ns
        values = rows.values[0]
        edges = np.searchsorted(rows.sid, np.arange(int(rows.sid[-1]) + 2))
        pairs = [
            (at, int(edges[sid]), int(edges[sid + 1]))
            for at, code in enumerate(batch)
            for sid in self._members[code]
            if sid < len(edges) - 1 and edges[sid] < edges[sid + 1]
        ]
        lengths = [stop - start for _, start, stop in pairs]
        key = np.repeat(np.array([at * per_group for at, *_ in pairs], np.int64), lengths)
        if sum(lengths) == len(rows) and all(a[2] == b[1] for a, b in pairwise(pairs)):
            key += number
        else:
            chosen = np.concatenate([np.arange(start, stop) for _, start, stop in pairs])
            key += number[chosen]
            values = values[chosen]
        key, values = _by_key(key, values)
        first = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
        at, number = np.divmod(key[first], per_group)
        codes = np.array(batch, np.int32)[at]
        return _Piece(codes, self._start + number * window.ns, summarise(values, first))


def _by_key(key: Int64, values: Float64) -> tuple[Int64, Float64]:
    """Both sorted by key."""
    if np.all(key[1:] >= key[:-1]):
        return key, values
    # Sixteen bits are sorted by radix.
    narrow: npt.NDArray[np.unsignedinteger] | Int64 = key.astype(np.uint16) if key.max() < 1 << 16 else key
    order = np.argsort(narrow, kind="stable")
    return key[order], values[order]


def _join(names: Sequence[str], pieces: Sequence[_Piece]) -> Buckets:
    if not pieces:
        return Buckets.empty(tuple(names))
    joined = {f.name: np.concatenate([getattr(p.summary, f.name) for p in pieces]) for f in fields(Summary)}
    count = joined["count"]
    return Buckets(
        tuple(names),
        np.concatenate([piece.codes for piece in pieces]),
        np.concatenate([piece.starts for piece in pieces]),
        **joined,
        expected=np.full(len(count), np.nan),
        reported=count,
    )
