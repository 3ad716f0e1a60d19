"""Writers of rolled-up series: one row per window with `time`, `sensor` or `node`, the statistics and `coverage`.

A window without readings has an empty row: a gap is empty, never zero.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from backend.core.errors import UserError
from backend.core.reading import Float64, Int64
from backend.formats.file_formats import Format
from backend.formats.table_reader import LABELS_KEY
from backend.formats.write import ArrowWriter, ParquetWriter, Writer, check_names, iso_texts

UNITS_KEY: Final = b"seduce.units"
"""Metadata of the schema: a JSON object from sensor or node to the unit of its values."""
WINDOW_KEY: Final = b"seduce.window"
COVERAGE: Final = "coverage"

_KINDS: Final = ("sensor", "node")


@dataclass(frozen=True, slots=True, eq=False)
class WindowSeries:
    """Windows of one series.

    kind     "sensor" or "node"
    times    window starts in ns, int64 (n,)
    columns  statistics, float64 (n,) each; NaN is a gap
    """

    kind: str
    name: str
    times: Int64
    columns: Mapping[str, Float64]


@dataclass(frozen=True, slots=True)
class Layout:
    """The content of a file: units by name of its sensors and of its nodes, the window, the statistics, and labels by name."""

    sensors: Mapping[str, str]
    nodes: Mapping[str, str]
    window: str
    statistics: Sequence[str]
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def name_columns(self) -> Mapping[str, Sequence[str]]:
        """The name columns of the file, with the names in them."""
        names = {"sensor": list(self.sensors), "node": list(self.nodes)}
        return {kind: names[kind] for kind in _KINDS if names[kind]}


def windows_writer(kind: Format, layout: Layout) -> Writer[Sequence[WindowSeries]]:
    """Return a writer for such series. Raise `UserError` for line protocol, and for a name that no format can carry."""
    if kind is Format.LINE:
        raise UserError("line protocol carries raw readings only: use csv, arrow or parquet")
    check_names([*layout.sensors, *layout.nodes])
    columns = _WindowColumns(layout)
    if kind is Format.CSV:
        return _CsvWriter(columns)
    return ArrowWriter(columns) if kind is Format.ARROW else ParquetWriter(columns)


class _WindowColumns:
    def __init__(self, layout: Layout) -> None:
        self._statistics = [*layout.statistics, COVERAGE]
        self._places = {
            k: {name: at for at, name in enumerate(names)} for k, names in layout.name_columns.items()
        }
        self._names = {k: pa.array(names, pa.string()) for k, names in layout.name_columns.items()}
        units = {**layout.sensors, **layout.nodes}
        self.schema = pa.schema(
            [
                ("time", pa.timestamp("ns", "UTC")),
                *((k, pa.dictionary(pa.int32(), pa.string())) for k in self._names),
                *((name, pa.float64()) for name in self._statistics),
            ],
            metadata={
                UNITS_KEY: json.dumps(units).encode(),
                WINDOW_KEY: layout.window.encode(),
                LABELS_KEY: json.dumps(dict(layout.labels)).encode(),
            },
        )

    def batch(self, blocks: Sequence[WindowSeries], /) -> pa.RecordBatch:
        times = np.concatenate([b.times for b in blocks]) if blocks else np.empty(0, np.int64)
        columns = [pa.array(times).cast(pa.timestamp("ns", "UTC"))]
        columns += [self._named(kind, blocks) for kind in self._names]
        for name in self._statistics:
            values = np.concatenate([b.columns[name] for b in blocks]) if blocks else np.empty(0)
            columns.append(pa.array(values, pa.float64(), from_pandas=True))
        return pa.record_batch(columns, schema=self.schema)

    def _named(self, kind: str, blocks: Sequence[WindowSeries]) -> pa.DictionaryArray:
        places = self._places[kind]
        codes = [places[b.name] if b.kind == kind else -1 for b in blocks]
        each = np.repeat(np.array(codes, np.int32), [len(b.times) for b in blocks])
        return pa.DictionaryArray.from_arrays(pa.array(each, mask=each < 0), self._names[kind])


class _CsvWriter:
    def __init__(self, columns: _WindowColumns) -> None:
        self._columns = columns

    def begin(self) -> bytes:
        return (",".join(self._columns.schema.names) + "\n").encode()

    def write(self, blocks: Sequence[WindowSeries], /) -> bytes:
        batch = self._columns.batch(blocks)
        times = pc.binary_join_element_wise(iso_texts(batch.column(0).cast(pa.int64())), "Z", "")
        words = [
            column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
            for column in batch.columns[1:]
        ]
        out = io.BytesIO()
        options = pacsv.WriteOptions(include_header=False, quoting_style="needed")
        pacsv.write_csv(pa.record_batch([times, *words], batch.schema.names), out, options)
        return out.getvalue()

    def end(self) -> bytes:
        return b""
