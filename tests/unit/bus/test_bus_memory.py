from __future__ import annotations

import asyncio

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backend.bus.memory import MemoryBus
from backend.core.reading import Reading, Readings


def rows(n: int, sensors: int, start: int = 0) -> Readings:
    index = np.arange(start, start + n)
    names = tuple(f"s{i}" for i in range(sensors))
    return Readings(
        names, (index % sensors).astype(np.int32), index.astype(np.int64), index.astype(np.float64)
    )


async def test_the_memory_of_a_slow_subscriber_is_bounded() -> None:
    bus = MemoryBus()
    async with bus.subscribe() as batches:
        for i in range(300):
            await bus.publish(rows(1000, 100, 1000 * i))
        assert batches._rows < 10_000
        batch = await anext(batches)
        assert len(batch) == 100
        assert sorted(batch.times.tolist()) == list(range(299_900, 300_000))


async def test_a_batch_holds_one_row_a_sensor() -> None:
    bus = MemoryBus()
    async with bus.subscribe() as batches:
        await bus.publish(Readings.of([Reading("a", t, float(t)) for t in (3, 9, 5)]))
        assert list(await anext(batches)) == [Reading("a", 9, 9.0)]


async def test_publishing_never_yields_to_the_event_loop() -> None:
    bus = MemoryBus()
    turned = False

    def turn() -> None:
        nonlocal turned
        turned = True

    async with bus.subscribe():
        asyncio.get_running_loop().call_soon(turn)
        for i in range(100):
            await bus.publish(rows(10, 5, i))
        assert not turned


READING = st.builds(Reading, st.sampled_from("abcd"), st.integers(0, 20), st.floats(-9, 9))


@given(st.lists(READING, max_size=40))
def test_newest_is_what_a_dictionary_would_keep(readings: list[Reading]) -> None:
    expected: dict[str, Reading] = {}
    for r in readings:
        if r.sensor not in expected or r.time_ns >= expected[r.sensor].time_ns:
            expected[r.sensor] = r
    assert {r.sensor: r for r in Readings.of(readings).newest()} == expected
