"""Aggregation of raw readings into buckets.

Rows are read in pieces that fit the processor's cache, which is three times faster than reading all at once. Every
requested window is computed from a piece while it is there. A group of several series is read together with the
groups of each of them alone, so that a row is read once for both. All windows are multiples of the finest requested
one: rows are sorted by that one, and the runs of the others are runs of its runs. A large piece is summarised while
the next one is read: database and numpy both release the interpreter lock, so two cores work.
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
"""Maximum rows held at once, unless one window of one group has more."""
STRETCH_ROWS: Final = 100_000
THREADED_ROWS: Final = 1_000_000
"""Number of rows from which a second thread summarises."""
MAX_QUEUED: Final = 2
"""Maximum number of pieces that wait to be summarised."""
MIN_RUN_ROWS: Final = 64
"""Average rows per run from which runs are moved as a whole rather than row by row."""

Source = Callable[[str, Sequence[int], int, int], str]
"""Return a SELECT of the given columns of these series over [start_ns, end_ns)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Buckets of a window, as runs of rows of one group each; starts ascend within a run."""

    codes: Int32
    starts: Int64
    summary: Summary


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Readings sorted by (sid, number). `number` counts the finest windows from the start of the interval."""

    sid: Int32
    number: Int32
    values: Float64

    def take(self, rows: npt.NDArray[np.intp]) -> _Rows:
        return _Rows(self.sid[rows], self.number[rows], self.values[rows])


@dataclass(frozen=True, slots=True)
class _Batch:
    """Groups that are read together: those of several series (`joint`), and the series of all groups."""

    joint: tuple[int, ...]
    sids: tuple[int, ...]


class _BackgroundWorker:
    """Runs jobs in order: on a thread of its own if `in_thread`, else at once.

    `submit` waits while more than `MAX_QUEUED` jobs are queued, which bounds memory. A failure is raised at the end
    at the latest.
    """

    def __init__(self, in_thread: bool) -> None:
        self._thread = ThreadPoolExecutor(1, "summarise") if in_thread else None
        self._queued: deque[Future[None]] = deque()

    def __enter__(self) -> _BackgroundWorker:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._thread is None:
            return
        self._thread.shutdown(cancel_futures=kind is not None)
        if kind is None:
            self.wait()

    def wait(self) -> None:
        while self._queued:
            self._queued.popleft().result()

    def submit(self, job: Callable[[], None]) -> None:
        if self._thread is None:
            job()
            return
        self._queued.append(self._thread.submit(job))
        if len(self._queued) > MAX_QUEUED:
            self._queued.popleft().result()


class Aggregation:
    """One pass over an interval that fills buckets of several windows; its edges are edges of each of them.

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
        self._single_groups: dict[int, int] = {}
        """Series -> the group that holds it alone. A second such group of the same series counts as joint."""
        self._joint_groups: list[int] = []
        for code, group in enumerate(self._members):
            if len(group) == 1 and group[0] not in self._single_groups:
                self._single_groups[group[0]] = code
            elif group:
                self._joint_groups.append(code)
        self._rows: dict[int, int] = {}
        self._buckets: dict[Window, list[_Piece]] = {window: [] for window in windows}

    def run(self, cursor: Cursor, names: Sequence[str]) -> Mapping[Window, Buckets]:
        """Return the buckets by window. `names` are those of the groups."""
        self._buckets = {window: [] for window in self._windows}
        self._rows = self._count(cursor) if self._windows else {}
        summarised: set[int] = set()
        with _BackgroundWorker(sum(self._rows.values()) >= THREADED_ROWS) as worker:
            for batch in self._batches():
                for start, end in self._spans(batch.sids):
                    self._summarise_span(cursor, batch, start, end, summarised, worker)
                summarised.update(batch.sids)
        return {window: _join(names, pieces) for window, pieces in self._buckets.items()}

    def _count(self, cursor: Cursor) -> dict[int, int]:
        """Return the number of rows of each series that has any."""
        sids = sorted({sid for group in self._members for sid in group})
        if not sids:
            return {}
        source = self._source("sid", sids, self._start, self._end)
        counts = fetch(cursor, f"select sid, count(*) as n from ({source}) group by sid")
        return dict(zip(counts["sid"].tolist(), counts["n"].tolist(), strict=True))

    def _batches(self) -> Iterator[_Batch]:
        """Yield batches that cover every series with rows, the series of joint groups first."""
        remaining = {sid for sid in self._single_groups if sid in self._rows}
        for code in self._joint_groups:
            sids = tuple(sid for sid in self._members[code] if sid in self._rows)
            if sids:
                yield _Batch((code,), sids)
                remaining.difference_update(sids)
        for piece in self._pieces(sorted(remaining)):
            yield _Batch((), tuple(piece))

    def _pieces(self, sids: Sequence[int]) -> Iterator[list[int]]:
        """Yield the series to read at once."""
        piece: list[int] = []
        rows = 0
        for sid in sids:
            if piece and rows + self._rows[sid] > PIECE_ROWS:
                yield piece
                piece, rows = [], 0
            piece.append(sid)
            rows += self._rows[sid]
        if piece:
            yield piece

    def _spans(self, sids: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yield the interval, cut at window edges if it holds too many rows."""
        rows = sum(self._rows[sid] for sid in sids)
        widest = max(window.ns for window in self._windows)
        step = max(1, (self._end - self._start) // widest * BATCH_ROWS // max(rows, 1)) * widest
        for start in range(self._start, self._end, step):
            yield start, min(start + step, self._end)

    def _summarise_span(
        self,
        cursor: Cursor,
        batch: _Batch,
        start: int,
        end: int,
        summarised: set[int],
        worker: _BackgroundWorker,
    ) -> None:
        """Summarise a span of a batch; series in `summarised` count in joint groups only."""
        joint: list[_Rows] = []
        for sids in self._pieces(batch.sids):
            rows = self._read(cursor, sids, start, end)
            if not len(rows.sid):
                continue
            if batch.joint:
                joint.append(rows)
            alone = [sid for sid in sids if sid in self._single_groups and sid not in summarised]
            if alone:
                worker.submit(partial(self._summarise_alone, rows, alone, len(alone) == len(sids)))
        if joint:
            worker.wait()  # these rows are many: hold nothing else beside them
            self._summarise_joint(joint, batch.joint)

    def _read(self, cursor: Cursor, sids: Sequence[int], start: int, end: int) -> _Rows:
        number = f"((ts - {self._start}) // {self._finest})::integer as number"
        columns = fetch_large(cursor, self._source(f"sid, {number}, value", sids, start, end))
        return _sort_rows(_Rows(columns["sid"], columns["number"], columns["value"]))

    def _summarise_joint(self, pieces: Sequence[_Rows], codes: Sequence[int]) -> None:
        number, value = _by_number(pieces)
        for code in codes:
            self._summarise(np.full(1, code, np.int32), None, number, value)

    def _summarise_alone(self, rows: _Rows, alone: Sequence[int], is_whole: bool) -> None:
        if not is_whole:
            is_wanted = np.isin(rows.sid, np.array(alone, np.int32))
            rows = rows.take(np.flatnonzero(is_wanted))
        code_of = np.zeros(alone[-1] + 1, np.int32)
        code_of[alone] = [self._single_groups[sid] for sid in alone]
        if len(rows.sid):
            self._summarise(code_of, rows.sid, rows.number, rows.values)

    def _summarise(self, code_of: Int32, sid: Int32 | None, number: Int32, values: Float64) -> None:
        """Append buckets of sorted rows in every window.

        `code_of` gives the group by series, or of all rows if `sid` is None.
        """
        is_new = number[1:] != number[:-1]
        if sid is not None:
            is_new |= sid[1:] != sid[:-1]
        first = np.flatnonzero(np.concatenate(([True], is_new)))
        number = number[first]
        group = np.broadcast_to(code_of, len(first)) if sid is None else code_of[sid[first]]
        for window in self._windows:
            window_number = number // np.int32(window.ns // self._finest)
            is_first = np.concatenate(
                ([True], (window_number[1:] != window_number[:-1]) | (group[1:] != group[:-1]))
            )
            starts = self._start + window_number[is_first].astype(np.int64) * window.ns
            self._buckets[window].append(_Piece(group[is_first], starts, summarise(values, first[is_first])))


def _sort_rows(rows: _Rows) -> _Rows:
    if _is_sorted(rows.sid, rows.number):
        return rows
    # A sorted partition and newer rows, each ordered by time: concatenate the runs of each series.
    by_series = _by_series(rows)
    return (
        by_series
        if _is_sorted(by_series.sid, by_series.number)
        else rows.take(np.lexsort((rows.number, rows.sid)))
    )


def _by_series(rows: _Rows) -> _Rows:
    """Return the rows sorted by series, stably."""
    turns = np.flatnonzero(rows.sid[1:] != rows.sid[:-1]) + 1
    if len(turns) > len(rows.sid) // MIN_RUN_ROWS:
        # Sixteen bits are sorted by radix.
        wide = rows.sid.max() >= 1 << 16
        return rows.take(np.argsort(rows.sid if wide else rows.sid.astype(np.uint16), kind="stable"))
    edges = [0, *turns.tolist(), len(rows.sid)]
    runs = [slice(edges[at], edges[at + 1]) for at in np.argsort(rows.sid[edges[:-1]], kind="stable")]
    columns = (rows.sid, rows.number, rows.values)
    return _Rows(*(np.concatenate([column[run] for run in runs]) for column in columns))


def _is_sorted(sid: Int32, number: Int32) -> bool:
    if np.any(sid[1:] < sid[:-1]):
        return False
    falls = number[1:] < number[:-1]
    falls &= sid[1:] == sid[:-1]
    return not falls.any()


def _by_number(pieces: Sequence[_Rows]) -> tuple[Int32, Float64]:
    """Return number and value of all rows of the pieces, sorted by number, stably.

    A stretch of numbers is sorted at a time. Each series has a slice of it, so that the stretch fits the cache.
    """
    rows = sum(len(piece.number) for piece in pieces)
    end = 1 + max(int(piece.number.max()) for piece in pieces)
    # No more numbers than fit in eight bits, which are sorted by radix in one pass.
    step = min(256, max(1, end * STRETCH_ROWS // rows))
    stretches = [
        (piece, cuts)
        for piece in pieces
        for cuts in _series_cuts(piece, np.arange(0, end + step, step, dtype=np.int32))
    ]
    number, values = np.empty(rows, np.int32), np.empty(rows)
    at = 0
    for stretch in range(-(-end // step)):
        parts = [(piece, slice(*cuts[stretch : stretch + 2])) for piece, cuts in stretches]
        own_numbers = np.concatenate([piece.number[part] for piece, part in parts])
        own_values = np.concatenate([piece.values[part] for piece, part in parts])
        if step > 1:
            order = np.argsort((own_numbers - np.int32(stretch * step)).astype(np.uint8), kind="stable")
            own_numbers, own_values = own_numbers[order], own_values[order]
        number[at : at + len(own_numbers)], values[at : at + len(own_numbers)] = own_numbers, own_values
        at += len(own_numbers)
    return number, values


def _series_cuts(piece: _Rows, edges: Int32) -> Iterator[list[int]]:
    """Yield, for each series of a piece, the positions at which its numbers reach each of the edges."""
    turns = np.flatnonzero(piece.sid[1:] != piece.sid[:-1]) + 1
    for a, b in pairwise([0, *turns.tolist(), len(piece.sid)]):
        yield (a + np.searchsorted(piece.number[a:b], edges)).tolist()


def _statistic(name: str, piece: _Piece) -> Float64:
    column: Float64 = getattr(piece.summary, name)
    return column


def _join(names: Sequence[str], pieces: Sequence[_Piece]) -> Buckets:
    """Return all pieces as buckets, sorted by (code, start)."""
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

    def concatenate(get: Callable[[_Piece], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate([get(pieces[at])[a:b] for at, a, b in merged])

    joined = {f.name: concatenate(partial(_statistic, f.name)) for f in fields(Summary)}
    return Buckets(
        tuple(names),
        concatenate(lambda p: p.codes),
        concatenate(lambda p: p.starts),
        **joined,
        expected=np.full(len(joined["count"]), np.nan),
        reported=joined["count"],
    )
