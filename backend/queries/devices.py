"""How the devices fare that crawlers read, and which sensors were found at fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Container, Mapping, Sequence
from dataclasses import replace
from typing import Final

from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.health import DeviceHealth, DeviceState, SensorErrors
from backend.core.ports import Counters, HealthBoard
from backend.core.windows import NS_PER_SECOND

UNHEARD_AFTER_NS: Final = 15 * NS_PER_SECOND
"""Crawlers report every second; one that has not for so long is gone, and what it said no longer holds."""

LEAST_SECONDS: Final = 1.0
"""Between two looks at the board."""


class DeviceService:
    """Reads the board; raises `TransientError` where it cannot be reached.

    Devices of which no sensor is `described` are left out: they were removed, and nobody reports them any more.
    """

    def __init__(
        self, board: HealthBoard, counters: Counters, clock: Clock, described: Container[str]
    ) -> None:
        self._described = described
        self._board = board
        self._counters = counters
        self._clock = clock

    async def all(self) -> list[DeviceHealth]:
        """All devices by name; those whose crawler is silent are `UNHEARD`."""
        heard_ns = self._clock.now_ns() - UNHEARD_AFTER_NS
        return [
            device if device.reported_ns >= heard_ns else replace(device, state=DeviceState.UNHEARD)
            for device in await self._board.devices()
            if any(sensor in self._described for sensor in device.sensors)
        ]

    async def find(self, name: str) -> DeviceHealth | None:
        return next((device for device in await self.all() if device.name == name), None)

    async def sensor_errors(self) -> Sequence[SensorErrors]:
        """Most errors first."""
        return sorted(await self._counters.errors(), key=lambda e: (-e.count, e.sensor))

    async def watch(self) -> AsyncGenerator[tuple[bool, list[DeviceHealth]], None]:
        """(True, all devices) once, then (False, those that changed), at most once a second.

        While the board cannot be reached nothing comes; what changed meanwhile comes when it is back.
        """
        known = _comparable(await self.all())
        yield True, list(known.values())
        while True:
            await asyncio.sleep(LEAST_SECONDS)
            try:
                fresh = _comparable(await self.all())
            except TransientError:
                continue
            changed = [device for name, device in fresh.items() if known.get(name) != device]
            known = fresh
            if changed:
                yield False, changed


def _comparable(devices: Sequence[DeviceHealth]) -> Mapping[str, DeviceHealth]:
    """A report that says the same as the one before is no news."""
    return {d.name: replace(d, reported_ns=0) for d in devices}
