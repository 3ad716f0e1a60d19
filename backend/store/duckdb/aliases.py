"""Aliases: intervals in which the buckets of a tree node are those of another series, stored as one row.

Most nodes of an energy tree are leaves. Their 30 s values are the 30 s means of one sensor, which are stored anyway.
The minutes of all nodes follow from two of their 30 s values each. Written out they would be most of the rows. Longer
windows are few, and are written out. If a bucket row exists too, the row takes precedence. See docs/decisions/0007.
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
from backend.store.duckdb.partitions import sid_condition
from backend.store.duckdb.rows import is_sorted

WINDOWS: Final = (Window.S30, Window.M1)

SCHEMA: Final = """
create table if not exists copies(
  length varchar, sid integer, first_ts bigint, end_ts bigint, source integer, weight double);
"""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """[first, end) ns, edges of the window, in which a node has the values of the series `source`, times `weight`."""

    first: int
    end: int
    source: int
    weight: float

    def clipped(self, start_ns: int, end_ns: int) -> Span:
        return Span(max(self.first, start_ns), min(self.end, end_ns), self.source, self.weight)

    def has_same_source(self, other: Span) -> bool:
        return (self.source, self.weight) == (other.source, other.weight)


Spans = tuple[Span, ...]


class Aliases:
    """The spans of each node, oldest first.

    Changes run on the writer thread; readers use the mapping they started with.
    """

    def __init__(self) -> None:
        # Replaced, never changed in place: a reader compares the object it started from.
        self._spans: Mapping[Window, Mapping[int, Spans]] = {window: {} for window in Window}

    def load(self, transaction: Transaction) -> None:
        transaction.cursor.execute(SCHEMA)
        spans_of: dict[Window, dict[int, Spans]] = {window: {} for window in Window}
        rows = transaction.cursor.execute(
            "select length, sid, first_ts, end_ts, source, weight from copies order by sid, first_ts"
        ).fetchall()
        for length, sid, *span in rows:
            by_node = spans_of[Window(length)]
            by_node[sid] = (*by_node.get(sid, ()), Span(*span))
        self._spans = spans_of

    def spans(self, window: Window) -> Mapping[int, Spans]:
        """Return all spans of a window by node; the same object as long as nothing changed."""
        return self._spans[window]

    def spans_in(self, window: Window, sids: Iterable[int], start_ns: int, end_ns: int) -> dict[int, Spans]:
        """Return the parts of the spans of these nodes that hold windows which start in [start_ns, end_ns)."""
        stored = self.spans(window)
        if not stored or start_ns >= end_ns:
            return {}
        first, end = window.ceil(start_ns), window.ceil(end_ns)
        clipped_spans = {
            sid: tuple(
                span.clipped(first, end)
                for span in stored.get(sid, ())
                if span.first < end and first < span.end
            )
            for sid in sids
        }
        return {sid: spans for sid, spans in clipped_spans.items() if spans}

    def set_spans(self, transaction: Transaction, window: Window, new_spans: Mapping[int, Span]) -> None:
        """Set these spans of nodes, in place of what was stored for their intervals."""
        stored = self.spans(window)
        changed = {
            sid: merged
            for sid, span in new_spans.items()
            if (merged := _insert_span(stored.get(sid, ()), span)) != stored.get(sid, ())
        }
        self._store(transaction, window, changed)

    def aliasing_nodes(self, window: Window, source_series: frozenset[int]) -> set[int]:
        """Return the nodes that alias any of these series anywhere."""
        return {
            sid for sid, spans in self.spans(window).items() if any(s.source in source_series for s in spans)
        }

    def trim(
        self, transaction: Transaction, window: Window, end_ns: int, sids: Collection[int] | None = None
    ) -> None:
        """Delete windows that start before `end_ns`, of all nodes if none is named."""
        edge = window.ceil(end_ns)
        changed = {
            sid: tuple(span.clipped(edge, span.end) for span in spans if span.end > edge)
            for sid, spans in self.spans(window).items()
            if spans[0].first < edge and (sids is None or sid in sids)
        }
        self._store(transaction, window, changed)

    def _store(self, transaction: Transaction, window: Window, changed: Mapping[int, Spans]) -> None:
        if not changed:
            return
        stored, cursor = self.spans(window), transaction.cursor
        extended = {sid: spans for sid, spans in changed.items() if _is_longer(stored.get(sid, ()), spans)}
        for ends, group in groupby(
            sorted(extended, key=lambda s: _ends(stored[s], extended[s])),
            key=lambda s: _ends(stored[s], extended[s]),
        ):
            cursor.execute(
                f"update copies set end_ts = {ends[1]} where length = '{window}' and end_ts = {ends[0]} "
                f"and {sid_condition(sorted(group))}"
            )
        rewritten = {sid: spans for sid, spans in changed.items() if sid not in extended}
        if rewritten:
            cursor.execute(
                f"delete from copies where length = '{window}' and {sid_condition(sorted(rewritten))}"
            )
            rows = [(sid, *_columns(span)) for sid, spans in sorted(rewritten.items()) for span in spans]
            if rows:
                cursor.execute(
                    f"insert into copies select '{window}', unnest(?::integer[]), unnest(?::bigint[]), "
                    "unnest(?::bigint[]), unnest(?::integer[]), unnest(?::double[])",
                    [list(column) for column in zip(*rows, strict=True)],
                )
        after = {sid: spans for sid, spans in {**stored, **changed}.items() if spans}
        transaction.on_commit(lambda: self._publish(window, after))

    def _publish(self, window: Window, spans: Mapping[int, Spans]) -> None:
        self._spans = {**self._spans, window: spans}


def _columns(span: Span) -> tuple[int, int, int, float]:
    return span.first, span.end, span.source, span.weight


def _insert_span(spans: Spans, new: Span) -> Spans:
    """Return the spans after `new` replaced what they held in its interval."""
    if any(s.has_same_source(new) and s.first <= new.first and new.end <= s.end for s in spans):
        return spans
    remainders = [s.clipped(s.first, new.first) for s in spans] + [s.clipped(new.end, s.end) for s in spans]
    result: list[Span] = []
    for span in sorted([new, *(s for s in remainders if s.first < s.end)]):
        if result and result[-1].end == span.first and result[-1].has_same_source(span):
            span = Span(result.pop().first, span.end, span.source, span.weight)
        result.append(span)
    return tuple(result)


def _is_longer(before: Spans, after: Spans) -> bool:
    """Return whether only the end of the last span moved."""
    if not before or len(before) != len(after) or before[:-1] != after[:-1]:
        return False
    return before[-1].first == after[-1].first and before[-1].has_same_source(after[-1])


def _ends(before: Spans, after: Spans) -> tuple[int, int]:
    return before[-1].end, after[-1].end


# -- reading -------------------------------------------------------------------------------------------------------------


def source_columns(columns: Collection[str]) -> tuple[str, ...]:
    """Return the columns of 30 s buckets that are needed to compute these columns."""
    values = ("count", "sum")
    return values if {"expected", "reported"}.isdisjoint(columns) else (*values, "expected", "reported")


def source_series(spans: Mapping[int, Spans]) -> tuple[list[int], int, int]:
    """Return the source series of the spans, ascending, and the interval that is needed of them."""
    all_spans = [span for node_spans in spans.values() for span in node_spans]
    return (
        sorted({span.source for span in all_spans}),
        min(span.first for span in all_spans),
        max(span.end for span in all_spans),
    )


def resolve(
    spans: Mapping[int, Spans], halves: Columns, window: Window
) -> Iterator[tuple[Sequence[int], Buckets]]:
    """Yield the buckets that the spans stand for: node ids, and buckets whose codes are positions among these.

    halves   sid, ts, count and sum of the sources' 30 s buckets, in any order. Expected and reported are there too if they are
             requested of nodes that alias themselves
    """
    if not is_sorted(halves["sid"], halves["ts"]):
        order = np.lexsort((halves["ts"], halves["sid"]))
        halves = {name: column[order] for name, column in halves.items()}
    ordered = sorted((s.first, s.end, node, s) for node, node_spans in spans.items() for s in node_spans)
    for (first, _end), group in groupby(ordered, key=lambda item: item[:2]):
        members = {node: span for *_, node, span in group}
        values, reporting, expected = _fill_values(members, halves)
        names = tuple(map(str, members))
        grid = NodeGrid(first, names, values.T, reporting.T, np.ones(len(names)))
        buckets = as_buckets(grid) if window is Window.S30 else summarise(grid, window)
        if expected is not None:
            halved = expected.reshape(len(buckets), -1)
            buckets = buckets.with_expected(
                halved[:, 0] if halved.shape[1] == 1 else halved[:, 0] + halved[:, 1]
            )
        yield list(members), buckets


def _fill_values(members: Mapping[int, Span], halves: Columns) -> tuple[Float64, Float64, Float64 | None]:
    """Return values, and the reported and expected sensors, float64 (nodes, windows) over one span.

    Expected is None if it is one sensor everywhere, or if it is not requested.
    """
    first_span = next(iter(members.values()))
    shape = (len(members), (first_span.end - first_span.first) // STEP_NS)
    values, reporting = np.full(shape, np.nan), np.zeros(shape)
    has_self_alias = "expected" in halves and any(node == span.source for node, span in members.items())
    expected = np.ones(shape) if has_self_alias else None
    sid, ts, count, total = (halves[name] for name in ("sid", "ts", "count", "sum"))
    for row, (node, span) in enumerate(members.items()):
        a, b = np.searchsorted(sid, (span.source, span.source + 1))
        c, d = a + np.searchsorted(ts[a:b], (span.first, span.end))
        at = _positions(ts[c:d], span.first)
        has_values = count[c:d] > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total[c:d] / np.where(has_values, count[c:d], np.nan)
        values[row, at] = mean if span.weight == 1.0 else mean * span.weight
        if node != span.source:
            reporting[row, at] = has_values
        elif expected is not None:
            reporting[row, at] = halves["reported"][c:d]
            expected[row, at] = halves["expected"][c:d]
    return values, reporting, expected


def _positions(ts: Int64, first: int) -> slice | Int64:
    """Return the positions of 30 s windows in a row that begins at `first`."""
    if not len(ts):
        return slice(0)
    a, b = ((ts[[0, -1]] - first) // STEP_NS).tolist()
    return slice(a, b + 1) if b - a == len(ts) - 1 else (ts - first) // STEP_NS
