"""Writers from batches of readings to bytes; the memory of a writer does not grow with what it has written.

Every format carries times to the nanosecond and values to the last bit, so that reading it back gives the same
readings.
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
from backend.formats.batch import is_valid_name, tags_of
from backend.formats.file_formats import Format
from backend.formats.report import quoted
from backend.formats.table_reader import LABELS_KEY, TAGS_KEY

GROUP_ROWS: Final = 250_000
"""Rows of a Parquet row group."""

_SLICE_ROWS: Final = 65_536

T_contra = TypeVar("T_contra", contravariant=True)
"""The input of a writer: readings, or windows."""


class Writer(Protocol[T_contra]):
    """Writes one file, which consists of the results of the three methods, in order."""

    def begin(self) -> bytes: ...

    def write(self, rows: T_contra, /) -> bytes:
        """Return the bytes of some rows. Their names must be among those that the writer was created with."""
        ...

    def end(self) -> bytes: ...


class Columns(Protocol[T_contra]):
    """Converts rows to Arrow columns; the dictionaries of names stay the same throughout a file."""

    @property
    def schema(self) -> pa.Schema: ...

    def batch(self, rows: T_contra, /) -> pa.RecordBatch: ...


def writer(
    kind: Format,
    sensors: Sequence[str],
    tags: Mapping[str, SensorTags],
    labels: Mapping[str, str] = MappingProxyType({}),
) -> Writer[Readings]:
    """Return a writer for readings of these sensors. Raise `UserError` for a name that no format can carry."""
    check_names(sensors)
    if kind is Format.LINE:
        return _LineWriter(sensors, tags)
    if kind is Format.CSV:
        return _CsvWriter(sensors)
    table = _ReadingColumns(sensors, tags, labels)
    return ArrowWriter(table) if kind is Format.ARROW else ParquetWriter(table)


def check_names(names: Sequence[str]) -> None:
    """Raise `UserError` for a name that no format can carry."""
    bad = [name for name in names if not is_valid_name(name)]
    if bad:
        raise UserError(f"{quoted(bad[0])} cannot be exported: rename it in the store, or exclude it")


class _Text:
    """A row is the head of its sensor and the rest of the line; rows are joined without a Python object per row."""

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
        tags_by_sensor = {
            n: [t.location, t.sensor_type, t.unit] for n in sensors if (t := tags.get(n)) is not None
        }
        self._place = {name: at for at, name in enumerate(sensors)}
        self._names = pa.array(list(sensors), pa.string())
        self.schema = pa.schema(
            [
                ("time", pa.timestamp("ns", "UTC")),
                ("sensor", pa.dictionary(pa.int32(), pa.string())),
                ("value", pa.float64()),
            ],
            metadata={
                TAGS_KEY: json.dumps(tags_by_sensor).encode(),
                LABELS_KEY: json.dumps(dict(labels)).encode(),
            },
        )

    def batch(self, readings: Readings, /) -> pa.RecordBatch:
        places = np.array([self._place.get(name, 0) for name in readings.names], np.int32)
        sensors = pa.DictionaryArray.from_arrays(pa.array(places[readings.codes], pa.int32()), self._names)
        times = pa.array(readings.times).cast(pa.timestamp("ns", "UTC"))
        return pa.record_batch([times, sensors, pa.array(readings.values)], schema=self.schema)


class _Buffer:
    """Bytes that were written and not yet taken, joined once."""

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
        data, self._parts = b"".join(self._parts), []
        return data


class ArrowWriter(Generic[T_contra]):
    """Writes an Arrow stream."""

    def __init__(self, columns: Columns[T_contra]) -> None:
        self._columns = columns
        self._buffer = _Buffer()
        self._stream = pa.ipc.new_stream(pa.PythonFile(self._buffer, "w"), columns.schema)

    def begin(self) -> bytes:
        return self._buffer.take()

    def write(self, rows: T_contra, /) -> bytes:
        self._stream.write_batch(self._columns.batch(rows))
        return self._buffer.take()

    def end(self) -> bytes:
        self._stream.close()
        return self._buffer.take()


class ParquetWriter(Generic[T_contra]):
    """Writes a Parquet file, in row groups of some `GROUP_ROWS` rows."""

    def __init__(self, columns: Columns[T_contra]) -> None:
        self._columns = columns
        self._buffer = _Buffer()
        self._pending: list[pa.RecordBatch] = []
        schema = columns.schema
        self._file = pq.ParquetWriter(
            pa.PythonFile(self._buffer, "w"),
            schema,
            compression="zstd",
            use_dictionary=[field.name for field in schema if pa.types.is_dictionary(field.type)],
            column_encoding={"time": "DELTA_BINARY_PACKED"},
        )

    def begin(self) -> bytes:
        return self._buffer.take()

    def write(self, rows: T_contra, /) -> bytes:
        self._pending.append(self._columns.batch(rows))
        if sum(len(batch) for batch in self._pending) >= GROUP_ROWS:
            self._flush()
        return self._buffer.take()

    def end(self) -> bytes:
        self._flush()
        self._file.close()
        return self._buffer.take()

    def _flush(self) -> None:
        if self._pending:
            self._file.write_table(pa.Table.from_batches(self._pending), row_group_size=4 * GROUP_ROWS)
        self._pending = []


def iso_texts(times: Int64) -> pa.Array:
    """Return ISO 8601 texts to the nanosecond, without the time zone: pyarrow takes forty times as long with one."""
    return pc.binary_replace_slice(pa.array(times).cast(pa.timestamp("ns")).cast(pa.string()), 10, 11, "T")


def _content(strings: pa.Array) -> bytes:
    """Return all strings, concatenated: they are contiguous in memory."""
    if not len(strings):
        return b""
    _, offsets, content = strings.buffers()
    end = int(np.frombuffer(offsets, np.int32)[len(strings)])
    return cast(bytes, content.slice(0, end).to_pybytes())


def _series(name: str, tags: SensorTags | None) -> str:
    """Return measurement, tags sorted by name, and the name of the field."""
    all_tags = {"sensor": name}
    stored = None if tags is None else tags_of(asdict(tags))
    if stored is not None:
        all_tags |= asdict(stored)
    pairs = (f",{key}={_escaped(value)}" for key, value in sorted(all_tags.items()) if value)
    return f"sensors{''.join(pairs)} value="


def _escaped(text: str) -> str:
    return "".join("\\" + c if c in ", =" else c for c in text)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"') or text != text.strip() else text
