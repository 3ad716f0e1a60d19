"""InfluxDB's CSV answers as numpy columns.

An answer holds the rows of one series after those of another, each as `name,tags,time,field,...`. The numbers are
parsed in one go. A series ends where the text of its first two cells changes, which is found by bisection and not row
by row.
"""

from __future__ import annotations

import io
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from backend.core.reading import Float64, Int64

BLOCK_ROWS: Final = 20_000
"""Rows parsed at once: the parser holds the interpreter lock, for some 8 ms."""

_CELL = rb'(?:"((?:[^"]|"")*)"|([^",\n]*)),'
_HEAD = re.compile(_CELL + _CELL)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """The rows of one series: its measurement, its tags as the server writes them, and columns, NaN where empty."""

    name: str
    tags: str
    times: Int64
    fields: Sequence[Float64]


def runs(text: bytes, fields: int) -> Iterator[Run]:
    """Yield every series of a result with `fields` numeric columns after the time; b"" is a result without rows."""
    body = text[text.find(b"\n") + 1 :]
    if not body:
        return
    ends = np.flatnonzero(np.frombuffer(body, np.uint8) == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    times, columns = _numbers(body, starts, fields)
    row = 0
    while row < len(starts):
        head = _HEAD.match(body, starts[row])
        assert head is not None, "a row of an answer does not begin with two cells"
        # Rows of a series are contiguous, so "has another head" is false, then true.
        remaining = range(row, len(starts))
        stop = row + bisect_left(remaining, True, key=lambda r: not body.startswith(head[0], int(starts[r])))
        yield Run(
            _unquote(head[1], head[2]),
            _unquote(head[3], head[4]),
            times[row:stop],
            [column[row:stop] for column in columns],
        )
        row = stop


def text_cells(text: bytes) -> list[list[str]]:
    """Return the cells of a short text result, such as that of a SHOW, row by row, without the header."""
    rows = text.split(b"\n")[1:]
    return [[_unquote(*cell) for cell in re.findall(_CELL, row + b",")] for row in rows if row]


def _unquote(quoted: bytes | None, bare: bytes | None) -> str:
    return (quoted.replace(b'""', b'"') if quoted else bare or b"").decode()


def _numbers(body: bytes, starts: Int64, fields: int) -> tuple[Int64, list[Float64]]:
    dtype = np.dtype([("time", np.int64), *((f"f{at}", np.float64) for at in range(fields))])
    edges = [*starts[::BLOCK_ROWS].tolist(), len(body)]
    blocks = [
        np.loadtxt(
            io.BytesIO(_fill_empty_cells(body[a:b])),
            dtype,
            comments=None,
            delimiter=",",
            quotechar='"',
            usecols=range(2, 3 + fields),
            encoding="latin-1",
            ndmin=1,
        )
        for a, b in pairwise(edges)
    ]
    table = np.concatenate(blocks)
    return table["time"].copy(), [table[f"f{at}"].copy() for at in range(fields)]


def _fill_empty_cells(rows: bytes) -> bytes:
    """Return the rows with `nan` in empty cells. Cells of names may change too; they are not read from here."""
    if b",," not in rows and b",\n" not in rows:
        return rows
    return rows.replace(b",,", b",nan,").replace(b",,", b",nan,").replace(b",\n", b",nan\n")
