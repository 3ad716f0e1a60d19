"""Which formats there are, what they are called, and how one is told from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Format(StrEnum):
    """The value is what commands and addresses call it."""

    LINE = "line"
    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"


class Precision(StrEnum):
    """What a time that is a plain number counts, since the epoch."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"

    @property
    def ns(self) -> int:
        return _NS[self]


_NS: Final = {Precision.S: 10**9, Precision.MS: 10**6, Precision.US: 1000, Precision.NS: 1}


@dataclass(frozen=True, slots=True)
class Sort:
    """How a format travels: its type in HTTP and the suffix of its files."""

    content_type: str
    suffix: str


SORTS: Final[Mapping[Format, Sort]] = {
    Format.LINE: Sort("text/plain; charset=utf-8", ".line"),
    Format.CSV: Sort("text/csv; charset=utf-8; header=present", ".csv"),
    Format.ARROW: Sort("application/vnd.apache.arrow.stream", ".arrows"),
    Format.PARQUET: Sort("application/vnd.apache.parquet", ".parquet"),
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


def of_name(name: str) -> Format | None:
    """The format that a file's name says; `.gz` behind it is looked through."""
    name = name.lower().removesuffix(".gz")
    return next((kind for suffix, kind in _SUFFIXES.items() if name.endswith(suffix)), None)


def of_content(head: bytes) -> Format:
    """The format that the first bytes look like; line protocol where nothing else fits."""
    if head.startswith(_PARQUET_MAGIC):
        return Format.PARQUET
    if head.startswith((ARROW_FILE_MAGIC, _ARROW_STREAM_MAGIC)):
        return Format.ARROW
    first = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].strip().lower()
    columns = {column.strip(b' "') for column in first.split(b",")}
    return Format.CSV if {b"time", b"value"} <= columns else Format.LINE
