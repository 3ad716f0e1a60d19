"""History of some sensors of the example, as files and as a store holds it, for tests of what goes in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from backend.core.ports import SensorTags, TimeSeriesStore
from backend.core.reading import Points, Readings
from backend.core.windows import NS_PER_SECOND as S
from backend.formats.file_formats import Format
from backend.formats.write import writer
from backend.store.duckdb.store import DuckDBStore

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "datacenter"
DAY0 = 1_709_078_400  # 2024-02-28, the day before a leap day
KNOWN = ("ecotype-37_pdu-Z1.10", "ecotype-38_pdu-Z1.10", "ecotype-39_pdu-Z1.10")
UNKNOWN_SENSOR = "it's a, strange=one"
UNKNOWN_SENSOR_TAGS = SensorTags("room exterior", "temperature", "°C")
SENSORS = (*KNOWN, UNKNOWN_SENSOR)
EVER = (-(1 << 62), 1 << 62)


def readings(
    start_s: int, seconds: int, period_s: float, seed: int = 1, names: Sequence[str] = SENSORS
) -> Readings:
    """By sensor and time, as `influx_inspect` writes a shard; times with a fraction, values of all kinds."""
    n = int(seconds / period_s)
    rng = np.random.default_rng(seed)
    times = (
        np.int64(start_s * S) + (np.arange(n) * period_s * S).astype(np.int64) + rng.integers(0, S // 10, n)
    )
    count = len(names)
    values = np.where(
        rng.random(n * count) < 0.9, np.round(rng.normal(200, 20, n * count), 1), rng.normal(size=n * count)
    )
    return Readings(
        tuple(names), np.repeat(np.arange(count, dtype=np.int32), n), np.tile(times, count), values
    )


def lines(parts: Sequence[Readings]) -> bytes:
    out = writer(Format.LINE, SENSORS, {UNKNOWN_SENSOR: UNKNOWN_SENSOR_TAGS})
    return b"# DDL\nCREATE DATABASE x WITH NAME autogen\n# DML\n" + b"".join(
        out.write(part) for part in parts
    )


def expected(parts: Sequence[Readings]) -> Mapping[str, Points]:
    return Readings.concat(parts).by_sensor()


async def assert_holds(store: TimeSeriesStore, points_expected: Mapping[str, Points]) -> None:
    actual = await store.raw(list((await store.latest()).keys()), *EVER)
    assert set(actual) == set(points_expected)
    for name, points in points_expected.items():
        assert np.array_equal(actual[name].times, points.times), name
        assert np.array_equal(actual[name].values, points.values), name


async def check_stored(data: Path, points_expected: Mapping[str, Points]) -> Mapping[str, SensorTags]:
    """Assert that the store of a folder holds exactly these points, and return its tags."""
    store = DuckDBStore(data / "series.duckdb")
    await store.open()
    try:
        await assert_holds(store, points_expected)
        return dict(await store.tags())
    finally:
        await store.close()
