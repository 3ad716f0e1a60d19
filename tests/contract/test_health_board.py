"""Contract of HealthBoard and Counters, in memory and on a real Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from backend.bus.board import MemoryCounters, MemoryHealthBoard
from backend.bus.redis_board import RedisCounters, RedisHealthBoard
from backend.core.errors import TransientError
from backend.core.health import DeviceHealth, DeviceState, SensorErrors
from backend.core.ports import Counters, HealthBoard
from tests.conftest import need
from tests.support.manual_clock import ManualClock
from tests.support.redis import RedisServer

NOW = 1_790_000_000 * 10**9
PDU = DeviceHealth(
    name="snmp 10.0.0.5:161 (pdu-Z1.10)",
    method="snmp",
    crawler="pdu-Z1.10",
    sensors=("ecotype-1_pdu-Z1.10", "é ¤"),
    period_s=1.0,
    state=DeviceState.LOST,
    reported_ns=NOW,
    polls=2**40,
    failures=3,
    failures_in_a_row=2,
    error_rate=0.05,
    missing=("é ¤",),
    last_attempt_ns=NOW - 5,
    next_attempt_ns=NOW + 10**9,
    latency_s=0.004,
    last_error="no answer within 0.9 s",
    waiting=12,
)
"""A device that never responded: `last_success_ns` is None."""


@dataclass
class Pair:
    board: HealthBoard
    counters: Counters
    clock: ManualClock


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(need("redis-server", "redis-server"), tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["memory", "redis"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    clock = ManualClock(NOW)
    if request.param == "memory":
        yield Pair(MemoryHealthBoard(clock), MemoryCounters(), clock)
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    server.command("FLUSHALL")
    board, counters = RedisHealthBoard(server.url(), clock), RedisCounters(server.url())
    yield Pair(board, counters, clock)
    await board.close()
    await counters.close()


async def test_a_report_is_read_back_completely(pair: Pair) -> None:
    assert list(await pair.board.devices()) == []
    other = replace(PDU, name="a", state=DeviceState.OK, last_success_ns=NOW)
    await pair.board.report([PDU, other])
    await pair.board.report([])
    assert list(await pair.board.devices()) == [other, PDU]


async def test_the_last_report_of_a_device_wins(pair: Pair) -> None:
    await pair.board.report([PDU, replace(PDU, name="a")])
    back = replace(PDU, crawler="another process", state=DeviceState.OK)
    await pair.board.report([back])
    assert list(await pair.board.devices()) == [replace(PDU, name="a"), back]


async def test_a_device_without_reports_is_dropped_after_an_hour(pair: Pair) -> None:
    await pair.board.report([PDU])
    pair.clock.advance(3590)
    await pair.board.report([replace(PDU, name="a", reported_ns=pair.clock.now_ns())])
    assert [d.name for d in await pair.board.devices()] == ["a", PDU.name]
    pair.clock.advance(20)
    assert [d.name for d in await pair.board.devices()] == ["a"]


async def test_errors_are_counted_with_their_first_and_last_time(pair: Pair) -> None:
    await pair.counters.count([], NOW)
    assert list(await pair.counters.errors()) == []
    await pair.counters.count(["b", "a"], NOW)
    await pair.counters.count(["b"], NOW + 20)
    assert list(await pair.counters.errors()) == [
        SensorErrors("a", 1, NOW, NOW),
        SensorErrors("b", 2, NOW, NOW + 20),
    ]


async def test_counters_are_reset_one_by_one_or_all(pair: Pair) -> None:
    await pair.counters.count(["a", "b", "c"], NOW)
    await pair.counters.reset(["b", "not there"])
    await pair.counters.reset([])
    assert [e.sensor for e in await pair.counters.errors()] == ["a", "c"]
    await pair.counters.reset()
    assert list(await pair.counters.errors()) == []
    await pair.counters.count(["b"], NOW + 7)
    assert list(await pair.counters.errors()) == [SensorErrors("b", 1, NOW + 7, NOW + 7)]


async def test_a_redis_outage_is_logged_once_and_recovered(tmp_path: Path) -> None:
    server = RedisServer(need("redis-server", "redis-server"), tmp_path)
    server.start()
    board, counters = RedisHealthBoard(server.url(), ManualClock(NOW)), RedisCounters(server.url())
    await board.report([PDU])
    server.stop()
    with pytest.raises(TransientError, match="Redis"):
        await board.report([PDU])
    with pytest.raises(TransientError, match="Redis"):
        await board.devices()
    with pytest.raises(TransientError, match="Redis"):
        await counters.count(["a"], NOW)
    server.start()
    try:
        await board.report([PDU])
        await counters.count(["a"], NOW)
        assert list(await board.devices()) == [PDU]
        assert [e.count for e in await counters.errors()] == [1]
    finally:
        await board.close()
        await counters.close()
        server.stop()
