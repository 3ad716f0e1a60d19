"""Find the spans of history that late readings make dirty, and order the healing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from backend.core.ports import DirtyWindow
from backend.core.reading import Readings
from backend.core.windows import Window

FINE_NS: Final = Window.H1.ns
COARSE_NS: Final = 7 * Window.D1.ns
MAX_RUNS: Final = 8


def dirty_spans(readings: Readings, horizon_ns: int) -> Sequence[DirtyWindow]:
    """Return the spans to mark dirty for readings older than the horizon.

    The span is coarser for an older reading: 30 s within the last hour, 1 h within the last week, else 1 d. So a bulk of old
    readings marks few spans, and marks the same ones each time. A reading that is a minute late costs one window.
    """
    late = readings.times < horizon_ns
    codes, times = readings.codes[late], readings.times[late]
    age = horizon_ns - times
    step = np.where(age <= FINE_NS, Window.S30.ns, np.where(age <= COARSE_NS, Window.H1.ns, Window.D1.ns))
    starts = times - times % step
    spans = np.unique(np.stack([codes.astype(np.int64), starts, starts + step]), axis=1)
    return [DirtyWindow(readings.names[code], start, end) for code, start, end in spans.T.tolist()]


def days(spans: Iterable[DirtyWindow]) -> Iterator[tuple[int, Sequence[DirtyWindow], Sequence[DirtyWindow]]]:
    """Yield the work by UTC day, newest first: start of the day, spans that reach into it, spans that end with it."""
    day = Window.D1
    by_day: dict[int, list[DirtyWindow]] = {}
    for span in spans:
        for start in day.starts(span.start_ns, span.end_ns):
            by_day.setdefault(start, []).append(span)
    for start in sorted(by_day, reverse=True):
        yield start, by_day[start], [span for span in by_day[start] if day.floor(span.start_ns) == start]


def merge_spans(
    spans: Iterable[tuple[int, int]], window: Window, start_ns: int, end_ns: int
) -> Sequence[tuple[int, int]]:
    """Return the whole windows that hold the spans, as few disjoint intervals within [start_ns, end_ns), oldest first.

    If they are many, return one interval around them all: recomputing a few windows in vain costs less than many small reads.
    """
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        start, end = max(window.floor(start), start_ns), min(window.ceil(end), end_ns)
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    if len(merged) > MAX_RUNS:
        return [(merged[0][0], merged[-1][1])]
    return merged
