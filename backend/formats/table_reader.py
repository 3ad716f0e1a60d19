"""Readers of Arrow and Parquet: columns `time`, `sensor` and `value`, and the tags if present.

`time` is a timestamp with a time zone, or whole numbers of a stated precision. The order of the columns does not
matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.core.errors import UserError
from backend.core.reading import Int32, Readings
from backend.formats.batch import BATCH_ROWS, EARLIEST_NS, Batch, Mark, Rows, Sensors, check_time, tags_of
from backend.formats.file_formats import ARROW_FILE_MAGIC, Precision
from backend.formats.report import Fault, Tally, quoted

TAGS_KEY: Final = b"seduce.tags"
"""Metadata of the schema: a JSON object from sensor to [location, sensor_type, unit]."""

LABELS_KEY: Final = b"seduce.labels"
"""Metadata of the schema: a JSON object from the name of a sensor or node to its label."""

NEEDED: Final = ("time", "sensor", "value")
TAG_COLUMNS: Final = ("location", "sensor_type", "unit")
_SLICE_ROWS: Final = 65_536


class TableReader:
    """Reads batches of one file. Times that are numbers are in `precision`."""

    def __init__(self, precision: Precision | None, latest_ns: int, tally: Tally) -> None:
        self.sensors = Sensors()
        self._precision = precision
        self._latest_ns = latest_ns
        self._tally = tally

    def arrow(self, file: BinaryIO, head: bytes, start: Mark) -> Iterator[Batch]:
        """Yield the batches of a stream, or of a seekable file. Raise `UserError` if it is neither."""
        with readable_arrow_errors("Arrow"):
            if head.startswith(ARROW_FILE_MAGIC):
                reader = pa.ipc.open_file(file)
                schema = reader.schema
                batches = (reader.get_batch(at) for at in range(reader.num_record_batches))
            else:
                stream = pa.ipc.open_stream(file)
                schema, batches = stream.schema, iter(stream)
        return self._batches(schema, batches, 0, start, "Arrow")

    def parquet(self, file: BinaryIO, start: Mark) -> Iterator[Batch]:
        """Yield the batches of a seekable file. Raise `UserError` if it is not Parquet."""
        with readable_arrow_errors("Parquet"):
            reader = pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
            schema = reader.schema_arrow
            columns = [name for name in (*NEEDED, *TAG_COLUMNS) if name in schema.names]
            groups, skipped = list(range(reader.num_row_groups)), 0
            while groups and skipped + reader.metadata.row_group(groups[0]).num_rows <= start.position:
                skipped += reader.metadata.row_group(groups.pop(0)).num_rows
            # One group at a time: the memory of one is released before the next.
            batches = (
                batch
                for group in groups
                for batch in reader.iter_batches(_SLICE_ROWS, row_groups=[group], columns=columns)
            )
        return self._batches(schema, batches, skipped, start, "Parquet")

    def _batches(
        self, schema: pa.Schema, batches: Iterator[pa.RecordBatch], row: int, start: Mark, kind: str
    ) -> Iterator[Batch]:
        with readable_arrow_errors(kind):
            self._check(schema, kind)
            self._learn(schema)
        parts: list[Rows] = []
        rows, yielded_at = 0, start.position
        while True:
            with readable_arrow_errors(kind):
                batch = next(batches, None)
            if batch is None:
                break
            with readable_arrow_errors(kind):
                batch.validate(full=True)  # a damaged batch must not cause reads outside its memory
            for at in range(0, len(batch), _SLICE_ROWS):
                piece = batch.slice(at, _SLICE_ROWS)
                skipped = max(0, min(len(piece), start.position - row))
                with readable_arrow_errors(kind):
                    good = self._rows(piece.slice(skipped), row + skipped)
                row += len(piece)
                parts.append(good)
                rows += len(good)
                if rows >= BATCH_ROWS or (row - yielded_at >= 8 * BATCH_ROWS):
                    yield self._batch(parts, row)
                    parts, rows, yielded_at = [], 0, row
        yield self._batch(parts, max(row, start.position))

    def _check(self, schema: pa.Schema, kind: str) -> None:
        missing = [name for name in NEEDED if schema.names.count(name) != 1]
        if missing:
            raise UserError(
                f"the {kind} columns are {quoted(', '.join(schema.names))}: expected time, sensor and value once each"
            )
        time, sensor, value = (schema.field(name).type for name in NEEDED)
        if pa.types.is_timestamp(time) and time.tz is None:
            raise UserError(f"the {kind} column time has no time zone: make it a timestamp in UTC")
        if not pa.types.is_timestamp(time) and not pa.types.is_integer(time):
            raise UserError(
                f"the {kind} column time has type {time}: expected timestamps with a time zone, or whole numbers"
            )
        if pa.types.is_integer(time) and self._precision is None:
            raise UserError("times are numbers: state their unit with --precision s, ms, us or ns")
        if not _is_text(sensor):
            raise UserError(f"the {kind} column sensor has type {sensor}: expected text")
        if not (pa.types.is_floating(value) or pa.types.is_integer(value)):
            raise UserError(f"the {kind} column value has type {value}: expected numbers")

    def _learn(self, schema: pa.Schema) -> None:
        """Read the tags that our own writers store in the schema."""
        try:
            stored = json.loads((schema.metadata or {}).get(TAGS_KEY, b"{}"))
            for name, tags in stored.items():
                location, sensor_type, unit = map(str, tags)
                known = tags_of({"location": location, "sensor_type": sensor_type, "unit": unit})
                if known is not None:
                    self.sensors.tags[name] = known
        except (ValueError, TypeError, AttributeError):
            return

    def _rows(self, part: pa.RecordBatch, first: int) -> Rows:
        codes = self._codes(part)
        raw = part.column("time")
        factor = 1
        if pa.types.is_timestamp(raw.type):
            factor = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}[raw.type.unit]
        elif self._precision is not None:
            factor = self._precision.ns
        counts = pc.fill_null(raw.cast(pa.int64()), np.iinfo(np.int64).min).to_numpy(zero_copy_only=False)
        values = part.column("value").cast(pa.float64(), safe=False)
        values = pc.fill_null(values, np.nan).to_numpy(zero_copy_only=False)
        earliest, latest = -(-EARLIEST_NS // factor), self._latest_ns // factor
        is_good = (codes >= 0) & (counts >= earliest) & (counts <= latest) & np.isfinite(values)
        for at in np.flatnonzero(~is_good).tolist():
            self._tally.fault(first + at + 1, self._fault(part, at, int(counts[at]) * factor))
        self._tally.readings += int(is_good.sum())
        return Rows(codes[is_good], counts[is_good] * factor, values[is_good])

    def _fault(self, part: pa.RecordBatch, at: int, time_ns: int) -> Fault:
        sensor, value = part.column("sensor")[at].as_py(), part.column("value")[at].as_py()
        try:
            if not part.column("time")[at].is_valid:
                return Fault("no time", "a time")
            self.sensors.code(sensor or "")
            check_time(time_ns, self._latest_ns, str(part.column("time")[at].cast(pa.int64())))
        except Fault as fault:
            return fault
        return Fault(f"the value {value}", "a finite number")

    def _codes(self, part: pa.RecordBatch) -> Int32:
        column = part.column("sensor")
        if not pa.types.is_dictionary(column.type):
            column = column.cast(pa.string()).dictionary_encode()
        tag_columns = [part.column(name) for name in TAG_COLUMNS if name in part.schema.names]
        indices = pc.fill_null(column.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
        codes = np.full(len(column.dictionary) + 1, -1, np.int32)
        used, first = np.unique(indices, return_index=True)
        for index, row in zip(used.tolist(), first.tolist(), strict=True):
            if index < 0:
                continue
            tags = (
                tags_of(
                    {
                        c: part.column(c)[row].as_py() or ""
                        for c in TAG_COLUMNS
                        if c in part.schema.names and _is_text(part.column(c).type)
                    }
                )
                if tag_columns
                else None
            )
            try:
                codes[index] = self.sensors.code(column.dictionary[index].as_py() or "", tags)
            except Fault:
                continue
        result: Int32 = codes[indices]
        return result

    def _batch(self, parts: list[Rows], row: int) -> Batch:
        mark = Mark(row, row)
        if not parts:
            return Batch(Readings.empty(), {}, mark)
        readings = Readings(
            tuple(self.sensors.names),
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.times for part in parts]),
            np.concatenate([part.values for part in parts]),
        )
        return Batch(readings, dict(self.sensors.tags), mark)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _article(kind: str) -> str:
    return f"an {kind}" if kind.startswith("A") else f"a {kind}"


class readable_arrow_errors:  # noqa: N801 (reads as a statement)
    """Translate pyarrow's errors about a file of another kind to `UserError`."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(
            error,
            pa.ArrowException | OSError | ValueError | LookupError | OverflowError | TypeError | MemoryError,
        ):
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"this is not {_article(self._kind)} file, or it is damaged: {reason}") from error
