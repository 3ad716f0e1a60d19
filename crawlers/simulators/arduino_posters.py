"""Arduino cards that push their probes to `/temperature/list`. They never retry and read nothing but the status line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import httpx
import numpy as np

from backend.core.clock import Clock
from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import Sensor
from crawlers.simulators.fault_schedule import POWER_ON_C, UNPLUGGED_C, Condition, Trouble
from crawlers.simulators.model import DataCentreModel
from crawlers.simulators.noise import fraction


def address(name: str) -> str:
    """A probe's 1-wire address as cards print it: `28b8fb2909000003` is `28:b8:fb:29:09:00:00:03`."""
    return ":".join(name[i : i + 2] for i in range(0, len(name), 2))


class Card:
    """One card: all its probes go into one push every period."""

    def __init__(
        self,
        name: str,
        probes: Sequence[Sensor],
        model: DataCentreModel,
        clock: Clock,
        condition: Condition | None = None,
    ) -> None:
        self.name = name
        self._condition = condition or Condition(name, clock)
        self._warm_ns = self._condition.booted_ns
        self._probes = tuple(p.name for p in probes)
        self._model = model
        self._clock = clock
        self.period_ns = max(model.period_ns(p) for p in self._probes)
        self.late_s = model.faults.late.get(name, 0.0)
        self._start_ns = round(fraction(model.seed, f"card/{name}") * 0.8 * self.period_ns)
        self.pushes = 0
        self.failures = 0

    def body(self, tick_ns: int) -> bytes:
        """What the card prints for one tick. It writes JSON by hand: `nan` is how C prints a broken probe."""
        now = np.array([tick_ns], np.int64)
        values = self._model.value(self._probes, now)[:, 0].tolist()
        rows: list[str] = []
        for name, value in zip(self._probes, values, strict=True):
            if name in self._model.faults.silent and not self._model.reports(name, now)[0]:
                continue
            said = self._said(value) if self._model.reports(name, now)[0] else "nan"
            rows.append(f'{{"sensor": "{address(name)}", "t": "T", "v": {said}}}')
        return f"[{', '.join(rows)}]".encode()

    def _said(self, value: float) -> str:
        if self._condition.is_wrong:
            return f'{{"T": "{value:.2f}"}}'
        if self._condition.booted_ns > self._warm_ns:
            return f"{POWER_ON_C:.2f}"
        return f"{self._condition.number(value, UNPLUGGED_C):.2f}"

    async def run(self, client: httpx.AsyncClient, url: str) -> None:
        """Push every period until cancelled. Cards do not start together, and a late one comes late."""
        tick = self._clock.now_ns() // self.period_ns * self.period_ns
        while True:
            due = tick + self._start_ns + round(self.late_s * NS_PER_SECOND)
            if (wait := due - self._clock.now_ns()) > 0:
                await asyncio.sleep(wait / NS_PER_SECOND)
            await self.push(client, url, tick)
            tick = max(
                tick + self.period_ns, (self._clock.now_ns() - due + tick) // self.period_ns * self.period_ns
            )

    async def push(self, client: httpx.AsyncClient, url: str, tick_ns: int) -> None:
        body = self._condition.packet(self.body(tick_ns))
        if body is None:
            return
        self._warm_ns = self._condition.booted_ns
        self.pushes += 1
        headers = {"Content-Type": "application/json"}
        slow = self._condition.trouble is Trouble.SLOW
        try:
            answer = await client.post(
                url, content=_halting(body, self._condition.pause_s) if slow else body, headers=headers
            )
        except httpx.HTTPError:
            self.failures += 1
        else:
            self.failures += not answer.is_success


async def _halting(body: bytes, pause_s: float) -> AsyncIterator[bytes]:
    """A body that stops half-way."""
    yield body[: len(body) // 2]
    await asyncio.sleep(pause_s)
    yield body[len(body) // 2 :]
