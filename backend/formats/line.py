"""InfluxDB's line protocol, as `influx_inspect export` writes it, into readings.

    sensors,location=ecotype-1,sensor=ecotype-1_pdu-Z1.50,sensor_type=wattmeter,unit=W value=112 1580000000

Points of any other measurement are counted and passed over: roll-ups are made anew from the readings.
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
from backend.formats.kinds import Precision
from backend.formats.report import Fault, Tally, shown
from backend.formats.text import Chunk

MEASUREMENT: Final = b"sensors"
EXPECTED: Final = "sensors,sensor=NAME,... value=NUMBER TIME"

_START: Final = MEASUREMENT + b","
_HIDDEN: Final = b"\x1f"  # stands for an escaped space while spaces part columns

# A space, comma or equals sign is escaped where a backslash stands before it, whatever stands before that: the server's rule.
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

    def sort_out(self, chunk: Chunk, tally: Tally) -> tuple[bytes, npt.NDArray[np.int64] | None]:
        data = chunk.data
        if data.count(b"\n" + _START) + data.startswith(_START) == chunk.lines:
            return data, None
        bytes_ = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(bytes_ == 10) + 1
        starts = np.concatenate(([0], ends[:-1]))
        head = np.minimum(starts[:, None] + np.arange(len(_START)), len(data) - 1)
        mine = (bytes_[head] == np.frombuffer(_START, np.uint8)).all(axis=1)
        for at in np.flatnonzero(~mine).tolist():
            line = data[starts[at] : ends[at] - 1]
            mine[at] = self._is_ours(line, chunk.first + at, tally)
        return bytes_[np.repeat(mine, ends - starts)].tobytes(), np.flatnonzero(mine)

    def columns(self, data: bytes) -> tuple[Rows, npt.NDArray[np.bool_]]:
        if _HIDDEN in data or b"\r" in data:
            raise pa.ArrowInvalid("a control character")
        if _WHOLE_VALUE.search(data, 0, data.find(b"\n")):
            data = _WHOLE_VALUE.sub(rb"\1", data)
        if b"\\ " in data:
            data = data.replace(b"\\ ", _HIDDEN)
        whole = len(data)
        data = data.replace(b" value=", b" ")
        fields = (whole - len(data)) // len(b"value=")
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
        bottom, top = -(-EARLIEST_NS // self._factor), self._latest_ns // self._factor
        rows = Rows(codes[key.indices.to_numpy()], counts * self._factor, values.copy())
        return rows, (rows.codes >= 0) & (counts >= bottom) & (counts <= top) & np.isfinite(values)

    def row(self, line: bytes, tally: Tally) -> tuple[int, int, float] | None:
        found = _LINE.fullmatch(line)
        if found is None:
            raise Fault(shown(line), EXPECTED)
        key, fields, time = found.groups()
        if time is None or not _TIME.fullmatch(time):
            raise Fault(
                f"{shown(time or line)} where the time should be", f"{EXPECTED}, the time a whole number"
            )
        value = _value(fields)
        code = self._parse_key(key)
        return code, check_time(int(time) * self._factor, self._latest_ns, time), value

    def _is_ours(self, line: bytes, number: int, tally: Tally) -> bool:
        """Whether a line that does not begin as ours do is one all the same; if not it is counted."""
        if _WORDS.match(line):
            return False
        other = _OTHER.match(line)
        if other is None:
            tally.fault(number, Fault(shown(line), EXPECTED))
            return False
        if other[1] == MEASUREMENT:
            return True
        tally.skip(other[1])
        return False

    def _code(self, key: bytes) -> int:
        """The code of a key of `columns`; -1 where it is none."""
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
            raise Fault(shown(key), "text in UTF-8") from None
        said: dict[str, str] = {}
        for pair in pairs:
            name, equals, value = (*re.split(r"(?<!\\)(=)", pair, maxsplit=1), "", "")[:3]
            if not name or not equals or not value or re.search(r"(?<!\\)=", value):
                raise Fault(f"the tag {shown(pair)}", "TAG=VALUE")
            said[_unescape(name)] = _unescape(value)
        if "sensor" not in said:
            raise Fault(shown(key), "a tag sensor=NAME")
        return self.sensors.code(said["sensor"], tags_of(said))


def _value(fields: bytes) -> float:
    at = 0
    while at < len(fields):
        field = _FIELD.match(fields, at)
        if field is None:
            raise Fault(f"the fields {shown(fields)}", "value=NUMBER")
        if field[1] == b"value":
            return _number(field[2])
        at = field.end()
    raise Fault(f"the fields {shown(fields)}", "one that is named value")


def _number(text: bytes) -> float:
    if _WHOLE.fullmatch(text):
        return float(int(text[:-1])) if len(text) < 40 else _not_a_number(text)
    if not _FLOAT.fullmatch(text):
        return _not_a_number(text)
    value = float(text)
    return value if np.isfinite(value) else _not_a_number(text)


def _not_a_number(text: bytes) -> float:
    raise Fault(f"the value {shown(text)}", "a finite number")


def _unescape(text: str) -> str:
    return re.sub(r"\\([, =])", r"\1", text) if "\\" in text else text
