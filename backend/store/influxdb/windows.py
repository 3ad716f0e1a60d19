"""Readings of groups of sensors, as columns, into buckets."""

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
    """Buckets of some groups over some time, a row each: group codes int32, window starts int64 ns, statistics."""

    codes: Int32
    starts: Int64
    summary: Summary


def summarised(groups: Sequence[tuple[int, Sequence[Points]]], window: Window) -> Piece | None:
    """Buckets of groups, each a code and its sensors' readings; None where there is no reading at all."""
    codes = np.repeat(
        np.array([code for code, _ in groups], np.int32), [sum(map(len, members)) for _, members in groups]
    )
    if not len(codes):
        return None
    points = [one for _, members in groups for one in members]
    number = np.concatenate([one.times for one in points]) // window.ns
    values = np.concatenate([one.values for one in points])
    low, span = int(number.min()), int(number.max()) - int(number.min()) + 1
    key = codes * np.int64(span) + (number - low)
    if np.any(key[1:] < key[:-1]):
        # Sixteen bits are sorted by radix.
        order = np.argsort(key.astype(np.uint16) if key.max() < 1 << 16 else key, kind="stable")
        key, values = key[order], values[order]
    first = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    code, number = np.divmod(key[first], span)
    return Piece(code.astype(np.int32), (number + low) * window.ns, summarise(values, first))


def joined(names: Sequence[str], pieces: Sequence[Piece]) -> Buckets:
    """All rows of the pieces; none is in two of them."""
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
