"""Millions of readings, written in pieces and partly twice: every one of them is stored."""

from __future__ import annotations

import numpy as np
import pytest

from backend.core.reading import Readings
from backend.core.windows import Window
from tests.support.store_cases import ALWAYS, DAY, HOUR, T0, Bench, S

DAYS = 2
PER_DAY = 86_400


def hour_of(names: tuple[str, ...], hour: int) -> Readings:
    """Return one reading per second of each sensor, ordered by time, whose value encodes sensor and second."""
    seconds = np.repeat(np.arange(hour * 3600, (hour + 1) * 3600, dtype=np.int64), len(names))
    codes = np.tile(np.arange(len(names), dtype=np.int32), 3600)
    return Readings(names, codes, T0 + seconds * S, value(codes, seconds))


def value(code: object, second: object) -> np.ndarray:
    return np.asarray(code) * 1000.0 + np.asarray(second) % 997 / 10


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_ten_million_readings(bench: Bench) -> None:
    # A server takes minutes for ten million lines of text, and has no tables of ours where some could get lost:
    # some 350,000 do there.
    embedded = type(bench.store).__name__ == "DuckDBStore"
    names = tuple(f"sensor_{i:02}" for i in range(58 if embedded else 2))
    whole = len(names) * PER_DAY * DAYS
    assert whole >= (10_000_000 if embedded else 345_000)
    rows = late = 0
    for hour in range(24 * DAYS):
        written = await bench.store.write(hour_of(names, hour))
        rows, late = rows + written.rows, late + len(written.late)
    assert (rows, late) == (whole, 0)
    repeated = hour_of(names, 30)
    assert len((await bench.store.write(repeated)).late) == len(repeated)
    await check(bench, names)
    await bench.store.maintain(T0 + DAYS * DAY + HOUR)
    await bench.reopen()
    await check(bench, names)


async def check(bench: Bench, names: tuple[str, ...]) -> None:
    store, last = bench.store, len(names) - 1
    assert await store.count(names, *ALWAYS) == dict.fromkeys(names, PER_DAY * DAYS)
    assert await store.first_time() == T0
    latest = await store.latest()
    assert {r.time_ns for r in latest.values()} == {T0 + DAYS * DAY - S}
    assert latest[names[last]].value == value(last, DAYS * PER_DAY - 1)
    seconds = np.arange(30 * 3600 - 7, 31 * 3600 + 7)
    points = (await store.raw([names[last]], T0 + int(seconds[0]) * S, T0 + int(seconds[-1] + 1) * S))[
        names[last]
    ]
    assert np.array_equal(points.times, T0 + seconds * S)
    assert np.array_equal(points.values, value(last, seconds))
    days = await store.aggregate({"all": names, "one": names[:1]}, Window.D1, T0, T0 + DAYS * DAY)
    assert days.count.tolist() == [len(names) * PER_DAY] * DAYS + [PER_DAY] * DAYS
    sums = [
        value(code, np.arange(PER_DAY * d, PER_DAY * (d + 1))).sum()
        for codes in (range(len(names)), [0])
        for d in range(DAYS)
        for code in [np.array(codes)[:, None]]
    ]
    np.testing.assert_allclose(days.sum, sums, rtol=1e-12)
