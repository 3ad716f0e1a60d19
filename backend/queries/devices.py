"""Serves the health of the devices that crawlers poll, and the error counters of sensors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Container, Mapping, Sequence
from dataclasses import replace
from typing import Final

from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.health import DeviceHealth, DeviceState, SensorErrors
from backend.core.ports import Counters, HealthBoard
from backend.watch.silence import CRAWLERS, is_silent

CRAWLER_LIMIT_NS: Final = CRAWLERS.limit_ns()
"""Age of a report from which its crawler counts as down and the reported state no longer holds."""

MIN_INTERVAL_S: Final = 1.0
"""Seconds between two reads of the board for a subscription."""


class DeviceService:
    """Reads the health board. Raises `TransientError` if it is unreachable.

    A device without any sensor in `described` was removed from the description and is left out.
    """

    def __init__(
        self, board: HealthBoard, counters: Counters, clock: Clock, described: Container[str]
    ) -> None:
        self._described = described
        self._board = board
        self._counters = counters
        self._clock = clock

    async def all(self) -> list[DeviceHealth]:
        """Return all devices by name. A device whose crawler is silent has the state `CRAWLER_DOWN`."""
        now_ns = self._clock.now_ns()
        return [
            replace(device, state=DeviceState.CRAWLER_DOWN)
            if is_silent(device.reported_ns, now_ns, CRAWLER_LIMIT_NS)
            else device
            for device in await self._board.devices()
            if any(sensor in self._described for sensor in device.sensors)
        ]

    async def find(self, name: str) -> DeviceHealth | None:
        """Return one device, or None."""
        return next((device for device in await self.all() if device.name == name), None)

    async def sensor_errors(self) -> Sequence[SensorErrors]:
        """Return the sensors with errors, those with most errors first."""
        return sorted(await self._counters.errors(), key=lambda errors: (-errors.count, errors.sensor))

    async def watch(self) -> AsyncGenerator[tuple[bool, list[DeviceHealth]], None]:
        """Yield (True, all devices) once, then (False, changed devices), at most once a second.

        Nothing is yielded while the board is unreachable; the changes of that time follow afterwards.
        """
        devices = _without_report_time(await self.all())
        yield True, list(devices.values())
        while True:
            await asyncio.sleep(MIN_INTERVAL_S)
            try:
                current = _without_report_time(await self.all())
            except TransientError:
                continue
            changed = [device for name, device in current.items() if devices.get(name) != device]
            devices = current
            if changed:
                yield False, changed


def _without_report_time(devices: Sequence[DeviceHealth]) -> Mapping[str, DeviceHealth]:
    """Return the devices by name, so that two reports that differ only in their time compare equal."""
    return {device.name: replace(device, reported_ns=0) for device in devices}
