"""One polling loop for all devices.

Each device has a task of its own, so that a slow one delays nobody. Ticks are multiples of the device's period since the
epoch: they do not drift, and all devices of one period are read at the same instant. Readings are stamped with the tick, so
that a window of 30 s always holds the same number of readings however the network trembles.
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
from backend.core.outage import Outage
from backend.core.windows import NS_PER_SECOND
from crawlers.device import Device, Sample
from crawlers.sink import BatchingSink

log = logging.getLogger(__name__)


RECENT_POLLS = 60


@dataclass(slots=True)
class PollerHealth:
    """How a device fares. Written by its task alone; anybody may read it."""

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
        """Share of the last polls that failed."""
        return self.recent.count(False) / len(self.recent) if self.recent else 0.0


DEVICE_BACKOFF: Final = Backoff(first_s=1.0, limit_s=60.0)
"""The pause before a device that does not answer is polled again."""


@dataclass(frozen=True, slots=True)
class Tick:
    """When to poll next, and how many ticks were too late to be polled."""

    at_ns: int
    skipped: int


def first_tick(now_ns: int, period_ns: int) -> int:
    """The first multiple of the period at or after now."""
    return -(-now_ns // period_ns) * period_ns


def next_tick(last_ns: int, now_ns: int, period_ns: int) -> Tick:
    """The tick after `last_ns` that can still be met: those that went by meanwhile are skipped, not piled up."""
    if now_ns < last_ns - period_ns:  # the clock was set back
        return Tick(first_tick(now_ns, period_ns), 0)
    following = last_ns + period_ns
    if now_ns <= following:
        return Tick(following, 0)
    at = first_tick(now_ns, period_ns)
    return Tick(at, (at - following) // period_ns)


class Poller:
    """Polls one device for ever."""

    def __init__(
        self,
        name: str,
        device: Device,
        sink: BatchingSink,
        clock: Clock,
        backoff: Backoff,
        chance: random.Random,
    ) -> None:
        self.device = device
        self.health = PollerHealth(name, device.method, len(device.sensors), device.period_s)
        self._sink = sink
        self._clock = clock
        self._backoff = backoff
        self._chance = chance
        self._outage = Outage(log, "device", level=logging.WARNING, device=name)

    def serves(self, device: Device) -> bool:
        """Whether that is the same device, with the same sensors as often."""
        mine = self.device
        return (mine.name, mine.method, mine.period_s, tuple(mine.sensors)) == (
            device.name,
            device.method,
            device.period_s,
            tuple(device.sensors),
        )

    async def run(self) -> None:
        """Until cancelled, or until the device says that asking again is of no use."""
        period = round(self.device.period_s * NS_PER_SECOND)
        tick = first_tick(self._clock.now_ns(), period)
        try:
            while self.health.state is not State.REFUSED:
                await self._sleep_until(tick)
                await self.poll(tick)
                raise_if_cancelled()
                tick = self._after(tick, period)
                self.health.next_attempt_ns = tick
        finally:
            await self.device.close()

    def _after(self, tick: int, period: int) -> int:
        now = self._clock.now_ns()
        if self.health.failures_in_a_row:
            wait = self._backoff.delay_s(self.health.failures_in_a_row, self._chance.random())
            return max(tick + period, first_tick(now + round(wait * NS_PER_SECOND), period))
        following = next_tick(tick, now, period)
        self.health.ticks_skipped += following.skipped
        return following.at_ns

    async def _sleep_until(self, tick: int) -> None:
        while (left := tick - self._clock.now_ns()) > 0:  # noqa: ASYNC110  sleeping may end a little early
            await asyncio.sleep(left / NS_PER_SECOND)

    async def poll(self, tick: int) -> None:
        """One poll; every outcome ends in the health, none in an exception."""
        self.health.polls += 1
        self.health.last_attempt_ns = self._clock.now_ns()
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self.device.timeout_s):
                sample = await self.device.read(tick)
        except TimeoutError:
            self._failed(f"no answer within {self.device.timeout_s:g} s")
        except TransientError as error:
            self._failed(str(error))
        except PermanentError as error:
            self.health.state = State.REFUSED
            self.health.failures += 1
            self.health.recent.append(False)
            self.health.last_error = str(error)
            log.error("%s: given up: %s", self.health.device, error)
        except Exception as error:  # a driver's fault must not end the polling of its device
            self._failed(f"{type(error).__name__}: {error}", error)
        else:
            self.health.last_latency_s = asyncio.get_running_loop().time() - started
            self._succeeded(sample)

    def _failed(self, why: str, defect: Exception | None = None) -> None:
        health = self.health
        health.failures += 1
        health.failures_in_a_row += 1
        health.recent.append(False)
        health.last_error = why
        health.state = State.LOST
        self._outage.failed(defect or why, sensors=health.sensors)

    def _succeeded(self, sample: Sample) -> None:
        health, now = self.health, self._clock.now_ns()
        self._outage.recovered()
        missing = tuple(sorted(sample.missing))
        if missing != health.missing:
            self._report_missing(missing, sample.missing)
        health.state, health.failures_in_a_row, health.missing = State.OK, 0, missing
        health.last_success_ns = now
        health.recent.append(True)
        health.readings += len(sample.readings)
        self._sink.put(sample.readings)

    def _report_missing(self, missing: Sequence[str], why: Mapping[str, str]) -> None:
        if not missing:
            log.info("%s: all sensors answer again", self.health.device)
            return
        shown = "; ".join(f"{name}: {why[name]}" for name in missing[:5])
        more = f"; and {len(missing) - 5} more" if len(missing) > 5 else ""
        log.warning("%s: %d sensors without a value: %s%s", self.health.device, len(missing), shown, more)


class Crawler:
    """All devices and the sink they share."""

    def __init__(
        self,
        devices: Sequence[Device],
        sink: BatchingSink,
        clock: Clock,
        backoff: Backoff | None = None,
        chance: random.Random | None = None,
    ) -> None:
        policy, dice = backoff or DEVICE_BACKOFF, chance or random.Random()
        self.sink = sink
        self._clock, self._policy, self._dice = clock, policy, dice
        self._pollers: list[Poller] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._polling: dict[Poller, asyncio.Task[None]] = {}
        for device in devices:
            self._add(device)

    @property
    def health(self) -> Mapping[str, PollerHealth]:
        """By device name; the values change while the crawler runs."""
        return {p.health.device: p.health for p in self._pollers}

    @property
    def sensors(self) -> Mapping[str, Sequence[str]]:
        """The sensors of each device, by its name."""
        return {p.health.device: p.device.sensors for p in self._pollers}

    async def run(self) -> None:
        """Until cancelled; then what was read is offered to the sink a last time."""
        async with asyncio.TaskGroup() as tasks:
            delivery = tasks.create_task(self.sink.run(), name="delivery")
            self._tasks = tasks
            for poller in self._pollers:
                self._begin(poller)
            try:
                await asyncio.Event().wait()  # also where all were refused: their health is still to be seen
            finally:
                self._tasks = None
                delivery.cancel()
                for task in self._polling.values():
                    task.cancel()

    async def update_devices(self, devices: Sequence[Device], same: Callable[[Sequence[str]], bool]) -> None:
        """Poll these devices from now on.

        One that is polled already, and whose sensors are the `same`, misses no tick; what was read of the others is delivered.
        """
        kept: list[Poller] = []
        new: list[Device] = []
        for device in devices:
            poller = next((p for p in self._pollers if p not in kept and p.serves(device)), None)
            if poller is not None and same(device.sensors):
                kept.append(poller)
                await device.close()
            else:
                new.append(device)
        gone = [self._polling.pop(p) for p in self._pollers if p not in kept and p in self._polling]
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        self._pollers = kept
        for device in new:
            self._begin(self._add(device))

    def _add(self, device: Device) -> Poller:
        taken = {p.health.device for p in self._pollers}
        name, number = device.name, 1
        while name in taken:  # an agent read at two periods is two devices at one address
            number += 1
            name = f"{device.name} #{number}"
        poller = Poller(name, device, self.sink, self._clock, self._policy, self._dice)
        self._pollers.append(poller)
        return poller

    def _begin(self, poller: Poller) -> None:
        if self._tasks is not None:
            self._polling[poller] = self._tasks.create_task(poller.run(), name=poller.health.device)
