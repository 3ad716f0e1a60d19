from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.bus.last_values import LastValues
from backend.bus.memory import MemoryBus, MemorySubscription
from backend.core.errors import TransientError
from backend.core.reading import Reading, Readings

SECOND = 10**9
NAMES = ("a", "b", "c")


def batch(*rows: tuple[str, int, float]) -> Readings:
    return Readings.of([Reading(*row) for row in rows])


@contextlib.asynccontextmanager
async def following(last: LastValues) -> AsyncIterator[None]:
    task = asyncio.create_task(last.run())
    await asyncio.wait_for(last.ready.wait(), 60)
    try:
        yield
    finally:
        task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


async def test_last_values_start_from_the_seed_and_follow_the_bus() -> None:
    async def seed() -> Mapping[str, Reading]:
        return {"a": Reading("a", 5 * SECOND, 1.0), "b": Reading("b", 9 * SECOND, 2.0)}

    bus = MemoryBus()
    last = LastValues(bus, NAMES, seed)
    async with following(last):
        assert last.latest("b") == Reading("b", 9 * SECOND, 2.0)
        await bus.publish(batch(("a", 10 * SECOND, 3.0), ("b", 8 * SECOND, 9.0)))
        await until(lambda: (reading := last.latest("a")) is not None and reading.value == 3.0)
    np.testing.assert_array_equal(last.values(10 * SECOND, 60 * SECOND), [3.0, 2.0, np.nan])


def test_the_newest_time_wins_whatever_comes_last() -> None:
    last = LastValues(MemoryBus(), NAMES)
    last.merge(batch(("a", 5, 1.0), ("a", 3, 2.0)))
    last.merge(batch(("a", 4, 3.0)))
    assert last.latest("a") == Reading("a", 5, 1.0)
    last.merge(batch(("a", 5, 4.0)))  # the same reading again, corrected
    assert last.latest("a") == Reading("a", 5, 4.0)


def test_old_values_are_nan_and_never_zero() -> None:
    last = LastValues(MemoryBus(), NAMES)
    last.merge(batch(("a", 100, 1.0), ("b", 40, 2.0)))
    np.testing.assert_array_equal(last.values(100, 60), [1.0, 2.0, np.nan])
    np.testing.assert_array_equal(last.values(101, 60), [1.0, np.nan, np.nan])
    assert last.latest("b") == Reading("b", 40, 2.0)
    assert last.latest("c") is None
    assert last.latest("unheard of") is None


def test_sensors_outside_the_order_do_not_change_it() -> None:
    last = LastValues(MemoryBus(), NAMES)
    last.merge(batch(("x", 1, 9.0), ("b", 1, 2.0)))
    assert last.names == NAMES
    assert last.values(1, 60).shape == (3,)
    assert last.latest("x") == Reading("x", 1, 9.0)
    assert {r.sensor for r in last.snapshot()} == {"b", "x"}
    assert list(last.snapshot(frozenset({"x", "c", "none"}))) == [Reading("x", 1, 9.0)]


def test_returned_values_do_not_change_later() -> None:
    last = LastValues(MemoryBus(), NAMES)
    last.merge(batch(("a", 1, 1.0)))
    values, times, snapshot = last.values(1, 60), last.times(), last.snapshot()
    last.merge(batch(("a", 2, 2.0)))
    assert (values[0], times[0], snapshot.values[0]) == (1.0, 1, 1.0)


async def test_last_values_start_without_the_store() -> None:
    async def seed() -> Mapping[str, Reading]:
        raise TransientError("no answer")

    bus = MemoryBus()
    last = LastValues(bus, NAMES, seed)
    async with following(last):
        await bus.publish(batch(("a", 1, 1.0)))
        await until(lambda: last.latest("a") is not None)


class LostBus(MemoryBus):
    """A bus whose first subscription ends with an error."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = False

    @contextlib.asynccontextmanager
    async def subscribe(self, sensors: frozenset[str] | None = None) -> AsyncIterator[MemorySubscription]:
        if not self.lost:
            self.lost = True
            raise TransientError("gone")
        async with super().subscribe(sensors) as batches:
            yield batches


async def test_last_values_resume_after_an_outage_of_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.bus.last_values._RETRY_S", 0)
    bus = LostBus()
    last = LastValues(bus, NAMES)
    async with following(last):
        await bus.publish(batch(("a", 1, 1.0)))
        await until(lambda: last.latest("a") is not None)


READING = st.builds(Reading, st.sampled_from("abcxyz"), st.integers(0, 20), st.floats(-9, 9))


@given(st.lists(st.lists(READING, max_size=10), max_size=8))
def test_last_values_equal_those_of_a_dictionary(batches: list[list[Reading]]) -> None:
    last = LastValues(MemoryBus(), NAMES)
    expected: dict[str, Reading] = {}
    for readings in batches:
        last.merge(Readings.of(readings))
        for r in readings:
            if r.sensor not in expected or r.time_ns >= expected[r.sensor].time_ns:
                expected[r.sensor] = r
    assert {r.sensor: r for r in last.snapshot()} == expected
    for name in "abcxyz":
        assert last.latest(name) == expected.get(name)
