"""A reader returns the readings that a writer wrote, to the nanosecond and the last bit."""

from __future__ import annotations

import io
import operator
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.core.ports import SensorTags
from backend.core.reading import Reading, Readings
from backend.formats.batch import EARLIEST_NS, Mark, is_valid_name, tags_of
from backend.formats.file_formats import FORMAT_INFO, Format, format_from_content, format_from_name
from backend.formats.read import ReadOptions, Source, read
from backend.formats.report import Tally
from backend.formats.table_reader import LABELS_KEY
from backend.formats.write import writer

LATEST = 2_000_000_000 * 10**9

NAME_CHARACTERS = st.one_of(
    st.sampled_from("abc,= \\\"#é日;'"), st.characters(exclude_categories=("C", "Z"), include_characters=" ")
)
"""Everything that `is_valid_name` allows within a name: printable characters, the separators of the formats included."""
LAST_CHARACTERS = st.one_of(
    st.sampled_from("abc,= \"#é日;'"),
    st.characters(exclude_categories=("C", "Z"), include_characters=" ", exclude_characters="\\"),
)
names = st.builds(operator.add, st.text(NAME_CHARACTERS, max_size=7), LAST_CHARACTERS)
words = st.text(max_size=8)
values = st.floats(allow_nan=False, allow_infinity=False)
times = st.integers(EARLIEST_NS, LATEST)
rows = st.lists(st.builds(Reading, names, times, values), max_size=40)


def content(kind: Format, parts: list[Readings], tags: dict[str, SensorTags]) -> bytes:
    sensors = list(dict.fromkeys(name for part in parts for name in part.names))
    out = writer(kind, sensors, tags)
    return b"".join([out.begin(), *(out.write(part) for part in parts), out.end()])


def read_back(
    data: bytes, folder: Path, options: ReadOptions, start: Mark | None = None
) -> tuple[list[Reading], dict[str, SensorTags], Tally]:
    path = folder / "file"
    path.write_bytes(data)
    tally = Tally()
    rows: list[Reading] = []
    tags: dict[str, SensorTags] = {}
    with Source(str(path)) as source:
        for batch in read(source, options, tally, start or Mark()):
            rows += list(batch.readings)
            tags |= batch.tags
    assert tally.readings == len(rows)
    return rows, tags, tally


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("formats")


@pytest.mark.parametrize("kind", Format)
@settings(max_examples=80, deadline=None)
@given(rows, rows, st.dictionaries(names, st.builds(SensorTags, words, words, words)))
def test_a_round_trip_changes_nothing(
    kind: Format, folder: Path, first: list[Reading], second: list[Reading], tags: dict[str, SensorTags]
) -> None:
    parts = [Readings.of(first), Readings.of(second)]
    tags = {**dict.fromkeys(parts[0].names, SensorTags("a b", "watt,meter", "=W")), **tags}
    assert all(map(is_valid_name, tags))
    data = content(kind, parts, tags)
    rows, read_tags, tally = read_back(data, folder, ReadOptions(kind, None, LATEST))
    assert not tally.wrong, tally.examples
    assert rows == first + second
    if kind is not Format.CSV:
        for name in {r.sensor for r in rows} & tags.keys():
            t = tags[name]
            assert read_tags.get(name) == tags_of(
                {"location": t.location, "sensor_type": t.sensor_type, "unit": t.unit}
            )


@pytest.mark.parametrize("kind", Format)
def test_formats_are_detected_by_name_and_by_content(kind: Format) -> None:
    data = content(kind, [Readings.of([Reading("fan", EARLIEST_NS, 1.5)])], {})
    assert format_from_content(data) is kind
    assert format_from_name(f"x{FORMAT_INFO[kind].suffix}.gz") is kind
    assert format_from_name("x.txt") is None


@pytest.mark.parametrize("kind", Format)
def test_reading_resumes_from_every_mark(kind: Format, folder: Path) -> None:
    n = 1_200_000
    rng = np.random.default_rng(1)
    whole = Readings(
        ("a b", "c"),
        (np.arange(n) % 2).astype(np.int32),
        EARLIEST_NS + np.arange(n) * 10**9,
        rng.normal(size=n),
    )
    path = folder / f"long{FORMAT_INFO[kind].suffix}"
    path.write_bytes(content(kind, [whole.take(np.arange(a, a + 100_000)) for a in range(0, n, 100_000)], {}))
    options = ReadOptions(None, None, LATEST)
    with Source(str(path)) as source:
        batches = list(read(source, options, Tally(), Mark()))
    assert len(batches) > 2
    for at, batch in enumerate(batches):
        with Source(str(path)) as source:
            rest = [b.readings for b in read(source, options, Tally(), batch.mark)]
        expected = Readings.concat([b.readings for b in batches[at + 1 :]])
        resumed = Readings.concat(rest)
        assert np.array_equal(resumed.times, expected.times)
        assert np.array_equal(resumed.values, expected.values)
    everything = Readings.concat([b.readings for b in batches])
    assert np.array_equal(everything.times, whole.times)
    assert np.array_equal(everything.values, whole.values)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", Format)
def test_standard_input_can_be_read(kind: Format, packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    rows = [Reading("fan", EARLIEST_NS + i, float(i)) for i in range(5000)]
    data = content(kind, [Readings.of(rows)], {})
    stdin = io.TextIOWrapper(io.BytesIO(gzip.compress(data) if packed else data))
    monkeypatch.setattr(sys, "stdin", stdin)
    with Source("-") as source:
        read_rows = [
            r for b in read(source, ReadOptions(None, None, LATEST), Tally(), Mark()) for r in b.readings
        ]
    assert read_rows == rows


@pytest.mark.parametrize("kind", [Format.ARROW, Format.PARQUET])
def test_tables_carry_labels_in_their_metadata(kind: Format) -> None:
    out = writer(kind, ["fan"], {}, {"fan": "Roof fan"})
    source = pa.BufferReader(out.begin() + out.end())
    schema = pa.ipc.open_stream(source).schema if kind is Format.ARROW else pq.read_schema(source)
    assert schema.metadata[LABELS_KEY] == b'{"fan": "Roof fan"}'
