"""CSV with a header, into readings: `time,sensor,value` as we write it, or what InfluxDB answers a query with.

time,sensor,value                                    2026-11-01T00:00:00Z,fan,12.5
name,tags,time,value                                 sensors,"sensor=fan,unit=W",1761955200000000000,12.5
name,time,location,sensor,sensor_type,unit,value     sensors,1761955200000000000,room,fan,wattmeter,W,12.5
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from backend.core.errors import UserError
from backend.formats.batch import EARLIEST_NS, Rows, Sensors, check_time, tags_of
from backend.formats.kinds import Precision
from backend.formats.report import Fault, Tally, shown
from backend.formats.text import Chunk

MEASUREMENT: Final = "sensors"
ISO: Final = "a time such as 2026-11-01T00:00:00Z"
SAID: Final = ("name", "tags", "sensor", "location", "sensor_type", "unit")
"""Columns that say whose reading it is; any others than these, time and value are passed over."""

_OTHERS: Final = -2
_FLOAT: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)")
_PARSE: Final = pyarrow.csv.ParseOptions(newlines_in_values=False, ignore_empty_lines=False)


def header_of(line: bytes) -> Sequence[str]:
    """The columns' names. Raises `UserError` where those that are needed are not among them."""
    try:
        names = [
            name.strip() for name in next(csv.reader([line.decode("utf-8-sig").strip()], strict=True), [])
        ]
    except (UnicodeDecodeError, csv.Error):
        names = []
    counts = {name: names.count(name) for name in ("time", "value", "sensor", "tags")}
    if counts["time"] != 1 or counts["value"] != 1 or not counts["sensor"] + counts["tags"]:
        raise UserError(
            f"the first line of a CSV file names its columns: found {shown(line)}, expected time,sensor,value"
        )
    if len(set(names)) < len(names):
        raise UserError(f"the first line names a column twice: {shown(line)}")
    return names


def precision_of(line: bytes, header: Sequence[str], precision: Precision | None) -> Precision | None:
    """What the times of a file count, by its first line of data; None where they are written as dates.

    Raises `UserError` where they are numbers and nobody said of what.
    """
    try:
        row = next(csv.reader([line.decode(errors="replace").strip()]), [])
    except csv.Error:
        return precision
    found = dict(zip(header, row, strict=False)).get("time", "")
    if not found.lstrip("-").isdigit():
        return None if found else precision
    if precision is None and "name" not in header:
        raise UserError(
            f"times are numbers ({shown(found)}): say what they count with --precision s, ms, us or ns"
        )
    return precision or Precision.NS


class CsvParser:
    """See `Parser`. Times are in `precision`, or dates with a zone where it is None."""

    def __init__(self, header: Sequence[str], precision: Precision | None, latest_ns: int) -> None:
        self.sensors = Sensors()
        self._header = list(header)
        self._said = [name for name in SAID if name in header]
        self._precision = precision
        self._factor = precision.ns if precision else 1
        self._latest_ns = latest_ns
        self._codes: dict[tuple[bytes | None, ...], int] = {}
        kind = pa.int64() if precision else pa.timestamp("ns", "UTC")
        named = dict.fromkeys(self._said, pa.dictionary(pa.int32(), pa.binary()))
        self._convert = pyarrow.csv.ConvertOptions(
            check_utf8=False,
            column_types={"time": kind, "value": pa.float64(), **named},
            include_columns=["time", "value", *self._said],
            null_values=[],
        )

    def sort_out(self, chunk: Chunk, _: Tally) -> tuple[bytes, npt.NDArray[np.int64] | None]:
        return chunk.data, None

    def columns(self, data: bytes) -> tuple[Rows, npt.NDArray[np.bool_]]:
        if b"\r" in data or b"\n\n" in data or data.startswith(b"\n"):
            raise pa.ArrowInvalid("lines that are none")
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, block_size=len(data) + 1, column_names=self._header
            ),
            parse_options=_PARSE,
            convert_options=self._convert,
        ).combine_chunks()
        if len(table) != data.count(b"\n"):
            raise pa.ArrowInvalid("lines without end")
        counts = table["time"].cast(pa.int64()).to_numpy()
        values = table["value"].to_numpy().copy()
        codes = self._codes_of([table[name].chunk(0) for name in self._said])
        bottom, top = -(-EARLIEST_NS // self._factor), self._latest_ns // self._factor
        good = (codes >= 0) & (counts >= bottom) & (counts <= top) & np.isfinite(values)
        return Rows(codes, counts * self._factor, values), good

    def row(self, line: bytes, tally: Tally) -> tuple[int, int, float] | None:
        try:
            cells = next(csv.reader([line.decode()], strict=True), [])
        except UnicodeDecodeError:
            raise Fault(shown(line), "text in UTF-8") from None
        except csv.Error as error:
            raise Fault(f"{shown(line)} ({error})", self._expected) from None
        if (
            not cells or [cell.strip() for cell in cells] == self._header
        ):  # a header comes again with each series
            return None
        if len(cells) != len(self._header):
            raise Fault(f"{len(cells)} columns in {shown(line)}", self._expected)
        said = dict(zip(self._header, cells, strict=True))
        if said.get("name", MEASUREMENT) != MEASUREMENT:
            tally.skip(said["name"].encode())
            return None
        code = self._sensor(said)
        time = check_time(self._time(said["time"]), self._latest_ns, said["time"])
        return code, time, _number(said["value"])

    @property
    def _expected(self) -> str:
        return ",".join(self._header)

    def _time(self, text: str) -> int:
        text = text.strip()
        if self._precision:
            if not re.fullmatch(r"-?\d{1,20}", text):
                raise Fault(f"the time {shown(text)}", f"a whole number of {self._precision} since 1970")
            return int(text) * self._factor
        return iso_ns(text)

    def _codes_of(self, columns: Sequence[pa.DictionaryArray]) -> npt.NDArray[np.int32]:
        """The sensor of each row; below 0 where it is none."""
        combined = np.zeros(len(columns[0]), np.int64)
        for column in columns:
            combined = combined * max(1, len(column.dictionary)) + column.indices.to_numpy()
        if len(columns) == 1:
            found, back = np.arange(len(columns[0].dictionary)), combined
        else:
            found, back = np.unique(combined, return_inverse=True)
        words = [column.dictionary.to_pylist() for column in columns]
        codes = np.empty(len(found), np.int32)
        for at, rest in enumerate(found.tolist()):
            key: list[bytes] = []
            for column in reversed(words):
                rest, index = divmod(rest, max(1, len(column)))
                key.append(column[index])
            codes[at] = self._code(tuple(reversed(key)))
        return codes[back]

    def _code(self, key: tuple[bytes, ...]) -> int:
        code = self._codes.get(key)
        if code is None:
            try:
                said = {name: word.decode() for name, word in zip(self._said, key, strict=True)}
                others = said.get("name", MEASUREMENT) != MEASUREMENT
                code = _OTHERS if others else self._sensor(said)
            except (Fault, UnicodeDecodeError):
                return -1
            self._codes[key] = code
        return code

    def _sensor(self, said: Mapping[str, str]) -> int:
        """The code of a row's sensor. Raises Fault."""
        if said.get("tags"):
            said = _tags(said["tags"])
        name = said.get("sensor", "")
        return self.sensors.code(name, tags_of(said))


def iso_ns(text: str) -> int:
    """Nanoseconds since the epoch of a date with a zone, exactly. Raises Fault."""
    parts = _TIME.fullmatch(text)
    if parts is None:
        raise Fault(f"the time {shown(text)}", f"{ISO}, with its zone")
    day, clock, fraction, zone = parts.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone == 'Z' else zone}")
    except ValueError as error:
        raise Fault(f"the time {shown(text)} ({error})", ISO) from None
    return int(moment.timestamp()) * 10**9 + int((fraction or "").ljust(9, "0"))


def _tags(text: str) -> Mapping[str, str]:
    """`k=v,k=v`, escaped as a server answers it, or not, as its shell prints it: a piece without = belongs to the one before."""
    said: dict[str, str] = {}
    last = ""
    for piece in re.split(r"(?<!\\),", text):
        name, equals, value = piece.partition("=")
        if equals:
            last = name
            said[name] = value
        elif last:
            said[last] += "," + piece
    return {name: re.sub(r"\\([, =])", r"\1", value) for name, value in said.items()}


def _number(text: str) -> float:
    text = text.strip()
    if not _FLOAT.fullmatch(text) or not np.isfinite(float(text)):
        raise Fault(f"the value {shown(text)}", "a finite number")
    return float(text)
