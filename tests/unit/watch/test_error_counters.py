from __future__ import annotations

import logging

import pytest

from backend.bus.board import MemoryCounters
from backend.core.health import SensorErrors
from backend.watch.error_counters import SilenceCounter, times_from_memory
from tests.support.small_site import SmallSite

S = 10**9


def build_counter(site: SmallSite, counters: MemoryCounters) -> SilenceCounter:
    return SilenceCounter(
        {"front1": 10.0, "back1": 10.0, "outside": 60.0},
        times_from_memory(site.last_values),
        counters,
        site.clock,
    )


async def test_a_probe_silent_over_40_s_is_counted_at_each_check(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "backend.watch.error_counters")
    site, counters = SmallSite(), MemoryCounters()
    counter = build_counter(site, counters)
    start = site.clock.now_ns()
    site.hear({"front1": 20.0, "back1": 21.0, "outside": 5.0})
    site.clock.advance(40)
    site.hear({"front1": 20.0})
    assert await counter.detect() == frozenset()  # 40 s are not over 40 s
    site.clock.advance(20)
    site.hear({"fan": 1.0, "front1": 20.0})
    assert await counter.detect() == {"back1"}  # the one outside reports once a minute
    site.clock.advance(20)
    site.hear({"fan": 1.0, "front1": 20.0})
    await counter.detect()
    assert await counters.errors() == [SensorErrors("back1", 2, start + 60 * S, start + 80 * S)]
    site.hear({"back1": 22.0})
    assert await counter.detect() == frozenset()
    assert [r.getMessage() for r in caplog.records] == [
        "sensor silent sensor=back1",
        "sensor resumed sensor=back1",
    ]


async def test_a_sensor_that_never_reported_is_silent() -> None:
    site, counters = SmallSite(), MemoryCounters()
    counter = build_counter(site, counters)
    site.hear({"fan": 1.0})
    assert await counter.detect() == frozenset()
    site.clock.advance(41)
    site.hear({"fan": 1.0})
    assert await counter.detect() == {"front1", "back1"}


async def test_time_before_the_first_check_is_not_silence() -> None:
    site, counters = SmallSite(), MemoryCounters()
    site.hear({"front1": 20.0}, ago_s=3600)
    counter = build_counter(site, counters)
    site.hear({"fan": 1.0})
    assert await counter.detect() == frozenset()


async def test_a_silent_site_counts_no_errors() -> None:
    site, counters = SmallSite(), MemoryCounters()
    counter = build_counter(site, counters)
    site.hear({"fan": 1.0, "front1": 20.0})
    site.clock.advance(600)
    assert await counter.detect() == frozenset()
    assert await counters.errors() == []
