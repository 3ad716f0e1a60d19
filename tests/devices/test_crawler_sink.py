from __future__ import annotations

import asyncio
import logging

import pytest

from backend.core.errors import PermanentError, SpoolFull, TransientError
from backend.core.reading import Reading, Readings
from crawlers.sink import BatchingSink, FullSpoolPolicy, HttpSink, SpooledSink
from tests.devices.support import MemorySink, ScriptedEndpoint, serve_endpoint


def readings(*times: int, sensor: str = "a") -> Readings:
    return Readings.of([Reading(sensor, t, float(t)) for t in times])


class Refusing(MemorySink):
    """Raises the scripted errors, then accepts everything."""

    def __init__(self, *script: Exception) -> None:
        super().__init__()
        self.script = list(script)
        self.tried: list[int] = []

    async def push(self, readings: Readings) -> None:
        self.tried.append(len(readings))
        if self.script:
            raise self.script.pop(0)
        await super().push(readings)


async def deliver(sink: BatchingSink, until: asyncio.Future[object]) -> None:
    running = asyncio.create_task(sink.run())
    await until
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_readings_of_all_devices_within_the_window_are_one_push() -> None:
    inner = MemorySink()
    sink = BatchingSink(inner, window_s=0.01)
    sink.put(readings(1, 2))
    sink.put(readings(3, sensor="b"))
    await deliver(sink, asyncio.ensure_future(inner.filled(3)))
    assert len(inner.pushes) == 1
    assert [r.time_ns for r in inner.rows] == [1, 2, 3]
    assert (sink.pushed, sink.waiting) == (3, 0)


async def test_unacknowledged_readings_are_pushed_again_in_order(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "crawlers.sink")
    inner = Refusing(*[TransientError("away")] * 4)
    sink = BatchingSink(inner, window_s=0.0, retry_s=0.001, push_rows=2)
    for t in range(1, 8):
        sink.put(readings(t))
    await deliver(sink, asyncio.ensure_future(inner.filled(7)))
    assert [r.time_ns for r in inner.rows] == list(range(1, 8))
    assert max(inner.tried) == 2
    failed, recovered = [r.getMessage() for r in caplog.records]
    assert failed == "failed pushes error=away waiting=7"
    assert recovered.startswith("recovered pushes after_s=") and recovered.endswith(" failures=4")


async def test_the_oldest_readings_above_the_bound_are_dropped_and_counted() -> None:
    sink = BatchingSink(Refusing(*[TransientError("away")] * 2), max_rows=5)
    for t in range(1, 5):
        sink.put(readings(t))
    assert not await sink.deliver()
    for t in range(5, 9):
        sink.put(readings(t))
    assert (sink.waiting, sink.dropped) == (5, 3)
    assert not await sink.deliver()
    assert await sink.deliver()
    assert (sink.waiting, sink.pushed) == (0, 5)


async def test_readings_dropped_during_a_push_are_not_removed_twice() -> None:
    class Slow(MemorySink):
        async def push(self, readings: Readings) -> None:
            for t in range(10, 14):
                sink.put(readings_at(t))
            await super().push(readings)

    def readings_at(t: int) -> Readings:
        return readings(t)

    inner = Slow()
    sink = BatchingSink(inner, max_rows=3)
    sink.put(readings(1))
    sink.put(readings(2))
    assert await sink.deliver()
    assert sink.waiting == 3
    assert [r.time_ns for r in Readings.concat(list(sink._batches))] == [11, 12, 13]


async def test_a_rejected_batch_does_not_stop_the_rest() -> None:
    inner = Refusing(PermanentError("no such columns"))
    sink = BatchingSink(inner, window_s=0.0, push_rows=1)
    sink.put(readings(1))
    sink.put(readings(2))
    await deliver(sink, asyncio.ensure_future(inner.filled(1)))
    assert [r.time_ns for r in inner.rows] == [2]
    assert sink.dropped == 1


async def test_pending_readings_are_delivered_on_cancellation() -> None:
    inner = MemorySink()
    sink = BatchingSink(inner, window_s=3600)
    running = asyncio.create_task(sink.run())
    sink.put(readings(1))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(inner.rows) == 1


async def test_the_http_sink_pushes_columns() -> None:
    async with serve_endpoint(ScriptedEndpoint()) as endpoint:
        sink = HttpSink(f"http://127.0.0.1:{endpoint.port}/")
        await sink.push(Readings.concat([readings(1, 2), readings(3, sensor="b")]))
        await sink.close()
    assert endpoint.accepted == [{"sensors": ["a", "a", "b"], "times": [1, 2, 3], "values": [1.0, 2.0, 3.0]}]


@pytest.mark.parametrize("status", [503, 500, 429, 401, 408])
async def test_the_http_sink_raises_transient_errors_for_temporary_statuses(status: int) -> None:
    async with serve_endpoint(ScriptedEndpoint([status])) as endpoint:
        sink = HttpSink(f"http://127.0.0.1:{endpoint.port}")
        with pytest.raises(TransientError, match=str(status)):
            await sink.push(readings(1))
        await sink.push(readings(1))
        await sink.close()
    assert len(endpoint.accepted) == 1


async def test_the_http_sink_distinguishes_a_rejected_push_from_an_outage() -> None:
    async with serve_endpoint(ScriptedEndpoint([400])) as endpoint:
        sink = HttpSink(f"http://127.0.0.1:{endpoint.port}")
        with pytest.raises(PermanentError, match="400"):
            await sink.push(readings(1))
    with pytest.raises(TransientError):
        await sink.push(readings(1))
    await sink.close()


async def test_a_push_that_is_too_large_is_sent_in_halves_and_in_order() -> None:
    async with serve_endpoint(ScriptedEndpoint(max_rows=3)) as endpoint:
        sink = HttpSink(f"http://127.0.0.1:{endpoint.port}")
        await sink.push(readings(*range(1, 11)))
        await sink.close()
    assert [t for push in endpoint.accepted for t in push["times"]] == list(range(1, 11))


async def test_rejected_readings_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    reply = b'{"status":"success","rejected":[{"index":0,"sensor":"a","reason":"unknown sensor"}]}'
    async with serve_endpoint(ScriptedEndpoint(reply=reply)) as endpoint:
        sink = HttpSink(f"http://127.0.0.1:{endpoint.port}")
        await sink.push(readings(1))
        await sink.push(readings(2))
        await sink.close()
    messages = [r.getMessage() for r in caplog.records]
    assert messages == ["readings rejected sensor=a: unknown sensor"]


class ListSpool:
    """A spool in memory that shows which batches are deleted."""

    def __init__(self) -> None:
        self.batches: list[Readings] = []
        self.forgotten = 0
        self._arrived = asyncio.Event()

    async def append(self, readings: Readings) -> None:
        self.batches.append(readings)
        self._arrived.set()

    async def peek(self, max_rows: int) -> tuple[int, Readings]:
        while self.forgotten == len(self.batches):
            self._arrived.clear()
            await self._arrived.wait()
        return self.forgotten + 1, self.batches[self.forgotten]

    async def remove_up_to(self, mark: int) -> None:
        self.forgotten = mark

    @property
    def depth(self) -> int:
        return sum(map(len, self.batches[self.forgotten :]))


async def test_a_spooled_sink_deletes_only_acknowledged_readings() -> None:
    spool, inner = ListSpool(), Refusing(TransientError("away"), TransientError("away"))
    sink = SpooledSink(inner, spool, retry_s=0.001)
    await sink.push(readings(1))
    await sink.push(readings(2))
    assert spool.depth == 2
    running = asyncio.create_task(sink.run())
    await inner.filled(2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [r.time_ns for r in inner.rows] == [1, 2]
    assert inner.tried == [1, 1, 1, 1]


class SmallSpool(ListSpool):
    """Holds so many readings and no more."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    async def append(self, readings: Readings) -> None:
        if self.depth + len(readings) > self.room:
            raise SpoolFull("the spool is full")
        await super().append(readings)


async def test_a_full_spool_refuses_new_readings_and_keeps_the_others() -> None:
    spool, inner = SmallSpool(2), MemorySink()
    sink = SpooledSink(inner, spool)
    await sink.push(readings(1, 2))
    with pytest.raises(SpoolFull):
        await sink.push(readings(3))
    assert (sink.depth, sink.dropped) == (2, 0)
    running = asyncio.create_task(sink.run())
    await asyncio.wait_for(sink.wait_until_empty(), 60)
    await sink.push(readings(3))
    await inner.filled(3)
    running.cancel()
    assert [r.time_ns for r in inner.rows] == [1, 2, 3]


async def test_a_full_spool_drops_and_counts_the_oldest_by_policy() -> None:
    spool, inner = SmallSpool(3), MemorySink()
    sink = SpooledSink(inner, spool, FullSpoolPolicy.DROP_OLDEST)
    for t in range(1, 8):
        await sink.push(readings(t))
    assert (sink.depth, sink.dropped) == (3, 4)
    with pytest.raises(SpoolFull):  # more than it can ever hold
        await sink.push(readings(*range(10, 20)))
    running = asyncio.create_task(sink.run())
    await sink.push(readings(20))
    await asyncio.wait_for(sink.wait_until_empty(), 60)
    running.cancel()
    assert [r.time_ns for r in inner.rows] == [20]
    assert sink.dropped == 7


async def test_a_backlog_is_forwarded_at_a_bounded_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    monkeypatch.setattr("crawlers.sink.asyncio.sleep", sleep)
    spool, inner = ListSpool(), MemorySink()
    sink = SpooledSink(inner, spool, rows_a_second=1000)
    for t in range(5):
        await sink.push(readings(*range(100 * t, 100 * t + 50)))
    running = asyncio.create_task(sink.run())
    await asyncio.wait_for(sink.wait_until_empty(), 60)
    running.cancel()
    assert pauses == [0.05] * 4  # none once nothing waits: what is new goes at once


async def test_a_backlog_larger_than_the_spool_goes_in_by_parts() -> None:
    spool, inner = SmallSpool(4), MemorySink()
    spooled = SpooledSink(inner, spool)
    sink = BatchingSink(spooled, window_s=0.0, retry_s=0.001)
    for t in range(20):
        sink.put(readings(t))
    forwarding = asyncio.create_task(spooled.run())
    await deliver(sink, asyncio.ensure_future(inner.filled(20)))
    forwarding.cancel()
    assert [r.time_ns for r in inner.rows] == list(range(20))
