"""Tests of the text sent to an InfluxDB, and of its answers."""

from __future__ import annotations

import numpy as np
import pytest

from backend.core.bucket import Buckets, SeriesKind
from backend.core.errors import PermanentError, UserError
from backend.core.ports import SensorTags
from backend.core.reading import Points
from backend.core.windows import NS_PER_SECOND, Window
from backend.store.influxdb import line_protocol as lines
from backend.store.influxdb.address import Address
from backend.store.influxdb.columns import runs, text_cells

S = NS_PER_SECOND
NAN = np.nan


def test_a_reading_has_the_line_of_existing_deployments() -> None:
    tags = lines.tag_set("ecotype-1_pdu-Z1.50", SensorTags("ecotype-1", "wattmeter", "W"))
    points = Points(np.array([1580000000 * S]), np.array([112.0]))
    assert lines.point_lines(tags, points, S) == [
        "sensors,location=ecotype-1,sensor=ecotype-1_pdu-Z1.50,sensor_type=wattmeter,unit=W value=112.0 1580000000"
    ]


def row(count: float, *statistics: float) -> Buckets:
    columns = [np.array([v], np.float64) for v in (count, *statistics)]
    return Buckets(("N",), np.zeros(1, np.int32), np.array([60 * S]), *columns)


@pytest.mark.parametrize(
    "kind, window, bucket, line",
    [
        (
            SeriesKind.NODE,
            Window.S30,
            row(1, 5, 0, 5, 5, 5, 3, 2),
            "cq_N_30s count=1i,expected=3.0,reported=2.0,value=5.0 60",
        ),
        (
            SeriesKind.NODE,
            Window.S30,
            row(0, NAN, NAN, NAN, NAN, NAN, 3, 0),
            "cq_N_30s count=0i,expected=3.0,reported=0.0 60",
        ),
        (
            SeriesKind.SENSOR,
            Window.M1,
            row(2, 6, 2, 2, 4, 3, NAN, 2),
            "measurement_downsample_1m,sensor=N "
            "count=2i,reported=2.0,sum=6.0,mean=3.0,stddev=1.4142135623730951,min=2.0,max=4.0,median=3.0,m2=2.0 60",
        ),
        (
            SeriesKind.TYPE,
            Window.D1,
            row(1, 6, 0, 6, 6, 6, NAN, 1),
            "measurement_downsample_all_1d,sensor_type=N "
            "count=1i,reported=1.0,sum=6.0,mean=6.0,min=6.0,max=6.0,median=6.0,m2=0.0 60",
        ),
    ],
)
def test_a_roll_up_has_the_line_of_existing_deployments(
    kind: SeriesKind, window: Window, bucket: Buckets, line: str
) -> None:
    assert list(lines.bucket_lines(kind, window, bucket)) == [line]


@pytest.mark.parametrize("name", ["two\nlines", "end\\", "a\\ b", "a\\,b", "a\\=b"])
def test_a_name_that_line_protocol_cannot_express_is_refused(name: str) -> None:
    with pytest.raises(PermanentError, match="cannot hold the name"):
        lines.escape(name)


@pytest.mark.parametrize("name", ["a b", "a,b", "a=b", "a\\b", 'a"b', "épée", "#a", "a,=  b"])
def test_escaped_names_are_read_back(name: str) -> None:
    text = lines.tag_set(name, SensorTags(name, "", name))
    assert {key: lines.unescape(value) for key, value in lines.tags_of_key(text).items()} == {
        "location": name,
        "sensor": name,
        "unit": name,
    }


def test_series_of_an_answer() -> None:
    text = (
        b"name,tags,time,a,b\n"
        b"m,sensor=x,1700006400000000001,1.5,\n"
        b"m,sensor=x,1700006400000000003,,2e-3\n"
        b'm,"sensor=it""s,,\\,",-5,,\n'
        b"n,,7,1,0.000000000000000000000000000001\n"
    )
    parsed = list(runs(text, 2))
    assert [(run.name, run.tags) for run in parsed] == [
        ("m", "sensor=x"),
        ("m", 'sensor=it"s,,\\,'),
        ("n", ""),
    ]
    assert [run.times.tolist() for run in parsed] == [[1700006400000000001, 1700006400000000003], [-5], [7]]
    np.testing.assert_array_equal(parsed[0].fields, [[1.5, NAN], [NAN, 0.002]])
    np.testing.assert_array_equal(parsed[2].fields, [[1], [1e-30]])
    assert list(runs(b"", 2)) == []


def test_series_longer_than_a_block_stay_whole() -> None:
    rows = [f"sensors,sensor={name},{t},{t / 2}\n" for name in "ab" for t in range(30_000)]
    parsed = list(runs(("name,tags,time,value\n" + "".join(rows)).encode(), 1))
    assert [run.tags for run in parsed] == ["sensor=a", "sensor=b"]
    for run in parsed:
        assert np.array_equal(run.times, np.arange(30_000))
        assert np.array_equal(run.fields[0], np.arange(30_000) / 2)


def test_text_cells_of_an_answer() -> None:
    text = b'name,tags,key,value\nsensors,,sensor,a b\nsensors,,sensor,"x ""y"", z"\n'
    assert text_cells(text) == [["sensors", "", "sensor", "a b"], ["sensors", "", "sensor", 'x "y", z']]
    assert text_cells(b"") == []


def test_a_url_is_parsed() -> None:
    old = Address.parse("influxdb+http://joe:p%40ss@influx.example:8086/data%20base")
    assert (old.base, old.database) == ("http://influx.example:8086", "data base")
    assert (old.user, old.password, old.token) == ("joe", "p@ss", None)
    new = Address.parse("influxdb+https://[::1]:8086/bucket?org=me&token=s3cret%3D")
    assert (new.base, new.org, new.token) == ("https://[::1]:8086", "me", "s3cret=")
    assert Address.parse("influxdb+http://h/b?org=me&token=a", org="you", token="b").token == "b"
    assert "s3cret" not in repr(new) and "p@ss" not in repr(old)


@pytest.mark.parametrize(
    "url",
    [
        "http://joe:s3cret@host:8086/db",
        "influxdb+http://joe:s3cret@host:8086",
        "influxdb+http://joe:s3cret@/db",
        "influxdb+http://joe:s3cret@host:port/db",
        "influxdb+http://joe:s3cret@host:8086/db/rp",
        "influxdb+http://host:8086/db?tokn=s3cret",
    ],
)
def test_an_error_about_a_url_hides_its_secrets(url: str) -> None:
    with pytest.raises(UserError, match="expected influxdb") as caught:
        Address.parse(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
