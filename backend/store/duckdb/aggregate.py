"""Buckets of raw readings: what is read at once, and how rows fall into groups and windows.

Rows are read in pieces that fit the processor's cache, which is three times faster than in one piece, and every window
asked for is computed from the piece while it is there. A group of several series is read together with the groups of
each of them alone, so that a row is read once for both. All windows are multiples of the finest one asked for: rows are
brought into order by that one, and the runs of the others are runs of its runs. Where there is much, a piece is summarised
while the next is read: database and numpy both let go of the interpreter, so that two cores work.
"""

# ruff: noqa: S608 (names and numbers in statements are our own; values travel as arrays)

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backend.core.bucket import Buckets
from backend.core.reading import Float64, Int32, Int64
from backend.core.windows import Window
from backend.store.duckdb.engine import Cursor, fetch, fetch_large
from backend.store.summary import Summary, summarise

PIECE_ROWS: Final = 250_000
BATCH_ROWS: Final = 4_000_000
"""Rows held at once, unless one window of one group has more."""
STRETCH_ROWS: Final = 100_000
SHARED_ROWS: Final = 1_000_000
"""Rows from which on a second thread summarises."""
AHEAD: Final = 2
"""Pieces that may wait to be summarised."""
LEAST_RUN: Final = 64
"""Rows a run must have on average to be moved as a whole rather than row by row."""

Source = Callable[[str, Sequence[int], int, int], str]
"""A SELECT of the given columns of these series over [start_ns, end_ns)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Buckets of a window, as runs of rows of one group each, in which starts ascend."""

    codes: Int32
    starts: Int64
    summary: Summary


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """`number` is that of the finest window, counted from the start of the interval. Sorted by (series, number)."""

    sid: Int32
    number: Int32
    values: Float64

    def take(self, rows: npt.NDArray[np.intp]) -> _Rows:
        return _Rows(self.sid[rows], self.number[rows], self.values[rows])


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is read together: the groups of several series, and the series of groups that hold no other."""

    joint: tuple[int, ...]
    sids: tuple[int, ...]


class _Second:
    """Does one thing after the other, in the order they are given: on a thread of its own if `apart`, else at once.

    Who gives more than `AHEAD` waits, which bounds what is held. What went wrong is raised at the latest at the end.
    """

    def __init__(self, apart: bool) -> None:
        self._thread = ThreadPoolExecutor(1, "summarise") if apart else None
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> _Second:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._thread is None:
            return
        self._thread.shutdown(cancel_futures=kind is not None)
        if kind is None:
            self.finish()

    def finish(self) -> None:
        while self._waiting:
            self._waiting.popleft().result()

    def do(self, work: Callable[[], None]) -> None:
        if self._thread is None:
            work()
            return
        self._waiting.append(self._thread.submit(work))
        if len(self._waiting) > AHEAD:
            self._waiting.popleft().result()


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
        self._finest = min((window.ns for window in windows), default=1)
        self._alone: dict[int, int] = {}
        """Group of a series that is in it alone; a second such group of the same series counts as a joint one."""
        self._joint: list[int] = []
        for code, group in enumerate(self._members):
            if len(group) == 1 and group[0] not in self._alone:
                self._alone[group[0]] = code
            elif group:
                self._joint.append(code)
        self._rows: dict[int, int] = {}
        self._found: dict[Window, list[_Piece]] = {window: [] for window in windows}

    def run(self, cursor: Cursor, names: Sequence[str]) -> Mapping[Window, Buckets]:
        """`names` are those of the groups."""
        self._found = {window: [] for window in self._windows}
        self._rows = self._count(cursor) if self._windows else {}
        done: set[int] = set()
        with _Second(sum(self._rows.values()) >= SHARED_ROWS) as second:
            for batch in self._batches():
                for start, end in self._spans(batch.sids):
                    self._take(cursor, batch, start, end, done, second)
                done.update(batch.sids)
        return {window: _join(names, pieces) for window, pieces in self._found.items()}

    def _count(self, cursor: Cursor) -> dict[int, int]:
        """Rows of each series that has any."""
        everyone = sorted({sid for group in self._members for sid in group})
        if not everyone:
            return {}
        source = self._source("sid", everyone, self._start, self._end)
        got = fetch(cursor, f"select sid, count(*) as n from ({source}) group by sid")
        return dict(zip(got["sid"].tolist(), got["n"].tolist(), strict=True))

    def _batches(self) -> Iterator[_Batch]:
        """Everything that has rows, the series of joint groups first."""
        rest = {sid for sid in self._alone if sid in self._rows}
        for code in self._joint:
            sids = tuple(sid for sid in self._members[code] if sid in self._rows)
            if sids:
                yield _Batch((code,), sids)
                rest.difference_update(sids)
        for some in self._pieces(sorted(rest)):
            yield _Batch((), tuple(some))

    def _pieces(self, sids: Sequence[int]) -> Iterator[list[int]]:
        """Series to be read at once."""
        some: list[int] = []
        rows = 0
        for sid in sids:
            if some and rows + self._rows[sid] > PIECE_ROWS:
                yield some
                some, rows = [], 0
            some.append(sid)
            rows += self._rows[sid]
        if some:
            yield some

    def _spans(self, sids: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The interval, cut at window edges where it holds too many rows at once."""
        rows = sum(self._rows[sid] for sid in sids)
        widest = max(window.ns for window in self._windows)
        step = max(1, (self._end - self._start) // widest * BATCH_ROWS // max(rows, 1)) * widest
        for start in range(self._start, self._end, step):
            yield start, min(start + step, self._end)

    def _take(
        self, cursor: Cursor, batch: _Batch, start: int, end: int, done: set[int], second: _Second
    ) -> None:
        """Summarise a span of a batch; series that are `done` count in joint groups only."""
        joint: list[_Rows] = []
        for sids in self._pieces(batch.sids):
            rows = self._read(cursor, sids, start, end)
            if not len(rows.sid):
                continue
            if batch.joint:
                joint.append(rows)
            alone = [sid for sid in sids if sid in self._alone and sid not in done]
            if alone:
                second.do(partial(self._summarise_alone, rows, alone, len(alone) == len(sids)))
        if joint:
            second.finish()  # these rows are many: nothing else is held beside them
            self._summarise_joint(joint, batch.joint)

    def _read(self, cursor: Cursor, sids: Sequence[int], start: int, end: int) -> _Rows:
        number = f"((ts - {self._start}) // {self._finest})::integer as number"
        got = fetch_large(cursor, self._source(f"sid, {number}, value", sids, start, end))
        return _sorted(_Rows(got["sid"], got["number"], got["value"]))

    def _summarise_joint(self, pieces: Sequence[_Rows], codes: Sequence[int]) -> None:
        number, value = _by_number(pieces)
        for code in codes:
            self._summarise(np.full(1, code, np.int32), None, number, value)

    def _summarise_alone(self, rows: _Rows, alone: Sequence[int], everyone: bool) -> None:
        if not everyone:
            chosen = np.isin(rows.sid, np.array(alone, np.int32))
            rows = rows.take(np.flatnonzero(chosen))
        code_of = np.zeros(alone[-1] + 1, np.int32)
        code_of[alone] = [self._alone[sid] for sid in alone]
        if len(rows.sid):
            self._summarise(code_of, rows.sid, rows.number, rows.values)

    def _summarise(self, code_of: Int32, sid: Int32 | None, number: Int32, values: Float64) -> None:
        """Buckets of sorted rows in every window; `code_of` gives the group by series, or for all where `sid` is None."""
        turns = number[1:] != number[:-1]
        if sid is not None:
            turns |= sid[1:] != sid[:-1]
        first = np.flatnonzero(np.concatenate(([True], turns)))
        number = number[first]
        group = np.broadcast_to(code_of, len(first)) if sid is None else code_of[sid[first]]
        for window in self._windows:
            own = number // np.int32(window.ns // self._finest)
            begins = np.concatenate(([True], (own[1:] != own[:-1]) | (group[1:] != group[:-1])))
            starts = self._start + own[begins].astype(np.int64) * window.ns
            self._found[window].append(_Piece(group[begins], starts, summarise(values, first[begins])))


def _sorted(rows: _Rows) -> _Rows:
    if _rising(rows.sid, rows.number):
        return rows
    # A sorted partition and what came since, each in the order of time: runs of one series to be put behind each other.
    found = _by_series(rows)
    return found if _rising(found.sid, found.number) else rows.take(np.lexsort((rows.number, rows.sid)))


def _by_series(rows: _Rows) -> _Rows:
    """Sorted by series, stably."""
    turns = np.flatnonzero(rows.sid[1:] != rows.sid[:-1]) + 1
    if len(turns) > len(rows.sid) // LEAST_RUN:
        # Sixteen bits are sorted by radix.
        wide = rows.sid.max() >= 1 << 16
        return rows.take(np.argsort(rows.sid if wide else rows.sid.astype(np.uint16), kind="stable"))
    edges = [0, *turns.tolist(), len(rows.sid)]
    runs = [slice(edges[at], edges[at + 1]) for at in np.argsort(rows.sid[edges[:-1]], kind="stable")]
    columns = (rows.sid, rows.number, rows.values)
    return _Rows(*(np.concatenate([column[run] for run in runs]) for column in columns))


def _rising(sid: Int32, number: Int32) -> bool:
    if np.any(sid[1:] < sid[:-1]):
        return False
    falls = number[1:] < number[:-1]
    falls &= sid[1:] == sid[:-1]
    return not falls.any()


def _by_number(pieces: Sequence[_Rows]) -> tuple[Int32, Float64]:
    """All rows of the pieces, sorted by number, stably.

    A stretch of numbers at a time, of which each series has a slice: what is brought into order then fits the cache.
    """
    rows = sum(len(piece.number) for piece in pieces)
    end = 1 + max(int(piece.number.max()) for piece in pieces)
    # No more numbers than fit in eight bits, which are sorted by radix in one pass.
    step = min(256, max(1, end * STRETCH_ROWS // rows))
    stretches = [
        (piece, cuts)
        for piece in pieces
        for cuts in _cuts(piece, np.arange(0, end + step, step, dtype=np.int32))
    ]
    number, values = np.empty(rows, np.int32), np.empty(rows)
    at = 0
    for stretch in range(-(-end // step)):
        parts = [(piece, slice(*cuts[stretch : stretch + 2])) for piece, cuts in stretches]
        own = np.concatenate([piece.number[part] for piece, part in parts])
        found = np.concatenate([piece.values[part] for piece, part in parts])
        if step > 1:
            order = np.argsort((own - np.int32(stretch * step)).astype(np.uint8), kind="stable")
            own, found = own[order], found[order]
        number[at : at + len(own)], values[at : at + len(own)] = own, found
        at += len(own)
    return number, values


def _cuts(piece: _Rows, edges: Int32) -> Iterator[list[int]]:
    """Of each series of a piece where the numbers reach each of the edges."""
    turns = np.flatnonzero(piece.sid[1:] != piece.sid[:-1]) + 1
    for a, b in pairwise([0, *turns.tolist(), len(piece.sid)]):
        yield (a + np.searchsorted(piece.number[a:b], edges)).tolist()


def _statistic(name: str, piece: _Piece) -> Float64:
    column: Float64 = getattr(piece.summary, name)
    return column


def _join(names: Sequence[str], pieces: Sequence[_Piece]) -> Buckets:
    """All pieces, sorted by (code, start)."""
    if not pieces:
        return Buckets.empty(tuple(names))
    runs: list[tuple[int, int, int, int, int]] = []
    for at, piece in enumerate(pieces):
        edges = np.flatnonzero(np.diff(piece.codes)) + 1
        for a, b in zip([0, *edges.tolist()], [*edges.tolist(), len(piece.codes)], strict=True):
            runs.append((int(piece.codes[a]), int(piece.starts[a]), at, a, b))
    merged: list[tuple[int, int, int]] = []
    for *_, at, a, b in sorted(runs):
        if merged and merged[-1][0] == at and merged[-1][2] == a:
            merged[-1] = (at, merged[-1][1], b)
        else:
            merged.append((at, a, b))

    def column(of: Callable[[_Piece], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate([of(pieces[at])[a:b] for at, a, b in merged])

    joined = {f.name: column(partial(_statistic, f.name)) for f in fields(Summary)}
    return Buckets(
        tuple(names),
        column(lambda p: p.codes),
        column(lambda p: p.starts),
        **joined,
        expected=np.full(len(joined["count"]), np.nan),
        reported=joined["count"],
    )
