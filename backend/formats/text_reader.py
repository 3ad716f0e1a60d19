"""Reader of text files in chunks of lines: by columns, which is fast, and line by line if that fails.

A chunk is parsed as a whole. If a line in it cannot be parsed, the chunk is halved until the line is alone with few
others, and those are parsed one by one. So one bad line costs little, and each is reported with its number.
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
from backend.formats.report import Fault, Tally, quoted

CHUNK_BYTES: Final = 4 << 20
MAX_LINE_BYTES: Final = 1 << 20
_BYTES_BETWEEN_MARKS: Final = 64 << 20
_FEW_BYTES: Final = 16 << 10


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines, each ended by a newline; `first` is the number of the first, `end` the mark after them."""

    data: bytes
    lines: int
    first: int
    end: Mark


class Parser(Protocol):
    """Parser of one format, with an upper limit for its times."""

    sensors: Sensors

    def filter_lines(self, chunk: Chunk, tally: Tally) -> tuple[bytes, npt.NDArray[np.int64] | None]:
        """Return the lines that may be readings, and their numbers; None if they are all lines of the chunk."""
        ...

    def columns(self, data: bytes) -> tuple[Rows, npt.NDArray[np.bool_]]:
        """Return one row per line, and which rows are good.

        Raise `pa.ArrowInvalid` if the data cannot be parsed by columns.
        """
        ...

    def row(self, line: bytes, tally: Tally) -> tuple[int, int, float] | None:
        """Return code, time and value of one line; None for a line to skip. Raise Fault."""
        ...


def batches(file: BinaryIO, parser: Parser, tally: Tally, start: Mark) -> Iterator[Batch]:
    """Yield everything from the file's position on, which is `start`."""
    parts: list[Rows] = []
    rows = yielded_at = 0
    mark = start
    failure: Exception | None = None
    source_chunks = chunks(file, tally, start)
    while True:
        try:
            chunk = next(source_chunks, None)
        except Exception as error:  # the file is truncated: keep what was read before
            failure, chunk = error, None
        if chunk is None:
            break
        for part in _parse(parser, chunk, tally):
            parts.append(part)
            rows += len(part)
        mark = chunk.end
        if rows >= BATCH_ROWS or mark.position - yielded_at >= _BYTES_BETWEEN_MARKS:
            yield _batch(parser.sensors, parts, mark)
            parts, rows, yielded_at = [], 0, mark.position
    yield _batch(parser.sensors, parts, mark)
    if failure is not None:
        raise failure


def chunks(file: BinaryIO, tally: Tally, start: Mark) -> Iterator[Chunk]:
    """Yield chunks cut at line ends. A line that exceeds the maximum length is reported and skipped."""
    position, line, unfinished = start.position, start.line, b""
    in_long_line = False
    while True:
        block = file.read(CHUNK_BYTES)
        data = unfinished + block
        end = data.rfind(b"\n") + 1 if block else len(data)
        unfinished = data[end:]
        if end:
            skipped = data.find(b"\n") + 1 or end if in_long_line else 0
            lines = data[skipped:end]
            position += end
            line += in_long_line
            in_long_line = False
            if lines and not lines.endswith(b"\n"):
                lines += b"\n"
            count = lines.count(b"\n")
            if lines:
                yield Chunk(_plain(lines, line == 0), count, line + 1, Mark(position, line + count))
            line += count
        if len(unfinished) > MAX_LINE_BYTES:
            if not in_long_line:
                tally.fault(
                    line + 1,
                    Fault(
                        f"a line that begins {quoted(unfinished[:40])} and is too long",
                        f"at most {MAX_LINE_BYTES:,} bytes",
                    ),
                )
            position, unfinished, in_long_line = position + len(unfinished), b"", True
        if not block:
            return


def _plain(data: bytes, first: bool) -> bytes:
    if first:
        data = data.removeprefix(b"\xef\xbb\xbf")
    return data.replace(b"\r\n", b"\n") if b"\r" in data else data


def _parse(parser: Parser, chunk: Chunk, tally: Tally) -> Iterator[Rows]:
    data, numbers = parser.filter_lines(chunk, tally)
    pending = [(data, 0)] if data else []
    while pending:
        data, line_offset = pending.pop()
        try:
            rows, is_good = parser.columns(data)
        except pa.ArrowInvalid:
            middle = data.rfind(b"\n", 0, len(data) // 2) + 1
            if len(data) > _FEW_BYTES and middle:
                pending.append((data[middle:], line_offset + data.count(b"\n", 0, middle)))
                pending.append((data[:middle], line_offset))
                continue
            rows, is_good = _empty_rows(data.count(b"\n"))
        if not is_good.all():
            rows = _parse_bad_rows(parser, data, rows, is_good, chunk.first, numbers, line_offset, tally)
        tally.readings += len(rows)
        yield rows


def _parse_bad_rows(
    parser: Parser,
    data: bytes,
    rows: Rows,
    is_good: npt.NDArray[np.bool_],
    first: int,
    numbers: npt.NDArray[np.int64] | None,
    before: int,
    tally: Tally,
) -> Rows:
    """Return the rows after the bad ones were parsed line by line; those that are no readings are left out."""
    lines = data.split(b"\n")
    is_good = is_good.copy()
    for i in np.flatnonzero(~is_good).tolist():
        try:
            reading = parser.row(lines[i], tally)
        except Fault as fault:
            index = before + i
            tally.fault(first + (index if numbers is None else int(numbers[index])), fault)
            continue
        if reading is not None:
            rows.codes[i], rows.times[i], rows.values[i] = reading
            is_good[i] = True
    return Rows(rows.codes[is_good], rows.times[is_good], rows.values[is_good])


def _empty_rows(count: int) -> tuple[Rows, npt.NDArray[np.bool_]]:
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
