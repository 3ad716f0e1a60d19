"""One polling loop for all devices.

Each device has its own task, so a slow device does not delay the others. Ticks are multiples of the device's period since the
epoch: they do not drift, and all devices with the same period are read at the same instant. Readings are stamped with the tick.
A window of 30 s therefore always has the same number of readings, independent of delays in the network.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from backend.core.backoff import Backoff
from backend.core.cancelling import raise_if_cancelled
from backend.core.clock import Clock
from backend.core.errors import PermanentError, TransientError
from backend.core.health import DeviceState as State
from backend.core.outage import Outage, key_values
from backend.core.windows import NS_PER_SECOND
from crawlers.device import Device, Sample
from crawlers.sink import BatchingSink

log = logging.getLogger(__name__)


RECENT_POLLS: Final = 60
MAX_LOGGED_SENSORS: Final = 5


@dataclass(slots=True)
class PollerHealth:
    """The health of one polled device. Only the task of its poller writes it."""

    device: str
    method: str
    sensors: int
    period_s: float
    state: State = State.STARTING
    polls: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    ticks_skipped: int = 0
    readings: int = 0
    missing: tuple[str, ...] = ()
    last_attempt_ns: int | None = None
    last_success_ns: int | None = None
    next_attempt_ns: int | None = None
    last_latency_s: float | None = None
    last_error: str = ""
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=RECENT_POLLS))

    @property
    def error_rate(self) -> float:
        """The share of the last `RECENT_POLLS` polls that failed."""
        return self.recent.count(False) / len(self.recent) if self.recent else 0.0


DEVICE_BACKOFF: Final = Backoff(first_s=1.0, limit_s=60.0)
"""The pause before a device that does not answer is polled again."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The time of the next poll, and the number of ticks that passed without one."""

    at_ns: int
    skipped: int


def first_tick(now_ns: int, period_ns: int) -> int:
    """Return the first multiple of the period at or after now."""
    return -(-now_ns // period_ns) * period_ns


def next_tick(last_ns: int, now_ns: int, period_ns: int) -> Tick:
    """Return the next tick after `last_ns` that is not over yet. Ticks that are over are skipped and counted."""
    if now_ns < last_ns - period_ns:  # the clock was set back
        return Tick(first_tick(now_ns, period_ns), 0)
    following = last_ns + period_ns
    if now_ns <= following:
        return Tick(following, 0)
    at = first_tick(now_ns, period_ns)
    return Tick(at, (at - following) // period_ns)


class Poller:
    """Polls one device until cancelled."""

    def __init__(
        self,
        name: str,
        device: Device,
        sink: BatchingSink,
        clock: Clock,
        backoff: Backoff,
        rng: random.Random,
    ) -> None:
        self.device = device
        self.health = PollerHealth(name, device.method, len(device.sensors), device.period_s)
        self._sink = sink
        self._clock = clock
        self._backoff = backoff
        self._rng = rng
        self._outage = Outage(log, "device", level=logging.WARNING, device=name)

    def is_for(self, device: Device) -> bool:
        """Return whether `device` has the name, method, period and sensors of the device of this poller."""
        return _identity(self.device) == _identity(device)

    async def run(self) -> None:
        """Poll until cancelled, or until the driver raises `PermanentError`."""
        period = round(self.device.period_s * NS_PER_SECOND)
        tick = first_tick(self._clock.now_ns(), period)
        try:
            while self.health.state is not State.REFUSED:
                await self._sleep_until(tick)
                await self.poll(tick)
                raise_if_cancelled()
                tick = self._next_tick(tick, period)
                self.health.next_attempt_ns = tick
        finally:
            await self.device.close()

    def _next_tick(self, tick: int, period: int) -> int:
        now = self._clock.now_ns()
        if self.health.failures_in_a_row:
            delay_s = self._backoff.delay_s(self.health.failures_in_a_row, self._rng.random())
            return max(tick + period, first_tick(now + round(delay_s * NS_PER_SECOND), period))
        following = next_tick(tick, now, period)
        self.health.ticks_skipped += following.skipped
        return following.at_ns

    async def _sleep_until(self, tick: int) -> None:
        while (remaining_ns := tick - self._clock.now_ns()) > 0:  # noqa: ASYNC110  sleeping may end a little early
            await asyncio.sleep(remaining_ns / NS_PER_SECOND)

    async def poll(self, tick: int) -> None:
        """Poll once. Every outcome is recorded in `health`; nothing is raised."""
        self.health.polls += 1
        self.health.last_attempt_ns = self._clock.now_ns()
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self.device.timeout_s):
                sample = await self.device.read(tick)
        except TimeoutError:
            self._record_failure(f"no answer within {self.device.timeout_s:g} s")
        except TransientError as error:
            self._record_failure(str(error))
        except PermanentError as error:
            self.health.state = State.REFUSED
            self.health.failures += 1
            self.health.recent.append(False)
            self.health.last_error = str(error)
            log.error("polling stopped %s", key_values(device=self.health.device, error=error))
        except Exception as error:  # a defect in a driver must not end the polling of its device
            self._record_failure(f"{type(error).__name__}: {error}", error)
        else:
            self.health.last_latency_s = asyncio.get_running_loop().time() - started
            self._record_success(sample)

    def _record_failure(self, reason: str, defect: Exception | None = None) -> None:
        health = self.health
        health.failures += 1
        health.failures_in_a_row += 1
        health.recent.append(False)
        health.last_error = reason
        health.state = State.LOST
        self._outage.failed(defect or reason, sensors=health.sensors)

    def _record_success(self, sample: Sample) -> None:
        health, now_ns = self.health, self._clock.now_ns()
        self._outage.recovered()
        missing = tuple(sorted(sample.missing))
        if missing != health.missing:
            self._log_missing_sensors(missing, sample.missing)
        health.state, health.failures_in_a_row, health.missing = State.OK, 0, missing
        health.last_success_ns = now_ns
        health.recent.append(True)
        health.readings += len(sample.readings)
        self._sink.put(sample.readings)

    def _log_missing_sensors(self, missing: Sequence[str], reasons: Mapping[str, str]) -> None:
        device = self.health.device
        if not missing:
            log.info("recovered sensors %s", key_values(device=device))
            return
        details = "; ".join(f"{name}: {reasons[name]}" for name in missing[:MAX_LOGGED_SENSORS])
        more = len(missing) - MAX_LOGGED_SENSORS
        ending = f"; and {more} more" if more > 0 else ""
        log.warning(
            "failed sensors %s", key_values(device=device, count=len(missing), errors=details + ending)
        )


def _identity(device: Device) -> tuple[object, ...]:
    return device.name, device.method, device.period_s, tuple(device.sensors)


class Crawler:
    """Polls all devices and delivers their readings to one sink."""

    def __init__(
        self,
        devices: Sequence[Device],
        sink: BatchingSink,
        clock: Clock,
        backoff: Backoff | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.sink = sink
        self._clock = clock
        self._backoff = backoff or DEVICE_BACKOFF
        self._rng = rng or random.Random()
        self._pollers: list[Poller] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._poller_tasks: dict[Poller, asyncio.Task[None]] = {}
        for device in devices:
            self._add(device)

    @property
    def health(self) -> Mapping[str, PollerHealth]:
        """The health of each device by its name. The values change while the crawler runs."""
        return {p.health.device: p.health for p in self._pollers}

    @property
    def sensors(self) -> Mapping[str, Sequence[str]]:
        """The sensors of each device by its name."""
        return {p.health.device: p.device.sensors for p in self._pollers}

    async def run(self) -> None:
        """Poll until cancelled, then deliver the last readings once."""
        async with asyncio.TaskGroup() as tasks:
            delivery = tasks.create_task(self.sink.run(), name="delivery")
            self._tasks = tasks
            for poller in self._pollers:
                self._start(poller)
            try:
                # Wait even if no device is polled any more, because their health is still reported.
                await asyncio.Event().wait()
            finally:
                self._tasks = None
                delivery.cancel()
                for task in self._poller_tasks.values():
                    task.cancel()

    async def update_devices(
        self, devices: Sequence[Device], is_unchanged: Callable[[Sequence[str]], bool]
    ) -> None:
        """Replace the polled devices.

        A device that is polled already, and for whose sensors `is_unchanged` returns True, misses no tick. Readings of removed
        devices are still delivered.
        """
        pollers: list[Poller] = []
        new_devices: list[Device] = []
        for device in devices:
            poller = next((p for p in self._pollers if p not in pollers and p.is_for(device)), None)
            if poller is not None and is_unchanged(device.sensors):
                pollers.append(poller)
                await device.close()
            else:
                new_devices.append(device)
        removed = [
            self._poller_tasks.pop(p) for p in self._pollers if p not in pollers and p in self._poller_tasks
        ]
        for task in removed:
            task.cancel()
        await asyncio.gather(*removed, return_exceptions=True)
        self._pollers = pollers
        for device in new_devices:
            self._start(self._add(device))

    def _add(self, device: Device) -> Poller:
        used_names = {p.health.device for p in self._pollers}
        name, number = device.name, 1
        while name in used_names:  # an agent that is read with two periods is two devices at one address
            number += 1
            name = f"{device.name} #{number}"
        poller = Poller(name, device, self.sink, self._clock, self._backoff, self._rng)
        self._pollers.append(poller)
        return poller

    def _start(self, poller: Poller) -> None:
        if self._tasks is not None:
            self._poller_tasks[poller] = self._tasks.create_task(poller.run(), name=poller.health.device)
