from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from backend.bus.memory import MemoryBus
from backend.core.errors import PermanentError, SpoolFull, TransientError, UserError
from backend.core.ports import SensorTags, WriteResult
from backend.core.reading import Reading, Readings
from backend.ingest.service import MAX_UNKNOWN_PROBES, UNKNOWN_PROBE_TAGS, Ingest
from backend.ingest.spool import SqliteSpool
from tests.support.manual_clock import ManualClock
from tests.support.stores import FailingStore

NOW = 1_700_000_000 * 10**9
WATTS = SensorTags("ecotype-1", "wattmeter", "W")
TIMEOUT_S = 60


@dataclass
class Setup:
    spool: SqliteSpool
    store: FailingStore
    bus: MemoryBus
    ingest: Ingest
    clock: ManualClock
    hook_calls: list[tuple[list[Reading], list[Reading]]]
    aside: list[tuple[str, str]]

    @contextlib.asynccontextmanager
    async def draining(self) -> AsyncIterator[None]:
        drain = asyncio.create_task(self.ingest.run_drain())
        try:
            yield
        finally:
            drain.cancel()

    async def settle(self) -> None:
        await asyncio.wait_for(self.ingest.wait_until_drained(), TIMEOUT_S)


@pytest.fixture
async def s(tmp_path: Path) -> AsyncIterator[Setup]:
    spool = SqliteSpool(tmp_path / "spool.db", 1 << 20)
    await spool.open()
    store, bus, clock = FailingStore(), MemoryBus(), ManualClock(NOW)
    hook_calls: list[tuple[list[Reading], list[Reading]]] = []
    aside: list[tuple[str, str]] = []

    async def hook(readings: Readings, written: WriteResult) -> None:
        hook_calls.append((list(readings), list(written.late)))

    async def set_aside(readings: Readings, reason: str) -> None:
        aside.extend((r.sensor, reason) for r in readings)
        await spool.set_aside(readings, reason)

    known = {f"s{i}": WATTS for i in range(5)}
    ingest = Ingest(spool, store, bus, known, clock=clock, on_written=[hook], set_aside=set_aside)
    yield Setup(spool, store, bus, ingest, clock, hook_calls, aside)
    await spool.close()


def push(*rows: tuple[str, int, float]) -> bytes:
    sensors, times, values = zip(*rows, strict=True)
    return orjson.dumps({"sensors": sensors, "times": times, "values": values})


async def test_a_push_is_on_disk_announced_and_then_in_the_store(s: Setup) -> None:
    async with s.bus.subscribe() as live:
        outcome = await s.ingest.accept_columns(push(("s0", NOW - 1, 1.5), ("s1", NOW, 2.5)))
        assert (outcome.accepted, list(outcome.rejected)) == (2, [])
        assert s.spool.depth == 2
        assert not s.store.stored
        batch = await asyncio.wait_for(anext(live), TIMEOUT_S)
        assert list(batch) == [Reading("s0", NOW - 1, 1.5), Reading("s1", NOW, 2.5)]
    async with s.draining():
        await s.settle()
    assert s.store.stored == {("s0", NOW - 1): 1.5, ("s1", NOW): 2.5}
    assert s.store.tags == {"s0": WATTS, "s1": WATTS}
    assert s.ingest.depth == 0
    assert (s.ingest.counters.accepted, s.ingest.counters.drained) == (2, 2)


async def test_bad_elements_are_named_and_counted(s: Setup) -> None:
    body = b'{"sensors": ["s0", "x", "s1"], "values": [NaN, 1, 2]}'
    outcome = await s.ingest.accept_columns(body)
    assert outcome.accepted == 1
    assert [(r.index, r.sensor, r.reason) for r in outcome.rejected] == [
        (0, "s0", "value is not a number"),
        (1, "x", "unknown sensor"),
    ]
    assert s.ingest.counters.rejected == {"value is not a number": 1, "unknown sensor": 1}


async def test_rejections_of_a_sensor_and_their_end_are_logged_once(
    s: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for value in (None, None, None, 1.0, 1.0):
        await s.ingest.accept_columns(orjson.dumps({"sensors": ["s0"], "values": [value]}))
    failed, recovered = [r.message for r in caplog.records]
    assert failed == 'failed validation sensor=s0 error="value is not a number"'
    assert recovered.startswith("recovered validation sensor=s0 after_s=") and recovered.endswith(
        " failures=3"
    )


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"sensors": []}', b"\xff"])
async def test_an_invalid_body_is_refused(s: Setup, body: bytes) -> None:
    with pytest.raises(UserError):
        await s.ingest.accept_columns(body)


async def test_nothing_is_acknowledged_or_announced_when_the_spool_is_full(s: Setup) -> None:
    with pytest.raises(SpoolFull):
        while True:
            times = range(NOW, NOW + 2000)
            await s.ingest.accept_columns(push(*(("s0", t, 1.0) for t in times)))
    accepted = s.ingest.counters.accepted
    async with s.bus.subscribe() as live:
        with pytest.raises(SpoolFull):
            await s.ingest.accept_columns(push(*(("s1", t, 1.0) for t in range(NOW, NOW + 2000))))
        assert s.ingest.counters.accepted == accepted == s.spool.depth
        await s.ingest.import_history(Readings.empty())
        waiting = asyncio.ensure_future(anext(live))
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()


async def test_a_store_that_is_down_loses_nothing(s: Setup, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    s.store.error = TransientError("no answer")
    async with s.draining():
        for i in range(3):
            s.store.tried.clear()
            await s.ingest.push(Readings.of([Reading("s0", NOW + i, float(i))]))
            await asyncio.wait_for(s.store.tried.wait(), TIMEOUT_S)
        assert s.ingest.depth == 3
        s.store.error = None
        await s.settle()
    assert s.store.readings() == [Reading("s0", NOW + i, float(i)) for i in range(3)]
    failed, recovered = [r.message for r in caplog.records if "store_writes" in r.message]
    assert failed == 'failed store_writes error="no answer" waiting=1'
    assert recovered.startswith("recovered store_writes after_s=")


async def test_a_defect_in_the_store_is_retried(s: Setup) -> None:
    s.store.error = RuntimeError("a fault in the driver")
    async with s.draining():
        await s.ingest.push(Readings.of([Reading("s0", NOW, 1.0)]))
        await asyncio.wait_for(s.store.tried.wait(), TIMEOUT_S)
        s.store.error = None
        await s.settle()
    assert len(s.store.stored) == 1


async def test_bad_rows_are_set_aside_and_the_others_stored(s: Setup) -> None:
    s.store.poison = {"s2": ValueError("cannot be"), "s4": PermanentError("never")}
    rows = [Reading(f"s{i % 5}", NOW + i, float(i)) for i in range(50)]
    await s.ingest.push(Readings.of(rows))
    async with s.draining():
        await s.settle()
    accepted = sorted(s.store.readings(), key=lambda r: r.time_ns)
    assert accepted == [r for r in rows if r.sensor not in ("s2", "s4")]
    assert sorted(s.aside) == [("s2", "cannot be")] * 10 + [("s4", "never")] * 10
    assert s.ingest.counters.set_aside == 20
    assert s.ingest.depth == 0


async def test_no_row_is_set_aside_if_the_store_rejects_everything(s: Setup) -> None:
    s.store.error = PermanentError("wrong password")
    rows = [Reading(f"s{i % 5}", NOW + i, float(i)) for i in range(200)]
    await s.ingest.push(Readings.of(rows))
    async with s.draining():
        await asyncio.wait_for(s.store.tried.wait(), TIMEOUT_S)
        for _ in range(50):
            await asyncio.sleep(0)
        assert s.ingest.depth == 200
        s.store.error = None
        await s.settle()
    assert s.store.readings() == rows
    assert not s.aside


async def test_values_that_are_not_finite_are_set_aside(s: Setup) -> None:
    bad = Readings.of([Reading("s0", NOW, float("nan")), Reading("s1", NOW, 1.0)])
    await s.spool.append(bad)
    async with s.draining():
        await s.settle()
    assert s.store.readings() == [Reading("s1", NOW, 1.0)]
    assert s.aside == [("s0", "value is not finite")]


async def test_hooks_get_late_rows_before_they_leave_the_spool(s: Setup) -> None:
    async with s.draining():
        await s.ingest.push(Readings.of([Reading("s0", NOW, 1.0)]))
        await s.settle()
        await s.ingest.push(Readings.of([Reading("s0", NOW - 10, 0.5), Reading("s0", NOW + 10, 2.0)]))
        await s.settle()
    assert [late for _, late in s.hook_calls] == [[], [Reading("s0", NOW - 10, 0.5)]]
    assert s.ingest.counters.late == 1


async def test_a_transient_error_of_a_hook_is_retried_and_a_defect_is_not(tmp_path: Path) -> None:
    spool, calls = SqliteSpool(tmp_path / "spool.db", 1 << 20), []

    async def hook(readings: Readings, written: WriteResult) -> None:
        calls.append(len(readings))
        if len(calls) == 1:
            raise TransientError("the database is locked")
        raise ZeroDivisionError

    await spool.open()
    store = FailingStore()
    ingest = Ingest(spool, store, MemoryBus(), {"s0": WATTS}, clock=ManualClock(NOW), on_written=[hook])
    await ingest.push(Readings.of([Reading("s0", NOW, 1.0)]))
    drain = asyncio.create_task(ingest.run_drain())
    await asyncio.wait_for(ingest.wait_until_drained(), TIMEOUT_S)
    drain.cancel()
    await spool.close()
    assert calls == [1, 1]
    assert store.readings() == [Reading("s0", NOW, 1.0)]


async def test_history_goes_straight_to_the_store(s: Setup) -> None:
    async with s.bus.subscribe() as live:
        written = await s.ingest.import_history(Readings.of([Reading("s0", 5, 1.0), Reading("s1", 5, 2.0)]))
        waiting = asyncio.ensure_future(anext(live))
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
    assert written.rows == 2
    assert s.spool.depth == 0
    assert len(s.store.stored) == 2
    assert len(s.hook_calls) == 1


async def test_unknown_probes_of_a_card_are_stamped_and_get_default_tags(s: Setup) -> None:
    body = (
        b'[{"sensor": "28:b8:01", "v": 21.5}, {"sensor": "28:b8:02", "v": nan}, {"sensor": "s0", "v": "20"}]'
    )
    outcome = await s.ingest.accept_cards(body)
    assert outcome.accepted == 2
    assert [r.sensor for r in outcome.rejected] == ["28b802"]
    async with s.draining():
        await s.settle()
    assert s.store.stored == {("28b801", NOW): 21.5, ("s0", NOW): 20.0}
    assert s.store.tags == {"28b801": UNKNOWN_PROBE_TAGS, "s0": WATTS}


async def test_the_number_of_unknown_probes_is_bounded(s: Setup) -> None:
    for start in range(0, MAX_UNKNOWN_PROBES + 100, 100):
        cards = [{"sensor": f"28:{i:06x}", "v": 20} for i in range(start, start + 100)]
        outcome = await s.ingest.accept_cards(orjson.dumps(cards))
    assert outcome.accepted == 0
    assert {r.reason for r in outcome.rejected} == {"too many unknown sensors"}
    assert (await s.ingest.accept_cards(b'[{"sensor": "28:000001", "v": 20}]')).accepted == 1


class LostBus(MemoryBus):
    down = True

    async def publish(self, readings: Readings) -> None:
        if self.down:
            raise TransientError("no bus")
        await super().publish(readings)


async def test_a_push_succeeds_while_the_bus_is_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    spool, bus = SqliteSpool(tmp_path / "spool.db", 1 << 20), LostBus()
    await spool.open()
    ingest = Ingest(spool, FailingStore(), bus, {"s0": WATTS}, clock=ManualClock(NOW))
    async with bus.subscribe() as live:
        for i in range(3):
            assert (await ingest.accept_columns(push(("s0", NOW + i, 1.0)))).accepted == 1
        bus.down = False
        await ingest.accept_columns(push(("s0", NOW + 9, 2.0)))
        batch = await asyncio.wait_for(anext(live), TIMEOUT_S)
        assert list(batch)[-1] == Reading("s0", NOW + 9, 2.0)
    await spool.close()
    assert sum("failed live_bus" in r.message for r in caplog.records) == 1
    assert sum("recovered live_bus" in r.message for r in caplog.records) == 1
