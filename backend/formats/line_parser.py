"""Parser of InfluxDB's line protocol, as `influx_inspect export` writes it.

    sensors,location=ecotype-1,sensor=ecotype-1_pdu-Z1.50,sensor_type=wattmeter,unit=W value=112 1580000000

Points of any other measurement are counted and skipped: roll-ups are recomputed from the readings.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from backend.formats.batch import EARLIEST_NS, Rows, Sensors, check_time, tags_of
from backend.formats.file_formats import Precision
from backend.formats.report import Fault, Tally, quoted
from backend.formats.text_reader import Chunk

MEASUREMENT: Final = b"sensors"
EXPECTED: Final = "sensors,sensor=NAME,... value=NUMBER TIME"

_START: Final = MEASUREMENT + b","
_HIDDEN: Final = b"\x1f"  # replaces an escaped space while spaces separate columns

# A space, comma or equals sign is escaped if a backslash precedes it, whatever precedes that: the server's rule.
_KEY: Final = rb"(?:[^ ]|(?<=\\) )+"
_LINE: Final = re.compile(rb" *(" + _KEY + rb') +((?:[^ "]|"(?:[^"\\]|\\.)*"|(?<=\\) )+)(?: +([^ ]+))? *')
_FIELD: Final = re.compile(rb'((?:[^=,"]|(?<=\\)[=,])+)=("(?:[^"\\]|\\.)*"|[^,"]+)(?:,|$)')
_OTHER: Final = re.compile(rb" *((?:[^ ,]|(?<=\\)[ ,])+)(?:,(?:[^ ]|(?<=\\) )+)? +[^ =]+=.")
_WORDS: Final = re.compile(rb" *(?:#|$|(?:CREATE|DROP|USE) )")
_FLOAT: Final = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WHOLE: Final = re.compile(rb"[-+]?\d+[iu]")
_TIME: Final = re.compile(rb"-?\d{1,20}")
_WHOLE_VALUE: Final = re.compile(rb"( value=[-+]?\d+)[iu](?= )")

_PARSE: Final = pyarrow.csv.ParseOptions(
    delimiter=" ", quote_char=False, escape_char=False, newlines_in_values=False, ignore_empty_lines=False
)
_CONVERT: Final = pyarrow.csv.ConvertOptions(
    check_utf8=False,
    column_types={"key": pa.dictionary(pa.int32(), pa.binary()), "value": pa.float64(), "time": pa.int64()},
    null_values=[],
)


class LineParser:
    """See `Parser`. Times are in `precision`."""

    def __init__(self, precision: Precision, latest_ns: int) -> None:
        self.sensors = Sensors()
        self._factor = precision.ns
        self._latest_ns = latest_ns
        self._keys: dict[bytes, int] = {}

    def filter_lines(self, chunk: Chunk, tally: Tally) -> tuple[bytes, npt.NDArray[np.int64] | None]:
        data = chunk.data
        if data.count(b"\n" + _START) + data.startswith(_START) == chunk.lines:
            return data, None
        content = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(content == 10) + 1
        starts = np.concatenate(([0], ends[:-1]))
        head = np.minimum(starts[:, None] + np.arange(len(_START)), len(data) - 1)
        is_ours = (content[head] == np.frombuffer(_START, np.uint8)).all(axis=1)
        for i in np.flatnonzero(~is_ours).tolist():
            line = data[starts[i] : ends[i] - 1]
            is_ours[i] = self._is_ours(line, chunk.first + i, tally)
        return content[np.repeat(is_ours, ends - starts)].tobytes(), np.flatnonzero(is_ours)

    def columns(self, data: bytes) -> tuple[Rows, npt.NDArray[np.bool_]]:
        if _HIDDEN in data or b"\r" in data:
            raise pa.ArrowInvalid("a control character")
        if _WHOLE_VALUE.search(data, 0, data.find(b"\n")):
            data = _WHOLE_VALUE.sub(rb"\1", data)
        if b"\\ " in data:
            data = data.replace(b"\\ ", _HIDDEN)
        length = len(data)
        data = data.replace(b" value=", b" ")
        fields = (length - len(data)) // len(b"value=")
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, block_size=len(data) + 1, column_names=["key", "value", "time"]
            ),
            parse_options=_PARSE,
            convert_options=_CONVERT,
        ).combine_chunks()
        if len(table) != fields:
            raise pa.ArrowInvalid("another field")
        key = table["key"].chunk(0)
        codes = np.array([self._code(known) for known in key.dictionary.to_pylist()], np.int32)
        counts = pc.fill_null(table["time"], -1).to_numpy()
        values = table["value"].to_numpy()
        earliest, latest = -(-EARLIEST_NS // self._factor), self._latest_ns // self._factor
        rows = Rows(codes[key.indices.to_numpy()], counts * self._factor, values.copy())
        return rows, (rows.codes >= 0) & (counts >= earliest) & (counts <= latest) & np.isfinite(values)

    def row(self, line: bytes, tally: Tally) -> tuple[int, int, float] | None:
        match = _LINE.fullmatch(line)
        if match is None:
            raise Fault(quoted(line), EXPECTED)
        key, fields, time = match.groups()
        if time is None or not _TIME.fullmatch(time):
            raise Fault(
                f"{quoted(time or line)} in place of the time", f"{EXPECTED}, with a whole number as time"
            )
        value = _value(fields)
        code = self._parse_key(key)
        return code, check_time(int(time) * self._factor, self._latest_ns, time), value

    def _is_ours(self, line: bytes, number: int, tally: Tally) -> bool:
        """Return whether a line that does not start with our measurement belongs to it all the same; count it if not."""
        if _WORDS.match(line):
            return False
        other = _OTHER.match(line)
        if other is None:
            tally.fault(number, Fault(quoted(line), EXPECTED))
            return False
        if other[1] == MEASUREMENT:
            return True
        tally.skip(other[1])
        return False

    def _code(self, key: bytes) -> int:
        """Return the sensor code of a key of `columns`; -1 if it is not valid."""
        code = self._keys.get(key)
        if code is None:
            try:
                code = self._parse_key(key.replace(_HIDDEN, b"\\ "))
            except Fault:
                return -1
            self._keys[key] = code
        return code

    def _parse_key(self, key: bytes) -> int:
        try:
            _, *pairs = re.split(r"(?<!\\),", key.decode())
        except UnicodeDecodeError:
            raise Fault(quoted(key), "text in UTF-8") from None
        tags: dict[str, str] = {}
        for pair in pairs:
            name, equals, value = (*re.split(r"(?<!\\)(=)", pair, maxsplit=1), "", "")[:3]
            if not name or not equals or not value or re.search(r"(?<!\\)=", value):
                raise Fault(f"the tag {quoted(pair)}", "TAG=VALUE")
            tags[_unescape(name)] = _unescape(value)
        if "sensor" not in tags:
            raise Fault(quoted(key), "a tag sensor=NAME")
        return self.sensors.code(tags["sensor"], tags_of(tags))


def _value(fields: bytes) -> float:
    at = 0
    while at < len(fields):
        field = _FIELD.match(fields, at)
        if field is None:
            raise Fault(f"the fields {quoted(fields)}", "value=NUMBER")
        if field[1] == b"value":
            return _number(field[2])
        at = field.end()
    raise Fault(f"the fields {quoted(fields)}", "a field named value")


def _number(text: bytes) -> float:
    if _WHOLE.fullmatch(text):
        return float(int(text[:-1])) if len(text) < 40 else _not_a_number(text)
    if not _FLOAT.fullmatch(text):
        return _not_a_number(text)
    value = float(text)
    return value if np.isfinite(value) else _not_a_number(text)


def _not_a_number(text: bytes) -> float:
    raise Fault(f"the value {quoted(text)}", "a finite number")


def _unescape(text: str) -> str:
    return re.sub(r"\\([, =])", r"\1", text) if "\\" in text else text
