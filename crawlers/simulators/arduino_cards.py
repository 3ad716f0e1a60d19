"""Simulated Arduino cards, which push to `/temperature/list`. They never retry and read only the status line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import httpx
import numpy as np

from backend.core.clock import Clock
from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import Sensor
from crawlers.simulators.fault_schedule import POWER_ON_C, UNPLUGGED_C, Condition, FaultKind
from crawlers.simulators.model import DataCentreModel
from crawlers.simulators.noise import fraction


def address(name: str) -> str:
    """Return the 1-wire address of a probe as cards print it: `28:b8:fb:29:09:00:00:03` for `28b8fb2909000003`."""
    return ":".join(name[i : i + 2] for i in range(0, len(name), 2))


class Card:
    """One card. It pushes all its probes together, once every period."""

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
        self._last_push_boot_ns = self._condition.booted_ns
        self._probes = tuple(p.name for p in probes)
        self._model = model
        self._clock = clock
        self.period_ns = max(model.period_ns(p) for p in self._probes)
        self.late_s = model.faults.late.get(name, 0.0)
        self._start_ns = round(fraction(model.seed, f"card/{name}") * 0.8 * self.period_ns)
        self.pushes = 0
        self.failures = 0

    def body(self, tick_ns: int) -> bytes:
        """Return the body of the push for one tick. The firmware prints JSON itself, so a broken probe becomes a bare `nan`."""
        now = np.array([tick_ns], np.int64)
        values = self._model.value(self._probes, now)[:, 0].tolist()
        rows: list[str] = []
        for name, value in zip(self._probes, values, strict=True):
            is_reporting = self._model.is_reporting(name, now)[0]
            if name in self._model.faults.silent and not is_reporting:
                continue
            printed = self._print_value(value) if is_reporting else "nan"
            rows.append(f'{{"sensor": "{address(name)}", "t": "T", "v": {printed}}}')
        return f"[{', '.join(rows)}]".encode()

    def _print_value(self, value: float) -> str:
        if self._condition.has_wrong_type:
            return f'{{"T": "{value:.2f}"}}'
        if self._condition.booted_ns > self._last_push_boot_ns:
            return f"{POWER_ON_C:.2f}"
        return f"{self._condition.distort(value, UNPLUGGED_C):.2f}"

    async def run(self, client: httpx.AsyncClient, url: str) -> None:
        """Push every period until cancelled. Each card has its own offset, and a late card is late by `late_s`."""
        tick = self._clock.now_ns() // self.period_ns * self.period_ns
        while True:
            due = tick + self._start_ns + round(self.late_s * NS_PER_SECOND)
            if (wait_ns := due - self._clock.now_ns()) > 0:
                await asyncio.sleep(wait_ns / NS_PER_SECOND)
            await self.push(client, url, tick)
            tick = max(
                tick + self.period_ns, (self._clock.now_ns() - due + tick) // self.period_ns * self.period_ns
            )

    async def push(self, client: httpx.AsyncClient, url: str, tick_ns: int) -> None:
        """Push once, with the faults of the condition."""
        body = self._condition.damage(self.body(tick_ns))
        if body is None:
            return
        self._last_push_boot_ns = self._condition.booted_ns
        self.pushes += 1
        headers = {"Content-Type": "application/json"}
        is_slow = self._condition.fault is FaultKind.SLOW
        content = _pause_half_way(body, self._condition.delay_s) if is_slow else body
        try:
            answer = await client.post(url, content=content, headers=headers)
        except httpx.HTTPError:
            self.failures += 1
        else:
            self.failures += not answer.is_success


async def _pause_half_way(body: bytes, pause_s: float) -> AsyncIterator[bytes]:
    """Yield the body in two halves with a pause in between."""
    yield body[: len(body) // 2]
    await asyncio.sleep(pause_s)
    yield body[len(body) // 2 :]
