"""Faults of simulated devices: no answer, a late, truncated, invalid or wrong answer, or false values.

Each device has a `Condition`, which its server consults before each answer. Faults are scheduled (`ScheduledFault`, as in
`seduce demo --trouble "pdu-Z1.10=mute@60+30/300"`) or injected by tests (`inject` and `recover`).
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from backend.core.clock import Clock
from backend.core.errors import UserError
from backend.core.windows import NS_PER_SECOND

SLOW_S: Final = 3.0
"""The delay of a slow device in seconds. It is longer than any crawler waits."""
DRIFT_PER_SECOND: Final = 0.01
"""The share of its value by which a drifting sensor is further off every second. A drifting clock gains as many seconds."""
POWER_ON_C: Final = 85.0
"""The value of a DS18B20 probe before its first measurement."""
UNPLUGGED_C: Final = -127.0
FALSE_VALUE: Final = 2.0**31 - 1
"""The value that a lying device reports. A device with smaller registers reports its largest number."""


class FaultKind(StrEnum):
    MUTE = "mute"  # no answer
    SLOW = "slow"  # an answer after the time-out of the crawler
    CUT = "cut"  # half a packet
    GARBAGE = "garbage"  # random bytes
    WRONG = "wrong"  # a valid answer of another type than requested
    REBOOT = "reboot"  # no answer; afterwards counters, uptime and probes start again
    DRIFT = "drift"  # an error of the values, or of the device's clock, that grows every second
    LIE = "lie"  # a valid answer with an impossible number


@dataclass(frozen=True, slots=True)
class ScheduledFault:
    """A fault of all devices that match the pattern `device`, such as `pdu-*`, by their name or a parent.

    It begins `start_s` after the start, lasts `duration_s`, and repeats every `interval_s` unless that is None.
    """

    device: str
    kind: FaultKind
    start_s: float = 0.0
    duration_s: float = math.inf
    interval_s: float | None = None

    @classmethod
    def parse(cls, text: str) -> ScheduledFault:
        """Parse `DEVICE=FAULT[@START][+DURATION][/INTERVAL]`, with times in seconds. Raises `UserError`."""
        match = _SYNTAX.fullmatch(text)
        if match is None or match["kind"] not in list(FaultKind):
            raise UserError(
                f"{text!r} is not a fault: expected DEVICE=FAULT[@START][+DURATION][/INTERVAL] in seconds, such as "
                f"pdu-Z1.10=mute@60+30/300, where FAULT is one of {', '.join(FaultKind)}"
            )
        duration, interval = match["duration"], match["interval"]
        return cls(
            match["device"],
            FaultKind(match["kind"]),
            float(match["start"] or 0),
            math.inf if duration is None else float(duration),
            None if interval is None else float(interval),
        )

    def active_since_s(self, at_s: float) -> float | None:
        """Return the time at which the fault that is active at `at_s` began, or None. Times are seconds after the start."""
        if at_s < self.start_s:
            return None
        elapsed_s = at_s - self.start_s
        if self.interval_s:
            elapsed_s %= self.interval_s
        return at_s - elapsed_s if elapsed_s < self.duration_s else None

    def last_end_s(self, at_s: float) -> float | None:
        """Return the last time up to `at_s` at which the fault ended, or None."""
        rounds = math.floor(max(0.0, at_s - self.start_s) / self.interval_s) if self.interval_s else 0
        ends = [
            self.start_s + n * (self.interval_s or 0.0) + self.duration_s
            for n in (rounds, rounds - 1)
            if n >= 0
        ]
        return max((end for end in ends if end <= at_s), default=None)


_NUMBER: Final = r"\d+(?:\.\d+)?"
_SYNTAX: Final = re.compile(
    rf"(?P<device>[^=]+)=(?P<kind>\w+)(?:@(?P<start>{_NUMBER}))?(?:\+(?P<duration>{_NUMBER}))?(?:/(?P<interval>{_NUMBER}))?"
)

DelayedPacket: TypeAlias = tuple[float, bytes]
"""The delay in seconds, and the bytes to send after it."""
PacketFilter: TypeAlias = Callable[[bytes], DelayedPacket | None]
"""Turns a correct answer into the one to send. None means that nothing is sent."""


def send_unchanged(packet: bytes) -> DelayedPacket:
    """The packet filter of a device without a fault."""
    return 0.0, packet


class Condition:
    """The current faults of one device."""

    def __init__(
        self, name: str, clock: Clock, schedule: Sequence[ScheduledFault] = (), seed: int = 0
    ) -> None:
        self.name = name
        self._clock = clock
        self._start_ns = clock.now_ns()
        self.schedule = tuple(schedule)
        self._rng = random.Random(f"{seed}/{name}")
        self._injected: tuple[FaultKind, int] | None = None
        self._restarted_ns = self._start_ns

    def inject(self, kind: FaultKind) -> None:
        """Start a fault, whatever is scheduled. It lasts until `recover`."""
        self._injected = kind, self._clock.now_ns()

    def recover(self) -> None:
        """End the injected fault."""
        if self._injected is not None and self._injected[0] is FaultKind.REBOOT:
            self._restarted_ns = self._clock.now_ns()
        self._injected = None

    @property
    def fault(self) -> FaultKind | None:
        active = self._active_fault()
        return active and active[0]

    @property
    def booted_ns(self) -> int:
        """The time of the last start of the device, in ns."""
        ends = [
            self._start_ns + round(end * NS_PER_SECOND)
            for scheduled in self.schedule
            if scheduled.kind is FaultKind.REBOOT and (end := scheduled.last_end_s(self._age_s())) is not None
        ]
        return max([self._restarted_ns, *ends])

    @property
    def delay_s(self) -> float:
        """The delay of an answer in seconds."""
        return SLOW_S if self.fault is FaultKind.SLOW else 0.0

    @property
    def has_wrong_type(self) -> bool:
        """Return whether the device answers with another type than requested."""
        return self.fault is FaultKind.WRONG

    @property
    def clock_offset_s(self) -> float:
        """The seconds by which the clock of the device is ahead."""
        active = self._active_fault()
        return DRIFT_PER_SECOND * active[1] if active and active[0] is FaultKind.DRIFT else 0.0

    def damage(self, packet: bytes) -> bytes | None:
        """Return the bytes that the device sends in place of a correct packet, or None if it sends nothing."""
        match self.fault:
            case FaultKind.MUTE | FaultKind.REBOOT:
                return None
            case FaultKind.CUT:
                return packet[: len(packet) // 2]
            case FaultKind.GARBAGE:
                return self._rng.randbytes(max(1, len(packet)))
            case _:
                return packet

    def filter_packet(self, packet: bytes) -> DelayedPacket | None:
        """The packet filter of this device: `damage` and `delay_s` in one."""
        damaged = self.damage(packet)
        return None if damaged is None else (self.delay_s, damaged)

    def distort(self, true_value: float, false_value: float = FALSE_VALUE) -> float:
        """Return the value that the device reports. `false_value` is the one of a lying device."""
        active = self._active_fault()
        if active is None:
            return true_value
        kind, age_s = active
        if kind is FaultKind.LIE:
            return false_value
        return true_value * (1.0 + DRIFT_PER_SECOND * age_s) if kind is FaultKind.DRIFT else true_value

    def _age_s(self) -> float:
        return (self._clock.now_ns() - self._start_ns) / NS_PER_SECOND

    def _active_fault(self) -> tuple[FaultKind, float] | None:
        """Return the active fault and its age in seconds. Of several scheduled ones the first in the schedule counts."""
        if self._injected is not None:
            kind, since_ns = self._injected
            return kind, (self._clock.now_ns() - since_ns) / NS_PER_SECOND
        age_s = self._age_s()
        for scheduled in self.schedule:
            if (since_s := scheduled.active_since_s(age_s)) is not None:
                return scheduled.kind, age_s - since_s
        return None


class Conditions:
    """The conditions of all devices. A condition is created when it is first requested."""

    def __init__(self, clock: Clock, schedule: Iterable[ScheduledFault] = (), seed: int = 0) -> None:
        self._clock = clock
        self._schedule = tuple(schedule)
        self._seed = seed
        self._conditions: dict[str, Condition] = {}

    def get(self, name: str, parents: Iterable[str | None] = ()) -> Condition:
        """Return the condition of a device, with the faults that match its name or one of its parents."""
        if name not in self._conditions:
            names = [name, *(p for p in parents if p)]
            faults = [s for s in self._schedule if any(fnmatchcase(n, s.device) for n in names)]
            self._conditions[name] = Condition(name, self._clock, faults, self._seed)
        return self._conditions[name]

    def matching(self, pattern: str) -> Sequence[Condition]:
        """Return the conditions of all devices whose name matches the pattern."""
        return [c for name, c in self._conditions.items() if fnmatchcase(name, pattern)]

    def check_all_match(self) -> None:
        """Raise `UserError` if a scheduled fault matches no device."""
        used = {scheduled for condition in self._conditions.values() for scheduled in condition.schedule}
        unmatched = [s.device for s in self._schedule if s not in used]
        if unmatched:
            raise UserError(
                f"no simulated device is called {', '.join(unmatched)}; "
                f"there are: {', '.join(sorted(self._conditions))}"
            )
