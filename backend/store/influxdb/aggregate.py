"""Buckets of raw readings of groups of sensors, computed with numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from backend.core.bucket import Buckets
from backend.core.reading import Int32, Int64, Points
from backend.core.windows import Window
from backend.store.summary import Summary, summarise


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Buckets of some groups over some time, one row each: group codes int32, window starts int64 ns, statistics."""

    codes: Int32
    starts: Int64
    summary: Summary


def summarise_groups(groups: Sequence[tuple[int, Sequence[Points]]], window: Window) -> Piece | None:
    """Return buckets of groups, each a code and its sensors' readings; None if there is no reading at all."""
    codes = np.repeat(
        np.array([code for code, _ in groups], np.int32), [sum(map(len, members)) for _, members in groups]
    )
    if not len(codes):
        return None
    points = [series for _, members in groups for series in members]
    number = np.concatenate([series.times for series in points]) // window.ns
    values = np.concatenate([series.values for series in points])
    low, span = int(number.min()), int(number.max()) - int(number.min()) + 1
    key = codes * np.int64(span) + (number - low)
    if np.any(key[1:] < key[:-1]):
        # 16-bit integers are sorted by radix.
        order = np.argsort(key.astype(np.uint16) if key.max() < 1 << 16 else key, kind="stable")
        key, values = key[order], values[order]
    first = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    code, number = np.divmod(key[first], span)
    return Piece(code.astype(np.int32), (number + low) * window.ns, summarise(values, first))


def join_pieces(names: Sequence[str], pieces: Sequence[Piece]) -> Buckets:
    """Return all rows of the pieces, sorted; no row is in two pieces."""
    if not pieces:
        return Buckets.empty(names)
    codes = np.concatenate([piece.codes for piece in pieces])
    starts = np.concatenate([piece.starts for piece in pieces])
    order = np.lexsort((starts, codes))
    columns = {
        field.name: np.concatenate([getattr(piece.summary, field.name) for piece in pieces])[order]
        for field in fields(Summary)
    }
    unknown = np.full(len(codes), np.nan)
    return Buckets(names, codes[order], starts[order], **columns, expected=unknown, reported=columns["count"])
