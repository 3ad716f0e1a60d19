"""Parser of CSV with a header: `time,sensor,value` as we write it, or InfluxDB's answer to a query.

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
from backend.formats.file_formats import Precision
from backend.formats.report import Fault, Tally, quoted
from backend.formats.text_reader import Chunk

MEASUREMENT: Final = "sensors"
ISO: Final = "a time such as 2026-11-01T00:00:00Z"
SENSOR_COLUMNS: Final = ("name", "tags", "sensor", "location", "sensor_type", "unit")
"""Columns that identify the sensor of a row. All other columns except time and value are ignored."""

_OTHER_MEASUREMENT: Final = -2
_FLOAT: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)")
_PARSE: Final = pyarrow.csv.ParseOptions(newlines_in_values=False, ignore_empty_lines=False)


def parse_header(line: bytes) -> Sequence[str]:
    """Return the column names. Raise `UserError` if required columns are missing."""
    try:
        names = [
            name.strip() for name in next(csv.reader([line.decode("utf-8-sig").strip()], strict=True), [])
        ]
    except (UnicodeDecodeError, csv.Error):
        names = []
    counts = {name: names.count(name) for name in ("time", "value", "sensor", "tags")}
    if counts["time"] != 1 or counts["value"] != 1 or not counts["sensor"] + counts["tags"]:
        raise UserError(
            f"the first line of a CSV file must name its columns: found {quoted(line)}, expected time,sensor,value"
        )
    if len(set(names)) < len(names):
        raise UserError(f"the first line of the CSV file names a column twice: {quoted(line)}")
    return names


def detect_precision(line: bytes, header: Sequence[str], precision: Precision | None) -> Precision | None:
    """Return the unit of the times in a file, from its first data line; None if they are dates.

    Raises `UserError` if they are numbers without a stated unit.
    """
    try:
        row = next(csv.reader([line.decode(errors="replace").strip()]), [])
    except csv.Error:
        return precision
    text = dict(zip(header, row, strict=False)).get("time", "")
    if not text.lstrip("-").isdigit():
        return None if text else precision
    if precision is None and "name" not in header:
        raise UserError(
            f"times are numbers ({quoted(text)}): state their unit with --precision s, ms, us or ns"
        )
    return precision or Precision.NS


class CsvParser:
    """See `Parser`. Times are in `precision`, or dates with a time zone if it is None."""

    def __init__(self, header: Sequence[str], precision: Precision | None, latest_ns: int) -> None:
        self.sensors = Sensors()
        self._header = list(header)
        self._sensor_columns = [name for name in SENSOR_COLUMNS if name in header]
        self._precision = precision
        self._factor = precision.ns if precision else 1
        self._latest_ns = latest_ns
        self._codes: dict[tuple[bytes | None, ...], int] = {}
        kind = pa.int64() if precision else pa.timestamp("ns", "UTC")
        dictionaries = dict.fromkeys(self._sensor_columns, pa.dictionary(pa.int32(), pa.binary()))
        self._convert = pyarrow.csv.ConvertOptions(
            check_utf8=False,
            column_types={"time": kind, "value": pa.float64(), **dictionaries},
            include_columns=["time", "value", *self._sensor_columns],
            null_values=[],
        )

    def filter_lines(self, chunk: Chunk, _: Tally) -> tuple[bytes, npt.NDArray[np.int64] | None]:
        return chunk.data, None

    def columns(self, data: bytes) -> tuple[Rows, npt.NDArray[np.bool_]]:
        if b"\r" in data or b"\n\n" in data or data.startswith(b"\n"):
            raise pa.ArrowInvalid("empty lines or carriage returns")
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, block_size=len(data) + 1, column_names=self._header
            ),
            parse_options=_PARSE,
            convert_options=self._convert,
        ).combine_chunks()
        if len(table) != data.count(b"\n"):
            raise pa.ArrowInvalid("unterminated lines")
        counts = table["time"].cast(pa.int64()).to_numpy()
        values = table["value"].to_numpy().copy()
        codes = self._codes_of([table[name].chunk(0) for name in self._sensor_columns])
        earliest, latest = -(-EARLIEST_NS // self._factor), self._latest_ns // self._factor
        is_good = (codes >= 0) & (counts >= earliest) & (counts <= latest) & np.isfinite(values)
        return Rows(codes, counts * self._factor, values), is_good

    def row(self, line: bytes, tally: Tally) -> tuple[int, int, float] | None:
        try:
            cells = next(csv.reader([line.decode()], strict=True), [])
        except UnicodeDecodeError:
            raise Fault(quoted(line), "text in UTF-8") from None
        except csv.Error as error:
            raise Fault(f"{quoted(line)} ({error})", self._expected) from None
        if not cells or [cell.strip() for cell in cells] == self._header:  # a header precedes each series
            return None
        if len(cells) != len(self._header):
            raise Fault(f"{len(cells)} columns in {quoted(line)}", self._expected)
        values_by_column = dict(zip(self._header, cells, strict=True))
        if values_by_column.get("name", MEASUREMENT) != MEASUREMENT:
            tally.skip(values_by_column["name"].encode())
            return None
        code = self._sensor(values_by_column)
        time = check_time(self._time(values_by_column["time"]), self._latest_ns, values_by_column["time"])
        return code, time, _number(values_by_column["value"])

    @property
    def _expected(self) -> str:
        return ",".join(self._header)

    def _time(self, text: str) -> int:
        text = text.strip()
        if self._precision:
            if not re.fullmatch(r"-?\d{1,20}", text):
                raise Fault(f"the time {quoted(text)}", f"a whole number of {self._precision} since 1970")
            return int(text) * self._factor
        return iso_ns(text)

    def _codes_of(self, columns: Sequence[pa.DictionaryArray]) -> npt.NDArray[np.int32]:
        """Return the sensor code of each row; below 0 if the row is not a reading."""
        combined = np.zeros(len(columns[0]), np.int64)
        for column in columns:
            combined = combined * max(1, len(column.dictionary)) + column.indices.to_numpy()
        if len(columns) == 1:
            combinations, inverse = np.arange(len(columns[0].dictionary)), combined
        else:
            combinations, inverse = np.unique(combined, return_inverse=True)
        words = [column.dictionary.to_pylist() for column in columns]
        codes = np.empty(len(combinations), np.int32)
        for i, remainder in enumerate(combinations.tolist()):
            key: list[bytes] = []
            for column in reversed(words):
                remainder, index = divmod(remainder, max(1, len(column)))
                key.append(column[index])
            codes[i] = self._code(tuple(reversed(key)))
        return codes[inverse]

    def _code(self, key: tuple[bytes, ...]) -> int:
        code = self._codes.get(key)
        if code is None:
            try:
                tags = {name: word.decode() for name, word in zip(self._sensor_columns, key, strict=True)}
                is_other = tags.get("name", MEASUREMENT) != MEASUREMENT
                code = _OTHER_MEASUREMENT if is_other else self._sensor(tags)
            except (Fault, UnicodeDecodeError):
                return -1
            self._codes[key] = code
        return code

    def _sensor(self, tags: Mapping[str, str]) -> int:
        """Return the code of a row's sensor. Raise Fault."""
        if tags.get("tags"):
            tags = _tags(tags["tags"])
        name = tags.get("sensor", "")
        return self.sensors.code(name, tags_of(tags))


def iso_ns(text: str) -> int:
    """Return nanoseconds since the epoch of a date with a time zone, exactly. Raise Fault."""
    parts = _TIME.fullmatch(text)
    if parts is None:
        raise Fault(f"the time {quoted(text)}", f"{ISO}, with a time zone")
    day, clock, fraction, zone = parts.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone == 'Z' else zone}")
    except ValueError as error:
        raise Fault(f"the time {quoted(text)} ({error})", ISO) from None
    return int(moment.timestamp()) * 10**9 + int((fraction or "").ljust(9, "0"))


def _tags(text: str) -> Mapping[str, str]:
    """Parse `k=v,k=v`.

    Values may be escaped, as in a server's answer, or not, as in its shell: a piece without = then belongs to the one
    before.
    """
    tags: dict[str, str] = {}
    last = ""
    for piece in re.split(r"(?<!\\),", text):
        name, equals, value = piece.partition("=")
        if equals:
            last = name
            tags[name] = value
        elif last:
            tags[last] += "," + piece
    return {name: re.sub(r"\\([, =])", r"\1", value) for name, value in tags.items()}


def _number(text: str) -> float:
    text = text.strip()
    if not _FLOAT.fullmatch(text) or not np.isfinite(float(text)):
        raise Fault(f"the value {quoted(text)}", "a finite number")
    return float(text)
