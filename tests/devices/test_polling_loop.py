from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from backend.core.backoff import Backoff
from backend.core.clock import SystemClock
from backend.core.errors import PermanentError, TransientError
from backend.core.health import DeviceState as State
from crawlers.device import Sample, sample_at
from crawlers.loop import Crawler, first_tick, next_tick
from crawlers.sink import BatchingSink
from tests.devices.support import MemorySink

S = 10**9


class Scripted:
    """A device with one sensor of the same name, whose polls have scripted outcomes."""

    method = "scripted"

    def __init__(
        self, name: str, script: Sequence[Callable[[], object]] = (), period_s: float = 0.02
    ) -> None:
        self.name = name
        self.sensors = (name,)
        self.period_s = period_s
        self.timeout_s = 0.05
        self.closed = 0
        self._script = list(script)

    async def read(self, tick_ns: int) -> Sample:
        if self._script:
            outcome = self._script.pop(0)()
            if isinstance(outcome, Exception):
                raise outcome
            if asyncio.iscoroutine(outcome):
                await outcome
            if isinstance(outcome, dict):
                return sample_at(tick_ns, {}, outcome)
        return sample_at(tick_ns, {self.name: 1.0}, {})

    async def close(self) -> None:
        self.closed += 1


def make_crawler(devices: Sequence[Scripted], sink: MemorySink) -> Crawler:
    backoff = Backoff(first_s=0.01, limit_s=0.03)
    return Crawler(devices, BatchingSink(sink, window_s=0.005), SystemClock(), backoff, random.Random(1))


async def run_until(crawler: Crawler, done: asyncio.Future[object] | asyncio.Task[object]) -> None:
    running = asyncio.create_task(crawler.run())
    waiting: set[asyncio.Future[Any]] = {running, done}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert done.done(), running.exception()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_ticks_are_multiples_of_the_period_and_do_not_pile_up() -> None:
    assert first_tick(5 * S, S) == 5 * S
    assert first_tick(5 * S + 1, S) == 6 * S
    assert next_tick(5 * S, 5 * S + S // 2, S).at_ns == 6 * S
    late = next_tick(5 * S, 8 * S + 1, S)
    assert (late.at_ns, late.skipped) == (9 * S, 3)


def test_a_clock_set_back_starts_again_from_now() -> None:
    assert next_tick(1_000 * S, 10 * S + 1, S).at_ns == 11 * S


async def test_a_hanging_or_failing_device_does_not_delay_the_others() -> None:
    sink = MemorySink()
    hanging = Scripted("hanging", [lambda: asyncio.sleep(3600)] * 1000)
    failing = Scripted("failing", [lambda: TransientError("no")] * 1000)
    crawler = make_crawler([hanging, failing, Scripted("well")], sink)
    await run_until(crawler, asyncio.ensure_future(sink.filled(10)))
    got = sink.rows.by_sensor()
    assert set(got) == {"well"}
    times = got["well"].times
    assert len(set(times.tolist())) == len(times) >= 10
    assert (times % 20_000_000 == 0).all()
    health = crawler.health
    assert health["well"].state is State.OK
    assert health["hanging"].state is State.LOST
    assert "no answer within" in health["hanging"].last_error
    assert health["failing"].polls < health["well"].polls  # it was left alone for a while
    assert hanging.closed == failing.closed == 1


async def test_loss_is_logged_once_and_recovery_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "crawlers.loop")
    sink = MemorySink()
    crawler = make_crawler([Scripted("pdu", [lambda: TransientError("silent")] * 3)], sink)
    await run_until(crawler, asyncio.ensure_future(sink.filled(2)))
    messages = [r.getMessage() for r in caplog.records]
    failed, recovered = messages
    assert failed == "failed device device=pdu error=silent sensors=1"
    assert recovered.startswith("recovered device device=pdu after_s=") and recovered.endswith(" failures=3")
    assert crawler.health["pdu"].failures == 3
    assert crawler.health["pdu"].failures_in_a_row == 0


async def test_a_permanent_error_ends_the_polling_of_one_device(caplog: pytest.LogCaptureFixture) -> None:
    sink = MemorySink()
    crawler = make_crawler(
        [Scripted("wrong", [lambda: PermanentError("no such type")]), Scripted("well")], sink
    )
    await run_until(crawler, asyncio.ensure_future(sink.filled(5)))
    assert crawler.health["wrong"].state is State.REFUSED
    assert crawler.health["wrong"].polls == 1
    assert [r.getMessage() for r in caplog.records] == ['polling stopped device=wrong error="no such type"']


async def test_a_defect_in_a_driver_does_not_end_the_polling() -> None:
    sink = MemorySink()
    crawler = make_crawler([Scripted("odd", [lambda: ZeroDivisionError("oops")])], sink)
    await run_until(crawler, asyncio.ensure_future(sink.filled(1)))
    assert crawler.health["odd"].failures == 1
    assert crawler.health["odd"].state is State.OK


async def test_sensors_without_a_value_are_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "crawlers.loop")
    sink = MemorySink()
    crawler = make_crawler([Scripted("pdu", [lambda: {"pdu": "no such instance"}] * 3)], sink)
    await run_until(crawler, asyncio.ensure_future(sink.filled(1)))
    messages = [r.getMessage() for r in caplog.records]
    assert messages == [
        'failed sensors device=pdu count=1 errors="pdu: no such instance"',
        "recovered sensors device=pdu",
    ]


async def test_two_devices_with_one_name_have_separate_health() -> None:
    crawler = make_crawler([Scripted("a"), Scripted("a")], MemorySink())
    assert set(crawler.health) == {"a", "a #2"}


async def test_a_cancellation_that_a_driver_swallows_still_ends_the_loop() -> None:
    sink = MemorySink()

    async def swallow() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return

    device = Scripted("deaf", [lambda: None, swallow])
    device.timeout_s = 3600.0
    crawler = make_crawler([device], sink)
    await run_until(crawler, asyncio.ensure_future(sink.filled(1)))
    assert device.closed == 1
