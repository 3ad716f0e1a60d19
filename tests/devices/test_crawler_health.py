"""Health reports from a crawler's devices to the board, within the process and through the endpoint."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.bus.board import MemoryHealthBoard
from backend.core.backoff import Backoff
from backend.core.clock import SystemClock
from backend.core.errors import TransientError
from backend.core.health import DeviceHealth, DeviceState, decode, encode
from backend.ingest.endpoints.health import PATH, health_endpoint
from crawlers.device import Sample, sample_at
from crawlers.health import HttpBoard, device_health, report_loop
from crawlers.loop import Crawler
from crawlers.sink import BatchingSink
from tests.devices.support import MemorySink
from tests.support.manual_clock import ManualClock
from tests.support.rawhttp import exchange, post
from tests.support.serving import serving

NOW = 1_790_000_000 * 10**9


class Switched:
    """A device that answers while it is on."""

    method = "switched"
    timeout_s = 0.5
    period_s = 0.01

    def __init__(self, name: str, on: bool = True) -> None:
        self.name, self.on = name, on
        self.sensors = (f"{name}-1", f"{name}-2")

    async def read(self, tick_ns: int) -> Sample:
        if not self.on:
            raise TransientError("switched off")
        return sample_at(tick_ns, {self.sensors[0]: 1.0}, {self.sensors[1]: "no such instance"})

    async def close(self) -> None: ...


def make_crawler(*devices: Switched) -> Crawler:
    backoff = Backoff(first_s=0.01, limit_s=0.01)
    return Crawler(devices, BatchingSink(MemorySink(), 0.001), SystemClock(), backoff, random.Random(1))


class SpoolStub:
    """The counters of a spool behind the crawler."""

    depth = 5
    dropped = 2


class NotifyingBoard(MemoryHealthBoard):
    """A board that lets tests wait for a report."""

    def __init__(self) -> None:
        super().__init__()
        self.reported = asyncio.Condition()

    async def report(self, devices: Sequence[DeviceHealth]) -> None:
        await super().report(devices)
        async with self.reported:
            self.reported.notify_all()

    async def until(self, name: str, state: DeviceState) -> DeviceHealth:
        async with self.reported:
            while True:
                for device in await self.devices():
                    if device.name == name and device.state is state:
                        return device
                await self.reported.wait()


async def test_an_outage_and_recovery_of_a_device_are_reported() -> None:
    board, well, dead = NotifyingBoard(), Switched("well"), Switched("dead", on=False)
    crawler = make_crawler(well, dead)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(crawler.run())
        reporting = tasks.create_task(report_loop(crawler, "test", board, SystemClock(), interval_s=0.005))
        lost = await board.until("dead", DeviceState.LOST)
        assert lost.failures_in_a_row > 0
        assert lost.error_rate == 1.0
        assert lost.last_error == "switched off"
        assert lost.last_success_ns is None
        assert lost.last_attempt_ns is not None
        good = await board.until("well", DeviceState.OK)
        assert (good.crawler, good.method, good.sensors) == ("test", "switched", ("well-1", "well-2"))
        assert good.missing == ("well-2",)
        assert (good.failures, good.error_rate) == (0, 0.0)
        assert good.latency_s is not None
        dead.on = True
        back = await board.until("dead", DeviceState.OK)
        assert back.failures >= lost.failures
        assert back.failures_in_a_row == 0
        assert 0 < back.error_rate < 1
        running.cancel()
        reporting.cancel()


async def test_the_endpoint_stamps_the_reports_of_a_crawler() -> None:
    clock = ManualClock(NOW)
    board = MemoryHealthBoard(clock)
    crawler = make_crawler(Switched("pdu"))
    async with serving(health_endpoint(board, clock)) as port:
        remote = HttpBoard(f"http://127.0.0.1:{port}/ingest")
        await remote.report(device_health(crawler, "far away", 7, SpoolStub()))
        [device] = await board.devices()
        assert (device.name, device.crawler, device.reported_ns) == ("pdu", "far away", NOW)
        assert (device.state, device.waiting, device.dropped) == (DeviceState.STARTING, 5, 2)
        for body in (b"", b"nan", b"[]", b'{"devices": 3}', b'{"devices": [{"name": "x"}]}', b"[" * 100_000):
            answer = await exchange(port, post(PATH, body))
            assert (answer.status, answer.json["status"]) == (400, "failure"), body[:40]
        assert (await exchange(port, b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % PATH.encode())).status == 405
        await remote.close()
    unreachable = HttpBoard(f"http://127.0.0.1:{port}")
    with pytest.raises(TransientError):
        await unreachable.report([])
    await unreachable.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*DeviceHealth.__slots__, "other"]), JSON))
def test_any_report_is_decoded_or_refused(changes: dict[str, object]) -> None:
    good = device_health(make_crawler(Switched("pdu")), "c", NOW)
    assert decode(encode(good)) == good
    entry = orjson.loads(encode(good))["devices"][0] | changes
    try:
        text = orjson.dumps({"devices": [entry]})
    except TypeError:  # an integer beyond 64 bits
        return
    try:
        [read] = decode(text)
    except ValueError as error:
        assert "devices[0]" in str(error)
    else:
        assert decode(encode([read])) == [read]
