"""From a file, whatever its format, to batches of readings in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, cast

from backend.core.errors import UserError
from backend.formats import comma, kinds
from backend.formats.batch import Batch, Mark
from backend.formats.comma import CsvParser
from backend.formats.kinds import Format, Precision
from backend.formats.line import LineParser
from backend.formats.report import Tally
from backend.formats.tables import TableReader
from backend.formats.text import batches

STDIN: Final = "-"
_ENDS: Final = 1 << 16
_HEADER: Final = 1 << 14


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to read: `format` None is told by name and content; `latest_ns` is the newest time that can be."""

    format: Format | None
    precision: Precision | None
    latest_ns: int


class Source(AbstractContextManager["Source"]):
    """An open file, unpacked where it is packed. `STDIN` is the standard input.

    head   the first bytes of the content, which `file` gives again
    """

    def __init__(self, name: str) -> None:
        """Raises `UserError` where it cannot be opened."""
        self.name = name
        self.size: int | None = None
        self._aside: BinaryIO | None = None
        with unpacking(name):
            self._raw: BinaryIO = sys.stdin.buffer if name == STDIN else Path(name).open("rb")  # noqa: SIM115
            if name != STDIN and Path(name).is_file():
                self.size = Path(name).stat().st_size
            magic = _take(self._raw, 2)
            raw = self._again(magic, self._raw)
            self.packed = magic == kinds.GZIP_MAGIC
            self.file: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if self.packed else raw
            self.head = _take(self.file, _HEADER)
            if self.packed and self.size is not None:
                self._raw.seek(0)
                self.file = cast(BinaryIO, gzip.GzipFile(fileobj=self._raw))
            else:
                self.file = self._again(self.head, self.file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._aside is not None:
            self._aside.close()
        if self.name != STDIN:
            self._raw.close()

    @property
    def read_bytes(self) -> int:
        """How far into the file as it lies there; 0 for one without positions."""
        return self._raw.tell() if self.size is not None else 0

    def _again(self, taken: bytes, file: BinaryIO) -> BinaryIO:
        if self.size is None:
            return cast(BinaryIO, io.BufferedReader(_Behind(taken, file), 1 << 20))
        file.seek(0)
        return file

    def sought(self) -> BinaryIO:
        """The content as a file that can be sought; copied aside where it is none."""
        if self.size is not None and not self.packed:
            return self.file
        self._aside = aside = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 (closed with the source)
        with unpacking(self.name):
            shutil.copyfileobj(self.file, aside, 1 << 20)
        aside.seek(0)
        return aside

    def skip(self, position: int) -> None:
        """Go to a position of the content."""
        if self.size is not None and not self.packed:
            self.file.seek(position)
            return
        with unpacking(self.name):
            while position and (got := len(self.file.read(min(position, 1 << 20)))):
                position -= got


class _Behind(io.RawIOBase):
    """A stream whose first bytes were taken already."""

    def __init__(self, taken: bytes, file: BinaryIO) -> None:
        self._taken = taken
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        got = self._taken[: len(buffer)] or self._file.read(len(buffer))
        self._taken = self._taken[len(got) :]
        buffer[: len(got)] = got
        return len(got)


def _take(file: BinaryIO, most: int) -> bytes:
    taken = b""
    while len(taken) < most and (got := file.read(most - len(taken))):
        taken += got
    return taken


def identity(name: str) -> str | None:
    """What tells a file from others and from itself once it is changed, wherever it is moved to; None for a stream."""
    if name == STDIN or not Path(name).is_file():
        return None
    with unpacking(name), Path(name).open("rb") as file:
        size = Path(name).stat().st_size
        digest = hashlib.sha256(str(size).encode())
        digest.update(file.read(_ENDS))
        file.seek(max(0, size - _ENDS))
        digest.update(file.read(_ENDS))
        return digest.hexdigest()


def read(source: Source, wanted: Wanted, tally: Tally, start: Mark) -> Iterator[Batch]:
    """All batches behind `start`. Raises `UserError` where the file as a whole cannot be read, even in its midst."""
    head = source.head
    kind = wanted.format or kinds.of_name(source.name) or kinds.of_content(head)
    tables = TableReader(wanted.precision, wanted.latest_ns, tally)
    if kind is Format.PARQUET:
        found = tables.parquet(source.sought(), start)
    elif kind is Format.ARROW:
        packed_file = head.startswith(kinds.ARROW_FILE_MAGIC)
        found = tables.arrow(source.sought() if packed_file else source.file, head, start)
    else:
        found = _text(source, kind, wanted, tally, start, head)
    return _guarded(source.name, found)


def _text(
    source: Source, kind: Format, wanted: Wanted, tally: Tally, start: Mark, head: bytes
) -> Iterator[Batch]:
    if kind is Format.LINE:
        if start.position:
            source.skip(start.position)
        parser = LineParser(wanted.precision or Precision.NS, wanted.latest_ns)
        return batches(source.file, parser, tally, start)
    first = head.split(b"\n", 2)
    header = comma.header_of(first[0])
    precision = comma.precision_of(first[1], header, wanted.precision) if len(first) > 1 else wanted.precision
    position, line = max((len(first[0]) + (len(first) > 1), 1), (start.position, start.line))
    source.skip(position)
    return batches(source.file, CsvParser(header, precision, wanted.latest_ns), tally, Mark(position, line))


def _guarded(name: str, found: Iterator[Batch]) -> Iterator[Batch]:
    with unpacking(name):
        yield from found


class unpacking:  # noqa: N801 (reads as a statement)
    """Tells in words that a packed file is damaged or cut off, or that a disk does not answer."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
            raise UserError(f"{self._name}: the packed file is damaged or cut off: {error}") from error
        if isinstance(error, OSError):
            raise UserError(f"{self._name} cannot be read: {error.strerror or error}") from error
