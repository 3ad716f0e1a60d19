"""Real-world files: other measurements, headers, mistakes. A fault is reported with its line, never by a traceback."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.core.errors import UserError
from backend.core.ports import SensorTags
from backend.core.reading import Reading, Readings
from backend.formats import text_reader
from backend.formats.batch import EARLIEST_NS, Batch, Mark
from backend.formats.file_formats import Format, Precision
from backend.formats.read import ReadOptions, Source, read
from backend.formats.report import MAX_EXAMPLES, Tally
from backend.formats.write import writer

S = 10**9
LATEST = 2_000_000_000 * S
T = 1_580_000_000

EXPORTED = rb"""# DDL
CREATE DATABASE seduce WITH NAME autogen
# DML
# CONTEXT-DATABASE:seduce
# CONTEXT-RETENTION-POLICY:autogen
# writing tsm data
cq_datacenter_30s value=1234.5 1580000000000000000
measurement_downsample_30s,sensor=fan mean=12 1580000000000000000
measurement_downsample_30s,sensor=fan stddev=0.5 1580000000000000000
sensors,location=room\ exterior,sensor=fan,sensor_type=wattmeter,unit=W value=12.5 1580000000000000000
sensors,location=a\,b\=c,sensor=ecotype-1_pdu-Z1.50,sensor_type=wattmeter,unit=W value=112i 1580000001000000000
sensors,location=room\ exterior,sensor=fan,sensor_type=wattmeter,unit=W value=-1e3 1580000002000000000

sensors,sensor=bare value=1 1580000003000000000
""".replace(b"12i 158", b"12i 158")


def all_of(
    data: bytes, folder: Path, kind: Format | None = None, precision: Precision | None = None
) -> tuple[list[Reading], Mapping[str, SensorTags], Tally]:
    path = folder / "file"
    path.write_bytes(data)
    tally = Tally()
    batches: list[Batch] = []
    with Source(str(path)) as source:
        batches.extend(read(source, ReadOptions(kind, precision, LATEST), tally, Mark()))
    return [r for b in batches for r in b.readings], batches[-1].tags if batches else {}, tally


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("crlf", [False, True])
def test_what_influx_inspect_exports(tmp_path: Path, packed: bool, crlf: bool) -> None:
    data = EXPORTED.replace(b"\n", b"\r\n") if crlf else EXPORTED
    rows, tags, tally = all_of(gzip.compress(data) if packed else data, tmp_path)
    assert rows == [
        Reading("fan", T * S, 12.5),
        Reading("ecotype-1_pdu-Z1.50", (T + 1) * S, 112.0),
        Reading("fan", (T + 2) * S, -1000.0),
        Reading("bare", (T + 3) * S, 1.0),
    ]
    assert tags["fan"] == SensorTags("room exterior", "wattmeter", "W")
    assert tags["ecotype-1_pdu-Z1.50"].location == "a,b=c"
    assert "bare" not in tags
    assert dict(tally.skipped) == {"cq_datacenter_30s": 1, "measurement_downsample_30s": 2}
    assert not tally.wrong


GOOD = b"sensors,sensor=fan value=1 1580000000"
WRONG = [
    (b"rubbish", "sensors,sensor=NAME"),
    (b"sensors value=1 1580000000", "a tag sensor=NAME"),
    (b"sensors,location=x value=1 1580000000", "a tag sensor=NAME"),
    (b"sensors,sensor= value=1 1580000000", "TAG=VALUE"),
    (b"sensors,sensor value=1 1580000000", "TAG=VALUE"),
    (b"sensors,sensor=\xff value=1 1580000000", "UTF-8"),
    (b"sensors,sensor=a\x1fb value=1 1580000000", "printable"),
    (b"sensors,sensor=fan value=1", "with a whole number as time"),
    (b"sensors,sensor=fan value=1 1580000000.5", "with a whole number as time"),
    (b"sensors,sensor=fan value=1 99999999999999", "check --precision"),
    (b"sensors,sensor=fan value=1 -5", "check --precision"),
    (b"sensors,sensor=fan value=1 12", "check --precision"),
    (b"sensors,sensor=fan value=nan 1580000000", "finite"),
    (b"sensors,sensor=fan value=1e999 1580000000", "finite"),
    (b"sensors,sensor=fan value=true 1580000000", "finite"),
    (b'sensors,sensor=fan value="1" 1580000000', "finite"),
    (b"sensors,sensor=fan other=1 1580000000", "named value"),
    (b"sensors,sensor=fan value= 1580000000", "value=NUMBER"),
    (b"sensors,sensor=fan value=1 1580000000 9", "sensors,sensor=NAME"),
]


@pytest.mark.parametrize("line, expected", WRONG, ids=[repr(line) for line, _ in WRONG])
def test_a_bad_line_is_reported_and_the_others_are_read(tmp_path: Path, line: bytes, expected: str) -> None:
    rows, _, tally = all_of(b"\n".join([GOOD, line, GOOD]), tmp_path, precision=Precision.S)
    assert rows == [Reading("fan", T * S, 1.0)] * 2
    assert [w.line for w in tally.examples] == [2]
    assert expected in str(tally.examples[0])


def test_lines_that_are_unusual_but_right(tmp_path: Path) -> None:
    lines = [
        b"  sensors,sensor=fan  value=1  1580000000 ",
        b'sensors,sensor=fan text="a, b value=3 c",value=2 1580000001',
        b"sensors,sensor=fan value=3,other=1i 1580000002",
        b"sensors,sensor=fan value=4u 1580000003",
        b"sensors,unit=W,sensor=fan value=.5 1580000004",
    ]
    rows, _, tally = all_of(b"\n".join(lines), tmp_path, precision=Precision.S)
    assert not tally.wrong, tally.examples
    assert [r.value for r in rows] == [1, 2, 3, 4, 0.5]
    assert [r.time_ns // S - T for r in rows] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("precision", Precision)
def test_every_precision(tmp_path: Path, precision: Precision) -> None:
    ticks = T * S // precision.ns
    rows, _, _ = all_of(b"sensors,sensor=fan value=1 %d" % ticks, tmp_path, precision=precision)
    assert rows == [Reading("fan", T * S, 1.0)]
    header = b"time,sensor,value\n%d,fan,1" % ticks
    assert all_of(header, tmp_path, Format.CSV, precision)[0] == rows


def test_the_first_bad_lines_are_reported_and_all_are_counted(tmp_path: Path) -> None:
    _, _, tally = all_of(b"x\n" * 5000, tmp_path, Format.LINE)
    assert tally.wrong == 5000
    assert len(tally.examples) == MAX_EXAMPLES


def test_line_numbers_continue_over_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_reader, "CHUNK_BYTES", 1000)
    lines = [b"sensors,sensor=fan value=%d %d" % (i, T + i) for i in range(2000)]
    for at in (3, 777, 1999):
        lines[at] = b"wrong"
    lines[5] = b"# a remark"
    rows, _, tally = all_of(b"\n".join(lines), tmp_path, precision=Precision.S)
    assert [w.line for w in tally.examples] == [4, 778, 2000]
    assert [r.value for r in rows] == [i for i in range(2000) if i not in (3, 5, 777, 1999)]


def test_an_endless_line_is_skipped_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_reader, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(text_reader, "MAX_LINE_BYTES", 2000)
    good = GOOD + b"\n"
    rows, _, tally = all_of(good + b"y" * 50_000 + b"\n" + good + b"bad\n", tmp_path, precision=Precision.S)
    assert len(rows) == 2
    assert [w.line for w in tally.examples] == [2, 4]


INFLUX_CSV = [
    (
        b'name,tags,time,value\nsensors,"location=a,b,sensor=fan,unit=W",1580000000000000000,12.5\n'
        b"name,tags,time,value\ncq_x_30s,,1580000000000000000,1\n"
    ),
    (  # Debian's server, over HTTP
        b'name,tags,time,value\nsensors,"location=a\\,b,sensor=fan,unit=W",1580000000000000000,12.5\n'
        b"cq_x_30s,,1580000000000000000,1\n"
    ),
    (
        b"name,tags,time,location,sensor,sensor_type,unit,value\n"
        b'sensors,,1580000000000000000,"a,b",fan,,W,12.5\ncq_x_30s,,1580000000000000000,,,,,1\n'
    ),
    (
        b"name,time,location,sensor,sensor_type,unit,value\n"
        b'sensors,2020-01-26T00:53:20Z,"a,b",fan,,W,12.5\ncq_x_30s,2020-01-26T00:53:20Z,,,,,1\n'
    ),
]


@pytest.mark.parametrize("data", INFLUX_CSV)
def test_what_influxdb_answers_as_csv(tmp_path: Path, data: bytes) -> None:
    rows, tags, tally = all_of(data, tmp_path)
    assert not tally.wrong, tally.examples
    assert rows == [Reading("fan", T * S, 12.5)]
    assert tags == {"fan": SensorTags("a,b", "", "W")}
    assert dict(tally.skipped) == {"cq_x_30s": 1}


CSV_WRONG = [
    (b"2020-01-26T00:53:20,fan,1", "with a time zone"),
    (b"2020-13-26T00:53:20Z,fan,1", "a time such as"),
    (b"1980-01-26T00:53:20Z,fan,1", "a time from 2000"),
    (b"2020-01-26T00:53:20Z,fan,", "finite"),
    (b"2020-01-26T00:53:20Z,fan,inf", "finite"),
    (b"2020-01-26T00:53:20Z,,1", "a name of 1 to"),
    (b"2020-01-26T00:53:20Z,fan", "time,sensor,value"),
    (b'2020-01-26T00:53:20Z,"fan,1', "time,sensor,value"),
    (b"2020-01-26T00:53:20Z,\xff,1", "UTF-8"),
]


@pytest.mark.parametrize("line, expected", CSV_WRONG, ids=[repr(line) for line, _ in CSV_WRONG])
def test_a_bad_row_of_csv_is_reported_and_the_others_are_read(
    tmp_path: Path, line: bytes, expected: str
) -> None:
    good = b"2020-01-26T01:53:20.000000001+01:00,fan,1"
    rows, _, tally = all_of(b"\n".join([b"time,sensor,value", good, line, good]), tmp_path)
    assert rows == [Reading("fan", T * S + 1, 1.0)] * 2
    assert [w.line for w in tally.examples] == [3]
    assert expected in str(tally.examples[0])


@pytest.mark.parametrize(
    "data, kind",
    [
        (b"", Format.CSV),
        (b"time,sensor\n", Format.CSV),
        (b"time,time,sensor,value\n", Format.CSV),
        (b"time,sensor,value\n1580000000,fan,1\n", Format.CSV),
        (b"PAR1 and no more", None),
        (b"\xff\xff\xff\xff and no more", None),
        (b"ARROW1 and no more", None),
        (b"", Format.PARQUET),
        (b"", Format.ARROW),
        (b"\x1f\x8bno gzip", None),
        (gzip.compress(EXPORTED)[:-20], None),
    ],
)
def test_an_unreadable_file_gives_a_clear_error(tmp_path: Path, data: bytes, kind: Format | None) -> None:
    with pytest.raises(UserError):
        all_of(data, tmp_path, kind)


def table(**columns: object) -> bytes:
    arrow_table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, arrow_table.schema) as stream:
        stream.write_table(arrow_table)
    return sink.getvalue().to_pybytes()


def test_tables_of_other_writers(tmp_path: Path) -> None:
    zone = pa.timestamp("ms", "Europe/Paris")
    data = table(
        value=pa.array([1, None, 3, 4], pa.int32()),
        unit=pa.array(["W", "W", "W", None]),
        sensor=pa.array(["fan", "fan", None, "sun"], pa.large_string()),
        time=pa.array([T * 1000, T * 1000, T * 1000, T * 1000 + 1], zone),
        more=pa.array([[1], [2], [3], [4]]),
    )
    rows, tags, tally = all_of(data, tmp_path)
    assert rows == [Reading("fan", T * S, 1.0), Reading("sun", T * S + 10**6, 4.0)]
    assert tags == {"fan": SensorTags("", "", "W")}
    assert [w.line for w in tally.examples] == [2, 3]


@pytest.mark.parametrize(
    "columns",
    [
        {"time": pa.array([T], pa.timestamp("s")), "sensor": pa.array(["a"]), "value": pa.array([1.0])},
        {"time": pa.array(["x"]), "sensor": pa.array(["a"]), "value": pa.array([1.0])},
        {"time": pa.array([T]), "sensor": pa.array(["a"]), "value": pa.array([1.0])},
        {"time": pa.array([T], pa.timestamp("s", "UTC")), "sensor": pa.array([1]), "value": pa.array([1.0])},
        {
            "time": pa.array([T], pa.timestamp("s", "UTC")),
            "sensor": pa.array(["a"]),
            "value": pa.array(["1"]),
        },
        {"time": pa.array([T], pa.timestamp("s", "UTC")), "value": pa.array([1.0])},
    ],
)
def test_tables_with_wrong_columns_are_refused(tmp_path: Path, columns: dict[str, pa.Array]) -> None:
    with pytest.raises(UserError, match=r"time|sensor|value"):
        all_of(table(**columns), tmp_path)


pieces = st.sampled_from(
    [
        b"sensors",
        b",",
        b"sensor=fan",
        b" ",
        b"value=",
        b"1",
        b"1580000000",
        b"\n",
        b"\\",
        b"=",
        b'"',
        b"i",
        b"nan",
        b"#",
        b"\r",
        b"\x00",
        b"\x1f",
        b"\xff",
        b"time,sensor,value\n",
        b"2020-01-26T00:53:20Z",
        b"-",
        b".",
        b"e9",
        b"name",
    ]
)
noise = st.one_of(st.binary(max_size=200), st.lists(pieces, max_size=60).map(b"".join))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("noise")


@pytest.mark.parametrize("kind", [Format.LINE, Format.CSV, None])
@settings(max_examples=150, deadline=None)
@given(data=noise)
def test_random_bytes_give_a_clear_error(folder: Path, kind: Format | None, data: bytes) -> None:
    try:
        rows, _, _ = all_of(data, folder, kind, Precision.S)
    except UserError:
        return
    assert all(EARLIEST_NS <= r.time_ns <= LATEST for r in rows)


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(st.lists(pieces, max_size=12).map(lambda p: b"".join(p).replace(b"\n", b"")), max_size=6)
)
def test_columnar_and_line_by_line_parsing_agree(folder: Path, lines: list[bytes]) -> None:
    """Each line is read alike alone and among others."""
    whole = [GOOD, *lines, GOOD]
    together, _, tally = all_of(b"\n".join(whole), folder, Format.LINE, Precision.S)
    apart: list[Reading] = []
    wrong = 0
    for line in whole:
        # Next to a line that columnar parsing cannot read, each is parsed alone.
        rows, _, one = all_of(line + b"\nx", folder, Format.LINE, Precision.S)
        apart += rows
        wrong += one.wrong - 1
    assert (together, tally.wrong) == (apart, wrong)


@pytest.mark.parametrize("kind", [Format.ARROW, Format.PARQUET])
@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), keep=st.integers(0, 10_000))
def test_a_damaged_table_gives_a_clear_error(
    folder: Path, kind: Format, at: int, byte: int, keep: int
) -> None:
    readings = Readings.of([Reading(f"s{i % 3}", (T + i) * S, float(i)) for i in range(50)])
    out = writer(kind, readings.names, {})
    data = bytearray(out.begin() + out.write(readings) + out.end())
    data[at % len(data)] = byte
    try:
        all_of(bytes(data[: keep % (len(data) + 1)] if keep % 2 else data), folder, kind)
    except UserError:
        return
