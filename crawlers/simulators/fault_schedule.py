"""What can befall a simulated device: it says nothing, too late, half, garbage, the wrong things, or what is not so.

A `Condition` is one device's; its server asks it before each answer. Troubles come by plan (`Spell`, as in
`seduce demo --trouble "pdu-Z1.10=mute@60+30/300"`) or by hand (`suffer` and `recover`, in tests).
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
"""How late a slow device answers: later than any crawler waits."""
DRIFT_A_SECOND: Final = 0.01
"""By which part of its value a drifting sensor is further off every second; a drifting clock runs ahead by as much."""
POWER_ON_C: Final = 85.0
"""What a DS18B20 probe says before its first measurement."""
UNPLUGGED_C: Final = -127.0
LIE: Final = 2.0**31 - 1
"""What a device says that lies; one whose registers hold less says the greatest number it can."""


class Trouble(StrEnum):
    MUTE = "mute"  # no answer
    SLOW = "slow"  # an answer when nobody waits for it any more
    CUT = "cut"  # half a packet
    GARBAGE = "garbage"  # bytes that mean nothing
    WRONG = "wrong"  # a sound answer of a type that was not asked for
    REBOOT = "reboot"  # mute, and counters, uptime and probes begin anew after it
    DRIFT = "drift"  # values, or the device's clock, that go astray a little more each second
    LIE = "lie"  # a sound answer with a number that cannot be


@dataclass(frozen=True, slots=True)
class Spell:
    """A trouble of all devices that `device` matches (a pattern over their names and parents, such as `pdu-*`).

    It begins `start_s` after the start, lasts `lasts_s`, and comes back every `every_s` where that is given.
    """

    device: str
    trouble: Trouble
    start_s: float = 0.0
    lasts_s: float = math.inf
    every_s: float | None = None

    @classmethod
    def parse(cls, text: str) -> Spell:
        """`DEVICE=TROUBLE[@START][+LASTS][/EVERY]`, in seconds. Raises `UserError`."""
        found = _SPELL.fullmatch(text)
        if found is None or found["trouble"] not in list(Trouble):
            raise UserError(
                f"{text!r} is no trouble: expected DEVICE=TROUBLE[@START][+LASTS][/EVERY] in seconds, such as "
                f"pdu-Z1.10=mute@60+30/300, with one of {', '.join(Trouble)}"
            )
        lasts, every = found["lasts"], found["every"]
        return cls(
            found["device"],
            Trouble(found["trouble"]),
            float(found["start"] or 0),
            math.inf if lasts is None else float(lasts),
            None if every is None else float(every),
        )

    def begun_s(self, at_s: float) -> float | None:
        """When the spell that holds at `at_s` began; None where none does. Seconds after the start."""
        if at_s < self.start_s:
            return None
        since = at_s - self.start_s
        if self.every_s:
            since %= self.every_s
        return at_s - since if since < self.lasts_s else None

    def ended_s(self, at_s: float) -> float | None:
        """When the last spell that is over by `at_s` ended; None where none is."""
        rounds = math.floor(max(0.0, at_s - self.start_s) / self.every_s) if self.every_s else 0
        ends = [
            self.start_s + n * (self.every_s or 0.0) + self.lasts_s for n in (rounds, rounds - 1) if n >= 0
        ]
        return max((end for end in ends if end <= at_s), default=None)


_NUMBER: Final = r"\d+(?:\.\d+)?"
_SPELL: Final = re.compile(
    rf"(?P<device>[^=]+)=(?P<trouble>\w+)(?:@(?P<start>{_NUMBER}))?(?:\+(?P<lasts>{_NUMBER}))?(?:/(?P<every>{_NUMBER}))?"
)

Said: TypeAlias = tuple[float, bytes]
"""Seconds to wait, and what to send then."""
Says: TypeAlias = Callable[[bytes], Said | None]
"""What becomes of an answer; None: nothing is sent."""


def at_once(right: bytes) -> Said:
    """How a sound device answers."""
    return 0.0, right


class Condition:
    """How one device is just now."""

    def __init__(self, name: str, clock: Clock, spells: Sequence[Spell] = (), seed: int = 0) -> None:
        self.name = name
        self._clock = clock
        self._start_ns = clock.now_ns()
        self._spells = spells
        self._chance = random.Random(f"{seed}/{name}")
        self._by_hand: tuple[Trouble, int] | None = None
        self._restarted_ns = self._start_ns

    def suffer(self, trouble: Trouble) -> None:
        """Until `recover`, whatever is planned."""
        self._by_hand = trouble, self._clock.now_ns()

    def recover(self) -> None:
        if self._by_hand is not None and self._by_hand[0] is Trouble.REBOOT:
            self._restarted_ns = self._clock.now_ns()
        self._by_hand = None

    @property
    def trouble(self) -> Trouble | None:
        now = self._now()
        return now and now[0]

    @property
    def booted_ns(self) -> int:
        """When the device last started."""
        ends = [
            self._start_ns + round(end * NS_PER_SECOND)
            for spell in self._spells
            if spell.trouble is Trouble.REBOOT and (end := spell.ended_s(self._age_s())) is not None
        ]
        return max([self._restarted_ns, *ends])

    @property
    def pause_s(self) -> float:
        """How long an answer is held back."""
        return SLOW_S if self.trouble is Trouble.SLOW else 0.0

    @property
    def is_wrong(self) -> bool:
        """Whether to answer with something of another type than what was asked for."""
        return self.trouble is Trouble.WRONG

    @property
    def ahead_s(self) -> float:
        """How far the device's clock runs ahead."""
        now = self._now()
        return DRIFT_A_SECOND * now[1] if now and now[0] is Trouble.DRIFT else 0.0

    def packet(self, right: bytes) -> bytes | None:
        """What leaves the device in place of the right bytes; None where nothing does."""
        match self.trouble:
            case Trouble.MUTE | Trouble.REBOOT:
                return None
            case Trouble.CUT:
                return right[: len(right) // 2]
            case Trouble.GARBAGE:
                return self._chance.randbytes(max(1, len(right)))
            case _:
                return right

    def says(self, right: bytes) -> Said | None:
        """`packet` and `pause_s` in one, for those who send whole packets."""
        packet = self.packet(right)
        return None if packet is None else (self.pause_s, packet)

    def number(self, true: float, lie: float = LIE) -> float:
        """What the device says where `true` is so."""
        now = self._now()
        if now is None:
            return true
        if now[0] is Trouble.LIE:
            return lie
        return true * (1.0 + DRIFT_A_SECOND * now[1]) if now[0] is Trouble.DRIFT else true

    def _age_s(self) -> float:
        return (self._clock.now_ns() - self._start_ns) / NS_PER_SECOND

    def _now(self) -> tuple[Trouble, float] | None:
        """The trouble and for how long it has been, in seconds. Of several planned ones the first that was named counts."""
        if self._by_hand is not None:
            trouble, since_ns = self._by_hand
            return trouble, (self._clock.now_ns() - since_ns) / NS_PER_SECOND
        age = self._age_s()
        for spell in self._spells:
            if (begun := spell.begun_s(age)) is not None:
                return spell.trouble, age - begun
        return None


class Conditions:
    """The conditions of all devices, made when a device first asks for its own."""

    def __init__(self, clock: Clock, spells: Iterable[Spell] = (), seed: int = 0) -> None:
        self._clock = clock
        self._spells = tuple(spells)
        self._seed = seed
        self._found: dict[str, Condition] = {}

    def of(self, name: str, parents: Iterable[str | None] = ()) -> Condition:
        """The condition of a device that goes by its name and by what the description calls it."""
        if name not in self._found:
            called = [name, *(p for p in parents if p)]
            mine = [s for s in self._spells if any(fnmatchcase(one, s.device) for one in called)]
            self._found[name] = Condition(name, self._clock, mine, self._seed)
        return self._found[name]

    def named(self, pattern: str) -> Sequence[Condition]:
        """All whose name matches."""
        return [c for name, c in self._found.items() if fnmatchcase(name, pattern)]

    def refuse_idle(self) -> None:
        """Raises `UserError` where a planned trouble matches no device, and names those there are."""
        idle = [s.device for s in self._spells if not any(s in c._spells for c in self._found.values())]
        if idle:
            raise UserError(
                f"no simulated device is called {', '.join(idle)}; there are: {', '.join(sorted(self._found))}"
            )
