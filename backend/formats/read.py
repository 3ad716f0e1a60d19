"""Read a file of any format into batches of readings, in bounded memory."""

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
from backend.formats import csv_parser, file_formats
from backend.formats.batch import Batch, Mark
from backend.formats.csv_parser import CsvParser
from backend.formats.file_formats import Format, Precision
from backend.formats.line_parser import LineParser
from backend.formats.report import Tally
from backend.formats.table_reader import TableReader
from backend.formats.text_reader import batches

STDIN: Final = "-"
_SAMPLE_BYTES: Final = 1 << 16
_HEADER_BYTES: Final = 1 << 14


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Options of a reader: `format` None is detected from name and content; `latest_ns` is the newest valid time."""

    format: Format | None
    precision: Precision | None
    latest_ns: int


class Source(AbstractContextManager["Source"]):
    """An open file, decompressed if it is compressed. `STDIN` is the standard input.

    head   the first bytes of the content, which `file` returns again
    """

    def __init__(self, name: str) -> None:
        """Open the file. Raise `UserError` if it cannot be opened."""
        self.name = name
        self.size: int | None = None
        self._temporary: BinaryIO | None = None
        with readable_errors(name):
            self._raw: BinaryIO = sys.stdin.buffer if name == STDIN else Path(name).open("rb")  # noqa: SIM115
            if name != STDIN and Path(name).is_file():
                self.size = Path(name).stat().st_size
            magic = _read_up_to(self._raw, 2)
            raw = self._from_start(magic, self._raw)
            self.is_compressed = magic == file_formats.GZIP_MAGIC
            self.file: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if self.is_compressed else raw
            self.head = _read_up_to(self.file, _HEADER_BYTES)
            if self.is_compressed and self.size is not None:
                self._raw.seek(0)
                self.file = cast(BinaryIO, gzip.GzipFile(fileobj=self._raw))
            else:
                self.file = self._from_start(self.head, self.file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._temporary is not None:
            self._temporary.close()
        if self.name != STDIN:
            self._raw.close()

    @property
    def read_bytes(self) -> int:
        """Position in the file as stored; 0 for a stream."""
        return self._raw.tell() if self.size is not None else 0

    def _from_start(self, prefix: bytes, file: BinaryIO) -> BinaryIO:
        if self.size is None:
            return cast(BinaryIO, io.BufferedReader(_Prefixed(prefix, file), 1 << 20))
        file.seek(0)
        return file

    def seekable(self) -> BinaryIO:
        """Return the content as a seekable file; copy it to a temporary file if necessary."""
        if self.size is not None and not self.is_compressed:
            return self.file
        self._temporary = temporary = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 (closed with the source)
        with readable_errors(self.name):
            shutil.copyfileobj(self.file, temporary, 1 << 20)
        temporary.seek(0)
        return temporary

    def skip(self, position: int) -> None:
        """Move to a position of the content."""
        if self.size is not None and not self.is_compressed:
            self.file.seek(position)
            return
        with readable_errors(self.name):
            while position and (count := len(self.file.read(min(position, 1 << 20)))):
                position -= count


class _Prefixed(io.RawIOBase):
    """A stream whose first bytes were already read."""

    def __init__(self, prefix: bytes, file: BinaryIO) -> None:
        self._prefix = prefix
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._prefix[: len(buffer)] or self._file.read(len(buffer))
        self._prefix = self._prefix[len(part) :]
        buffer[: len(part)] = part
        return len(part)


def _read_up_to(file: BinaryIO, limit: int) -> bytes:
    content = b""
    while len(content) < limit and (part := file.read(limit - len(content))):
        content += part
    return content


def file_identity(name: str) -> str | None:
    """Return a text that identifies a file wherever it is moved, and changes with its content; None for a stream."""
    if name == STDIN or not Path(name).is_file():
        return None
    with readable_errors(name), Path(name).open("rb") as file:
        size = Path(name).stat().st_size
        digest = hashlib.sha256(str(size).encode())
        digest.update(file.read(_SAMPLE_BYTES))
        file.seek(max(0, size - _SAMPLE_BYTES))
        digest.update(file.read(_SAMPLE_BYTES))
        return digest.hexdigest()


def read(source: Source, options: ReadOptions, tally: Tally, start: Mark) -> Iterator[Batch]:
    """Yield all batches after `start`. Raise `UserError` if the file cannot be read, at its start or later."""
    head = source.head
    kind = (
        options.format or file_formats.format_from_name(source.name) or file_formats.format_from_content(head)
    )
    tables = TableReader(options.precision, options.latest_ns, tally)
    if kind is Format.PARQUET:
        batches_found = tables.parquet(source.seekable(), start)
    elif kind is Format.ARROW:
        is_arrow_file = head.startswith(file_formats.ARROW_FILE_MAGIC)
        batches_found = tables.arrow(source.seekable() if is_arrow_file else source.file, head, start)
    else:
        batches_found = _text(source, kind, options, tally, start, head)
    return _with_readable_errors(source.name, batches_found)


def _text(
    source: Source, kind: Format, options: ReadOptions, tally: Tally, start: Mark, head: bytes
) -> Iterator[Batch]:
    if kind is Format.LINE:
        if start.position:
            source.skip(start.position)
        parser = LineParser(options.precision or Precision.NS, options.latest_ns)
        return batches(source.file, parser, tally, start)
    first = head.split(b"\n", 2)
    header = csv_parser.parse_header(first[0])
    precision = (
        csv_parser.detect_precision(first[1], header, options.precision)
        if len(first) > 1
        else options.precision
    )
    position, line = max((len(first[0]) + (len(first) > 1), 1), (start.position, start.line))
    source.skip(position)
    return batches(source.file, CsvParser(header, precision, options.latest_ns), tally, Mark(position, line))


def _with_readable_errors(name: str, batches_found: Iterator[Batch]) -> Iterator[Batch]:
    with readable_errors(name):
        yield from batches_found


class readable_errors:  # noqa: N801 (reads as a statement)
    """Translate errors of a damaged or truncated compressed file, or of the disk, to `UserError`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
            raise UserError(f"{self._name}: the compressed file is damaged or truncated: {error}") from error
        if isinstance(error, OSError):
            raise UserError(f"{self._name} cannot be read: {error.strerror or error}") from error
