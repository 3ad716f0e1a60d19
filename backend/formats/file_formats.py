"""The file formats: their names, content types and suffixes, and how they are detected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Format(StrEnum):
    """The value is the name of the format in commands and URLs."""

    LINE = "line"
    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"


class Precision(StrEnum):
    """The unit of a time that is a plain number since the epoch."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"

    @property
    def ns(self) -> int:
        return _NS[self]


_NS: Final = {Precision.S: 10**9, Precision.MS: 10**6, Precision.US: 1000, Precision.NS: 1}


@dataclass(frozen=True, slots=True)
class FormatInfo:
    """The content type of a format in HTTP, and the suffix of its files."""

    content_type: str
    suffix: str


FORMAT_INFO: Final[Mapping[Format, FormatInfo]] = {
    Format.LINE: FormatInfo("text/plain; charset=utf-8", ".line"),
    Format.CSV: FormatInfo("text/csv; charset=utf-8; header=present", ".csv"),
    Format.ARROW: FormatInfo("application/vnd.apache.arrow.stream", ".arrows"),
    Format.PARQUET: FormatInfo("application/vnd.apache.parquet", ".parquet"),
}

_SUFFIXES: Final[Mapping[str, Format]] = {
    ".line": Format.LINE,
    ".lp": Format.LINE,
    ".influx": Format.LINE,
    ".csv": Format.CSV,
    ".arrows": Format.ARROW,
    ".arrow": Format.ARROW,
    ".ipc": Format.ARROW,
    ".feather": Format.ARROW,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
}

GZIP_MAGIC: Final = b"\x1f\x8b"
ARROW_FILE_MAGIC: Final = b"ARROW1"
_ARROW_STREAM_MAGIC: Final = b"\xff\xff\xff\xff"
_PARQUET_MAGIC: Final = b"PAR1"


def format_from_name(name: str) -> Format | None:
    """Return the format of a file name; a `.gz` suffix is ignored."""
    name = name.lower().removesuffix(".gz")
    return next((kind for suffix, kind in _SUFFIXES.items() if name.endswith(suffix)), None)


def format_from_content(head: bytes) -> Format:
    """Return the format that the first bytes match; line protocol if no other does."""
    if head.startswith(_PARQUET_MAGIC):
        return Format.PARQUET
    if head.startswith((ARROW_FILE_MAGIC, _ARROW_STREAM_MAGIC)):
        return Format.ARROW
    first = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].strip().lower()
    columns = {column.strip(b' "') for column in first.split(b",")}
    return Format.CSV if {b"time", b"value"} <= columns else Format.LINE
