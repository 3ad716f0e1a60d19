"""Buckets of tree nodes that are kept as a note: "from here to there it says what that series says".

Most nodes of an energy tree are leaves. Their 30 s values are the 30 s means of one sensor, which are kept anyway, and
minutes of all nodes follow from two of their 30 s values each; written out they would be most of the rows. Longer windows
are few, and are written out. Where a row is written out as well, the row stands. Docs: docs/decisions/0007.
"""

# ruff: noqa: S608 (names and numbers in statements are our own; values travel as arrays)

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from backend.core.bucket import Buckets
from backend.core.grids import STEP_NS, NodeGrid, as_buckets, summarise
from backend.core.reading import Float64, Int64
from backend.core.windows import Window
from backend.store.duckdb.engine import Columns, Transaction
from backend.store.duckdb.partitions import among
from backend.store.duckdb.rows import rising

WINDOWS: Final = (Window.S30, Window.M1)

SCHEMA: Final = """
create table if not exists copies(
  length varchar, sid integer, first_ts bigint, end_ts bigint, source integer, weight double);
"""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """[first, end) ns, edges of the window, in which a node says what the series `source` says, times `weight`."""

    first: int
    end: int
    source: int
    weight: float

    def within(self, start_ns: int, end_ns: int) -> Span:
        return Span(max(self.first, start_ns), min(self.end, end_ns), self.source, self.weight)

    def alike(self, other: Span) -> bool:
        return (self.source, self.weight) == (other.source, other.weight)


Spans = tuple[Span, ...]


class Copies:
    """The spans of each node, oldest first. Changes run on the writer thread; readers take what they find."""

    def __init__(self) -> None:
        # Replaced, never changed in place: a reader compares what it started from.
        self._kept: Mapping[Window, Mapping[int, Spans]] = {window: {} for window in Window}

    def load(self, transaction: Transaction) -> None:
        transaction.cursor.execute(SCHEMA)
        found: dict[Window, dict[int, Spans]] = {window: {} for window in Window}
        rows = transaction.cursor.execute(
            "select length, sid, first_ts, end_ts, source, weight from copies order by sid, first_ts"
        ).fetchall()
        for length, sid, *span in rows:
            of = found[Window(length)]
            of[sid] = (*of.get(sid, ()), Span(*span))
        self._kept = found

    def of(self, window: Window) -> Mapping[int, Spans]:
        """All spans of a window by node; the same object as long as nothing changed."""
        return self._kept[window]

    def over(self, window: Window, sids: Iterable[int], start_ns: int, end_ns: int) -> dict[int, Spans]:
        """The parts of spans of these nodes that hold windows which start in [start_ns, end_ns)."""
        kept = self.of(window)
        if not kept or start_ns >= end_ns:
            return {}
        first, end = window.ceil(start_ns), window.ceil(end_ns)
        found = {
            sid: tuple(
                span.within(first, end) for span in kept.get(sid, ()) if span.first < end and first < span.end
            )
            for sid in sids
        }
        return {sid: spans for sid, spans in found.items() if spans}

    def note(self, transaction: Transaction, window: Window, wanted: Mapping[int, Span]) -> None:
        """From now on these nodes have these spans, whatever was noted there before."""
        kept = self.of(window)
        changed = {
            sid: new
            for sid, span in wanted.items()
            if (new := _with(kept.get(sid, ()), span)) != kept.get(sid, ())
        }
        self._keep(transaction, window, changed)

    def on(self, window: Window, sources: frozenset[int]) -> set[int]:
        """The nodes that copy any of these series anywhere."""
        return {sid for sid, spans in self.of(window).items() if any(s.source in sources for s in spans)}

    def trim(
        self, transaction: Transaction, window: Window, end_ns: int, sids: Collection[int] | None = None
    ) -> None:
        """Forget windows that start before `end_ns`, of all nodes if none is named."""
        edge = window.ceil(end_ns)
        changed = {
            sid: tuple(span.within(edge, span.end) for span in spans if span.end > edge)
            for sid, spans in self.of(window).items()
            if spans[0].first < edge and (sids is None or sid in sids)
        }
        self._keep(transaction, window, changed)

    def _keep(self, transaction: Transaction, window: Window, changed: Mapping[int, Spans]) -> None:
        if not changed:
            return
        kept, cursor = self.of(window), transaction.cursor
        grown = {sid: spans for sid, spans in changed.items() if _is_longer(kept.get(sid, ()), spans)}
        for ends, group in groupby(
            sorted(grown, key=lambda s: _ends(kept[s], grown[s])), key=lambda s: _ends(kept[s], grown[s])
        ):
            cursor.execute(
                f"update copies set end_ts = {ends[1]} where length = '{window}' and end_ts = {ends[0]} "
                f"and {among(sorted(group))}"
            )
        anew = {sid: spans for sid, spans in changed.items() if sid not in grown}
        if anew:
            cursor.execute(f"delete from copies where length = '{window}' and {among(sorted(anew))}")
            rows = [(sid, *_columns(span)) for sid, spans in sorted(anew.items()) for span in spans]
            if rows:
                cursor.execute(
                    f"insert into copies select '{window}', unnest(?::integer[]), unnest(?::bigint[]), "
                    "unnest(?::bigint[]), unnest(?::integer[]), unnest(?::double[])",
                    [list(column) for column in zip(*rows, strict=True)],
                )
        after = {sid: spans for sid, spans in {**kept, **changed}.items() if spans}
        transaction.on_commit(lambda: self._publish(window, after))

    def _publish(self, window: Window, spans: Mapping[int, Spans]) -> None:
        self._kept = {**self._kept, window: spans}


def _columns(span: Span) -> tuple[int, int, int, float]:
    return span.first, span.end, span.source, span.weight


def _with(spans: Spans, new: Span) -> Spans:
    """The spans after `new` took its place among them."""
    if any(s.alike(new) and s.first <= new.first and new.end <= s.end for s in spans):
        return spans
    cut = [s.within(s.first, new.first) for s in spans] + [s.within(new.end, s.end) for s in spans]
    found: list[Span] = []
    for span in sorted([new, *(s for s in cut if s.first < s.end)]):
        if found and found[-1].end == span.first and found[-1].alike(span):
            span = Span(found.pop().first, span.end, span.source, span.weight)
        found.append(span)
    return tuple(found)


def _is_longer(before: Spans, after: Spans) -> bool:
    """Whether only the end of the last span moved."""
    if not before or len(before) != len(after) or before[:-1] != after[:-1]:
        return False
    return before[-1].first == after[-1].first and before[-1].alike(after[-1])


def _ends(before: Spans, after: Spans) -> tuple[int, int]:
    return before[-1].end, after[-1].end


# -- what is read ------------------------------------------------------------------------------------------------------


def needed(wanted: Collection[str]) -> tuple[str, ...]:
    """The columns of 30 s buckets from which these columns follow."""
    values = ("count", "sum")
    return values if {"expected", "reported"}.isdisjoint(wanted) else (*values, "expected", "reported")


def sources(spans: Mapping[int, Spans]) -> tuple[list[int], int, int]:
    """The series that the spans stand on, ascending, and the interval in which they are wanted."""
    every = [span for of in spans.values() for span in of]
    return (
        sorted({span.source for span in every}),
        min(span.first for span in every),
        max(span.end for span in every),
    )


def written_out(
    spans: Mapping[int, Spans], halves: Columns, window: Window
) -> Iterator[tuple[Sequence[int], Buckets]]:
    """The buckets that the spans stand for: node ids, and buckets whose codes are places among these.

    halves   sid, ts, count and sum of the sources' 30 s buckets, in any order, with expected and reported where those are
             wanted of nodes that copy themselves
    """
    if not rising(halves["sid"], halves["ts"]):
        order = np.lexsort((halves["ts"], halves["sid"]))
        halves = {name: column[order] for name, column in halves.items()}
    every = sorted((s.first, s.end, node, s) for node, of in spans.items() for s in of)
    for (first, _end), group in groupby(every, key=lambda one: one[:2]):
        members = {node: span for *_, node, span in group}
        values, reporting, expected = _filled(members, halves)
        names = tuple(map(str, members))
        grid = NodeGrid(first, names, values.T, reporting.T, np.ones(len(names)))
        buckets = as_buckets(grid) if window is Window.S30 else summarise(grid, window)
        if expected is not None:
            halved = expected.reshape(len(buckets), -1)
            buckets = buckets.with_expected(
                halved[:, 0] if halved.shape[1] == 1 else halved[:, 0] + halved[:, 1]
            )
        yield list(members), buckets


def _filled(members: Mapping[int, Span], halves: Columns) -> tuple[Float64, Float64, Float64 | None]:
    """Values, and sensors that reported and that were expected, float64 (nodes, windows) over one span.

    Expected are None where it is one sensor everywhere, or where that is not wanted.
    """
    one = next(iter(members.values()))
    shape = (len(members), (one.end - one.first) // STEP_NS)
    values, reporting = np.full(shape, np.nan), np.zeros(shape)
    own = "expected" in halves and any(node == span.source for node, span in members.items())
    expected = np.ones(shape) if own else None
    sid, ts, count, total = (halves[name] for name in ("sid", "ts", "count", "sum"))
    for row, (node, span) in enumerate(members.items()):
        a, b = np.searchsorted(sid, (span.source, span.source + 1))
        c, d = a + np.searchsorted(ts[a:b], (span.first, span.end))
        at = _places(ts[c:d], span.first)
        here = count[c:d] > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total[c:d] / np.where(here, count[c:d], np.nan)
        values[row, at] = mean if span.weight == 1.0 else mean * span.weight
        if node != span.source:
            reporting[row, at] = here
        elif expected is not None:
            reporting[row, at] = halves["reported"][c:d]
            expected[row, at] = halves["expected"][c:d]
    return values, reporting, expected


def _places(ts: Int64, first: int) -> slice | Int64:
    """Where 30 s windows stand in a row that begins at `first`."""
    if not len(ts):
        return slice(0)
    a, b = ((ts[[0, -1]] - first) // STEP_NS).tolist()
    return slice(a, b + 1) if b - a == len(ts) - 1 else (ts - first) // STEP_NS
