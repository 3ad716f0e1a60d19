"""Text in lines, read in chunks: quickly by columns, and line by line where that fails.

A chunk is parsed as a whole. Where a line in it cannot be, it is halved until the line is alone with few others, and
those are read with care; so one bad line costs little, and each is told with its number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backend.core.reading import Readings
from backend.formats.batch import BATCH_ROWS, Batch, Mark, Rows, Sensors
from backend.formats.report import Fault, Tally, shown

CHUNK: Final = 4 << 20
LONGEST_LINE: Final = 1 << 20
_QUIET_BYTES: Final = 64 << 20
_FEW_BYTES: Final = 16 << 10


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines, each ended by a newline; `first` is the number of the first, `end` where the file goes on."""

    data: bytes
    lines: int
    first: int
    end: Mark


class Parser(Protocol):
    """One format. `latest_ns` bounds its times."""

    sensors: Sensors

    def sort_out(self, chunk: Chunk, tally: Tally) -> tuple[bytes, npt.NDArray[np.int64] | None]:
        """The lines that may be readings, and their numbers; None where they are all of the chunk."""
        ...

    def columns(self, data: bytes) -> tuple[Rows, npt.NDArray[np.bool_]]:
        """A row a line, and which of them are good. Raises `pa.ArrowInvalid` where it cannot tell."""
        ...

    def row(self, line: bytes, tally: Tally) -> tuple[int, int, float] | None:
        """Code, time and value of one line; None for a line to pass over. Raises Fault."""
        ...


def batches(file: BinaryIO, parser: Parser, tally: Tally, start: Mark) -> Iterator[Batch]:
    """All that the file has from its position on, which is `start`."""
    gathered: list[Rows] = []
    rows = noted = 0
    mark = start
    broken: Exception | None = None
    found = chunks(file, tally, start)
    while True:
        try:
            chunk = next(found, None)
        except Exception as error:  # the file ends before its end: what came before it counts
            broken, chunk = error, None
        if chunk is None:
            break
        for part in _parse(parser, chunk, tally):
            gathered.append(part)
            rows += len(part)
        mark = chunk.end
        if rows >= BATCH_ROWS or mark.position - noted >= _QUIET_BYTES:
            yield _batch(parser.sensors, gathered, mark)
            gathered, rows, noted = [], 0, mark.position
    yield _batch(parser.sensors, gathered, mark)
    if broken is not None:
        raise broken


def chunks(file: BinaryIO, tally: Tally, start: Mark) -> Iterator[Chunk]:
    """Cut at the ends of lines; a line that is longer than any should be is told and passed over."""
    position, line, rest = start.position, start.line, b""
    endless = False
    while True:
        got = file.read(CHUNK)
        data = rest + got
        cut = data.rfind(b"\n") + 1 if got else len(data)
        rest = data[cut:]
        if cut:
            lost = data.find(b"\n") + 1 or cut if endless else 0
            whole = data[lost:cut]
            position += cut
            line += endless
            endless = False
            if whole and not whole.endswith(b"\n"):
                whole += b"\n"
            count = whole.count(b"\n")
            if whole:
                yield Chunk(_plain(whole, line == 0), count, line + 1, Mark(position, line + count))
            line += count
        if len(rest) > LONGEST_LINE:
            if not endless:
                tally.fault(
                    line + 1,
                    Fault(f"a line that begins {shown(rest[:40])} and does not end", "shorter lines"),
                )
            position, rest, endless = position + len(rest), b"", True
        if not got:
            return


def _plain(data: bytes, first: bool) -> bytes:
    if first:
        data = data.removeprefix(b"\xef\xbb\xbf")
    return data.replace(b"\r\n", b"\n") if b"\r" in data else data


def _parse(parser: Parser, chunk: Chunk, tally: Tally) -> Iterator[Rows]:
    data, numbers = parser.sort_out(chunk, tally)
    waiting = [(data, 0)] if data else []
    while waiting:
        data, before = waiting.pop()
        try:
            rows, good = parser.columns(data)
        except pa.ArrowInvalid:
            middle = data.rfind(b"\n", 0, len(data) // 2) + 1
            if len(data) > _FEW_BYTES and middle:
                waiting.append((data[middle:], before + data.count(b"\n", 0, middle)))
                waiting.append((data[:middle], before))
                continue
            rows, good = _none(data.count(b"\n"))
        if not good.all():
            rows = _with_care(parser, data, rows, good, chunk.first, numbers, before, tally)
        tally.readings += len(rows)
        yield rows


def _with_care(
    parser: Parser,
    data: bytes,
    rows: Rows,
    good: npt.NDArray[np.bool_],
    first: int,
    numbers: npt.NDArray[np.int64] | None,
    before: int,
    tally: Tally,
) -> Rows:
    """The rows with those put right, or left out, that were not good."""
    lines = data.split(b"\n")
    good = good.copy()
    for at in np.flatnonzero(~good).tolist():
        try:
            found = parser.row(lines[at], tally)
        except Fault as fault:
            index = before + at
            tally.fault(first + (index if numbers is None else int(numbers[index])), fault)
            continue
        if found is not None:
            rows.codes[at], rows.times[at], rows.values[at] = found
            good[at] = True
    return Rows(rows.codes[good], rows.times[good], rows.values[good])


def _none(count: int) -> tuple[Rows, npt.NDArray[np.bool_]]:
    rows = Rows(np.zeros(count, np.int32), np.zeros(count, np.int64), np.zeros(count, np.float64))
    return rows, np.zeros(count, bool)


def _batch(sensors: Sensors, parts: list[Rows], mark: Mark) -> Batch:
    if not parts:
        return Batch(Readings.empty(), {}, mark)
    readings = Readings(
        tuple(sensors.names),
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.values for part in parts]),
    )
    return Batch(readings, dict(sensors.tags), mark)
