"""Stores under test, readings and buckets to put into them, and what must come out."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from backend.core.bucket import Buckets
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Reading, Readings
from backend.core.windows import NS_PER_SECOND, Window
from backend.store.duckdb.store import DuckDBStore
from backend.store.influxdb.store import InfluxDBStore
from tests.support import influx

S = NS_PER_SECOND
T0 = 1_700_006_400 * S  # a midnight
HOUR, DAY = 3600 * S, 86_400 * S
ALWAYS = (-(1 << 62), 1 << 62)


class Bench:
    """A store under test, and a way to close it and open it again."""

    def __init__(self, make: Callable[[], TimeSeriesStore]) -> None:
        self._make = make
        self.store = make()

    async def now_and_reopened(self) -> AsyncIterator[TimeSeriesStore]:
        """The store as it is, then as it comes back."""
        yield self.store
        yield await self.reopen()

    async def reopen(self) -> TimeSeriesStore:
        await self.store.close()
        self.store = self._make()
        await self.store.open()
        return self.store


Make = Callable[[], TimeSeriesStore]


def duckdb(request: pytest.FixtureRequest, folder: Path) -> Make:
    return lambda: DuckDBStore(folder / "series.duckdb", memory_limit="200MB", threads=1)


def influxdb(request: pytest.FixtureRequest, folder: Path) -> Make:
    server, name = request.getfixturevalue("influxdb"), influx.fresh_name()
    return lambda: InfluxDBStore(server.url(name))


def influxdb2(request: pytest.FixtureRequest, folder: Path) -> Make:
    where = influx.version_2()
    assert where is not None
    (url, org, token), name = where, influx.fresh_name()
    return lambda: InfluxDBStore(f"influxdb+{url}/{name}", org=org, token=token)


# How each implementation is made over a folder of its own; making it twice over one folder is the same store.
IMPLEMENTATIONS = [duckdb, influxdb, *([influxdb2] if influx.version_2() else [])]


def readings(*rows: tuple[str, int, float]) -> Readings:
    return Readings.of(Reading(*row) for row in rows)


def second_by_second(sensor: str, values: ArrayLike, start: int = T0, step: int = S) -> Readings:
    column = np.asarray(values, np.float64)
    times = start + np.arange(len(column), dtype=np.int64) * step
    return Readings((sensor,), np.zeros(len(column), np.int32), times, column)


async def content(store: TimeSeriesStore, *sensors: str) -> dict[str, list[tuple[int, float]]]:
    points_by_sensor = await store.raw(sensors, *ALWAYS)
    return {
        s: list(zip(p.times.tolist(), p.values.tolist(), strict=True)) for s, p in points_by_sensor.items()
    }


def summary(values: Sequence[float]) -> tuple[float, ...]:
    """count, sum, m2, min, max, median, the slow and sure way."""
    mean = math.fsum(values) / len(values)
    m2 = math.fsum((v - mean) ** 2 for v in values)
    return (len(values), math.fsum(values), m2, min(values), max(values), float(np.median(values)))


def expected_buckets(
    rows: Mapping[str, Mapping[int, float]],
    groups: Mapping[str, Sequence[str]],
    window: Window,
    start: int,
    end: int,
) -> dict[tuple[str, int], tuple[float, ...]]:
    values_by_window: dict[tuple[str, int], list[float]] = {}
    for group, sensors in groups.items():
        for sensor in set(sensors):
            for time, value in rows.get(sensor, {}).items():
                if start <= time < end:
                    values_by_window.setdefault((group, window.floor(time)), []).append(value)
    return {key: summary(values) for key, values in values_by_window.items()}


def assert_buckets(got: Buckets, expected: Mapping[tuple[str, int], tuple[float, ...]]) -> None:
    keys = [
        (got.names[code], start) for code, start in zip(got.codes.tolist(), got.starts.tolist(), strict=True)
    ]
    assert sorted(keys) == sorted(expected)
    assert len(set(keys)) == len(keys)
    order = list(zip(got.codes.tolist(), got.starts.tolist(), strict=True))
    assert order == sorted(order)
    for at, key in enumerate(keys):
        count, total, m2, low, high, median = expected[key]
        scale = max(abs(low), abs(high))
        assert (got.count[at], got.min[at], got.max[at]) == (count, low, high)
        assert got.reported[at] == count and math.isnan(got.expected[at])
        assert got.sum[at] == pytest.approx(total, rel=1e-9, abs=1e-12 * scale * count)
        assert got.median[at] == pytest.approx(median, rel=1e-12, abs=1e-15 * scale)
        # The deviations themselves carry the rounding of the values they are taken from.
        assert got.m2[at] == pytest.approx(
            m2, rel=1e-9, abs=count * (1e-14 * scale) ** 2 + 1e-14 * scale * math.sqrt(count * m2)
        )


def buckets_of(rows: Mapping[str, Mapping[int, float]]) -> Buckets:
    """Made-up buckets: every statistic of series s at time t is a number of its own; NaN makes an empty one."""
    flat = [(code, t, v) for code, times in enumerate(rows.values()) for t, v in sorted(times.items())]
    value = np.array([v for *_, v in flat], np.float64)
    empty = np.isnan(value)
    count = np.where(empty, 0.0, 2.0 + np.floor(np.abs(value)))
    return Buckets(
        tuple(rows),
        np.array([code for code, *_ in flat], np.int32),
        np.array([t for _, t, _ in flat], np.int64),
        count,
        sum=value + 1,
        m2=value + 2,
        min=value + 3,
        max=value + 4,
        median=value + 5,
        expected=count + 7,
        reported=np.where(empty, 0.0, count + 6),
    )


def same(got: Buckets, expected: Buckets, rounding: float = 0.0) -> None:
    """`rounding` is by how much of themselves sums may differ, as when their terms are added in another order."""
    assert tuple(got.names) == tuple(expected.names)
    for field in fields(got)[1:]:
        allowed = rounding if field.name in ("sum", "m2") else 0.0
        np.testing.assert_allclose(
            getattr(got, field.name), getattr(expected, field.name), rtol=allowed, atol=0, err_msg=field.name
        )
        assert getattr(got, field.name).dtype == getattr(expected, field.name).dtype


TIMES = st.integers(0, 4 * 86_400).map(lambda s: T0 + s * S) | st.integers(0, 3 * DAY).map(lambda t: T0 + t)
VALUES = st.floats(-1e4, 1e4, allow_nan=False).map(lambda v: v if abs(v) > 1e-6 else 0.0) | st.integers(
    -50, 50
).map(float)
ROWS = st.lists(st.tuples(st.sampled_from("abcd"), TIMES, VALUES), min_size=1, max_size=60)
ONE_BY_ONE = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
