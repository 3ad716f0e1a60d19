"""From batches of readings to bytes, a batch at a time: what a writer holds does not grow with what it has written.

Every format carries times to the nanosecond and values to the last bit, so that reading it back gives the same readings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Final, Generic, Protocol, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.core.errors import UserError
from backend.core.ports import SensorTags
from backend.core.reading import Int64, Readings
from backend.formats.batch import name_ok, tags_of
from backend.formats.kinds import Format
from backend.formats.report import shown
from backend.formats.tables import LABELS_KEY, TAGS_KEY

GROUP_ROWS: Final = 250_000
"""Rows of a Parquet row group."""

_SLICE_ROWS: Final = 65_536

T_contra = TypeVar("T_contra", contravariant=True)
"""What a writer is handed: readings, or windows."""


class Writer(Protocol[T_contra]):
    """Writes one file. What the three return, in order, is its content."""

    def begin(self) -> bytes: ...

    def write(self, rows: T_contra, /) -> bytes:
        """The names in it are those the writer was made with, or some of them."""
        ...

    def end(self) -> bytes: ...


class Columns(Protocol[T_contra]):
    """How rows become Arrow columns; the dictionaries of names stay the same throughout a file."""

    @property
    def schema(self) -> pa.Schema: ...

    def batch(self, rows: T_contra, /) -> pa.RecordBatch: ...


def writer(
    kind: Format,
    sensors: Sequence[str],
    tags: Mapping[str, SensorTags],
    labels: Mapping[str, str] = MappingProxyType({}),
) -> Writer[Readings]:
    """A writer for readings of these sensors. Raises `UserError` for a name that no format can carry."""
    check_names(sensors)
    if kind is Format.LINE:
        return _LineWriter(sensors, tags)
    if kind is Format.CSV:
        return _CsvWriter(sensors)
    table = _ReadingColumns(sensors, tags, labels)
    return ArrowWriter(table) if kind is Format.ARROW else ParquetWriter(table)


def check_names(names: Sequence[str]) -> None:
    """Raises `UserError` for a name that no format can carry."""
    bad = [name for name in names if not name_ok(name)]
    if bad:
        raise UserError(f"{shown(bad[0])} cannot be exported: rename it in the store, or leave it out")


class _Text:
    """A row is a head for its sensor, and what follows it; joined without a Python object a row."""

    def __init__(self, heads: Mapping[str, str]) -> None:
        self._heads = heads

    def begin(self) -> bytes:
        return b""

    def end(self) -> bytes:
        return b""

    def write(self, readings: Readings, /) -> bytes:
        heads = pa.array([self._heads.get(name, "") for name in readings.names], pa.string())
        parts = []
        for at in range(0, len(readings), _SLICE_ROWS):
            some = slice(at, at + _SLICE_ROWS)
            values = pa.array(readings.values[some]).cast(pa.string())
            parts.append(self._rows(heads.take(pa.array(readings.codes[some])), readings.times[some], values))
        return b"".join(_content(part) for part in parts)

    def _rows(self, heads: pa.Array, times: Int64, values: pa.Array) -> pa.Array:
        raise NotImplementedError


class _LineWriter(_Text):
    def __init__(self, sensors: Sequence[str], tags: Mapping[str, SensorTags]) -> None:
        super().__init__({name: _series(name, tags.get(name)) for name in sensors})

    def _rows(self, heads: pa.Array, times: Int64, values: pa.Array) -> pa.Array:
        return pc.binary_join_element_wise(heads, values, " ", pa.array(times).cast(pa.string()), "\n", "")


class _CsvWriter(_Text):
    def __init__(self, sensors: Sequence[str]) -> None:
        super().__init__({name: f"Z,{_quoted(name)}," for name in sensors})

    def begin(self) -> bytes:
        return b"time,sensor,value\n"

    def _rows(self, heads: pa.Array, times: Int64, values: pa.Array) -> pa.Array:
        return pc.binary_join_element_wise(iso_texts(times), heads, values, "\n", "")


class _ReadingColumns:
    """Readings as Arrow columns whose dictionary of sensors stays the same throughout."""

    def __init__(
        self, sensors: Sequence[str], tags: Mapping[str, SensorTags], labels: Mapping[str, str]
    ) -> None:
        kept = {n: [t.location, t.sensor_type, t.unit] for n in sensors if (t := tags.get(n)) is not None}
        self._place = {name: at for at, name in enumerate(sensors)}
        self._names = pa.array(list(sensors), pa.string())
        self.schema = pa.schema(
            [
                ("time", pa.timestamp("ns", "UTC")),
                ("sensor", pa.dictionary(pa.int32(), pa.string())),
                ("value", pa.float64()),
            ],
            metadata={TAGS_KEY: json.dumps(kept).encode(), LABELS_KEY: json.dumps(dict(labels)).encode()},
        )

    def batch(self, readings: Readings, /) -> pa.RecordBatch:
        places = np.array([self._place.get(name, 0) for name in readings.names], np.int32)
        sensors = pa.DictionaryArray.from_arrays(pa.array(places[readings.codes], pa.int32()), self._names)
        times = pa.array(readings.times).cast(pa.timestamp("ns", "UTC"))
        return pa.record_batch([times, sensors, pa.array(readings.values)], schema=self.schema)


class _Drained:
    """What was written and not yet taken: held as it was handed in, and joined once."""

    def __init__(self) -> None:
        self._parts: list[bytes | pa.Buffer] = []
        self._size = 0
        self.closed = False

    def write(self, data: bytes | pa.Buffer) -> int:
        self._parts.append(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None: ...

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


class ArrowWriter(Generic[T_contra]):
    """An Arrow stream."""

    def __init__(self, columns: Columns[T_contra]) -> None:
        self._columns = columns
        self._drained = _Drained()
        self._stream = pa.ipc.new_stream(pa.PythonFile(self._drained, "w"), columns.schema)

    def begin(self) -> bytes:
        return self._drained.take()

    def write(self, rows: T_contra, /) -> bytes:
        self._stream.write_batch(self._columns.batch(rows))
        return self._drained.take()

    def end(self) -> bytes:
        self._stream.close()
        return self._drained.take()


class ParquetWriter(Generic[T_contra]):
    """A Parquet file, in row groups of some `GROUP_ROWS`."""

    def __init__(self, columns: Columns[T_contra]) -> None:
        self._columns = columns
        self._drained = _Drained()
        self._waiting: list[pa.RecordBatch] = []
        schema = columns.schema
        self._file = pq.ParquetWriter(
            pa.PythonFile(self._drained, "w"),
            schema,
            compression="zstd",
            use_dictionary=[field.name for field in schema if pa.types.is_dictionary(field.type)],
            column_encoding={"time": "DELTA_BINARY_PACKED"},
        )

    def begin(self) -> bytes:
        return self._drained.take()

    def write(self, rows: T_contra, /) -> bytes:
        self._waiting.append(self._columns.batch(rows))
        if sum(len(batch) for batch in self._waiting) >= GROUP_ROWS:
            self._flush()
        return self._drained.take()

    def end(self) -> bytes:
        self._flush()
        self._file.close()
        return self._drained.take()

    def _flush(self) -> None:
        if self._waiting:
            self._file.write_table(pa.Table.from_batches(self._waiting), row_group_size=4 * GROUP_ROWS)
        self._waiting = []


def iso_texts(times: Int64) -> pa.Array:
    """ISO 8601 to the nanosecond, without its zone: with one the library takes forty times as long."""
    return pc.binary_replace_slice(pa.array(times).cast(pa.timestamp("ns")).cast(pa.string()), 10, 11, "T")


def _content(strings: pa.Array) -> bytes:
    """All strings, one behind the other: that is how they lie in memory."""
    if not len(strings):
        return b""
    _, offsets, content = strings.buffers()
    end = int(np.frombuffer(offsets, np.int32)[len(strings)])
    return cast(bytes, content.slice(0, end).to_pybytes())


def _series(name: str, tags: SensorTags | None) -> str:
    """Measurement, tags in the order of their names, and the field's name."""
    said = {"sensor": name}
    kept = None if tags is None else tags_of(asdict(tags))
    if kept is not None:
        said |= asdict(kept)
    pairs = (f",{key}={_escaped(value)}" for key, value in sorted(said.items()) if value)
    return f"sensors{''.join(pairs)} value="


def _escaped(text: str) -> str:
    return "".join("\\" + c if c in ", =" else c for c in text)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"') or text != text.strip() else text
