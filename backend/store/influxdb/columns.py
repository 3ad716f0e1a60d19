"""InfluxDB's CSV answers as numpy columns.

An answer holds the rows of one series after those of another, each as `name,tags,time,field,...`. The numbers are read in
one go; a series is told by where the text of its first two cells ends, found by bisection and not row by row.
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
"""Rows parsed at once: the parser keeps the interpreter's lock, and others of this process wait some 8 ms for it."""

_CELL = rb'(?:"((?:[^"]|"")*)"|([^",\n]*)),'
_HEAD = re.compile(_CELL + _CELL)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """The rows of one series: its measurement, its tags as the server spells them, and columns, NaN where empty."""

    name: str
    tags: str
    times: Int64
    fields: Sequence[Float64]


def runs(text: bytes, fields: int) -> Iterator[Run]:
    """Every series of a result that has `fields` numeric columns after the time; b"" is a result without rows."""
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
        # Rows of a series stand together, so "has another head" is false, then true.
        rest = range(row, len(starts))
        stop = row + bisect_left(rest, True, key=lambda r: not body.startswith(head[0], int(starts[r])))
        yield Run(
            _plain(head[1], head[2]),
            _plain(head[3], head[4]),
            times[row:stop],
            [column[row:stop] for column in columns],
        )
        row = stop


def words(text: bytes) -> list[list[str]]:
    """The cells of a short result of words, such as a SHOW's, row by row, without the heading."""
    rows = text.split(b"\n")[1:]
    return [[_plain(*cell) for cell in re.findall(_CELL, row + b",")] for row in rows if row]


def _plain(quoted: bytes | None, bare: bytes | None) -> str:
    return (quoted.replace(b'""', b'"') if quoted else bare or b"").decode()


def _numbers(body: bytes, starts: Int64, fields: int) -> tuple[Int64, list[Float64]]:
    dtype = np.dtype([("time", np.int64), *((f"f{at}", np.float64) for at in range(fields))])
    edges = [*starts[::BLOCK_ROWS].tolist(), len(body)]
    blocks = [
        np.loadtxt(
            io.BytesIO(_filled(body[a:b])),
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


def _filled(rows: bytes) -> bytes:
    """Empty cells say nan. Cells of names may change too, nobody reads those from here."""
    if b",," not in rows and b",\n" not in rows:
        return rows
    return rows.replace(b",,", b",nan,").replace(b",,", b",nan,").replace(b",\n", b",nan\n")
