"""The ports `HealthBoard` and `Counters` within one process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from backend.core.clock import Clock, SystemClock
from backend.core.health import DeviceHealth, SensorErrors, add_error
from backend.core.windows import NS_PER_SECOND

REPORT_LIFETIME_NS: Final = 3600 * NS_PER_SECOND
"""After this time without a new report, a device is removed from the board."""


class MemoryHealthBoard:
    """The last report of each device, in a dictionary."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._devices: dict[str, DeviceHealth] = {}

    async def report(self, devices: Sequence[DeviceHealth]) -> None:
        self._devices |= {device.name: device for device in devices}

    async def devices(self) -> Sequence[DeviceHealth]:
        oldest = self._clock.now_ns() - REPORT_LIFETIME_NS
        self._devices = {n: d for n, d in self._devices.items() if d.reported_ns >= oldest}
        return [device for _, device in sorted(self._devices.items())]

    async def close(self) -> None:
        """Do nothing: there is no connection to close."""


class MemoryCounters:
    """The error counts of sensors since the start of the process."""

    def __init__(self) -> None:
        self._errors: dict[str, SensorErrors] = {}

    async def count(self, sensors: Sequence[str], at_ns: int) -> None:
        for sensor in sensors:
            self._errors[sensor] = add_error(self._errors, sensor, at_ns)

    async def errors(self) -> Sequence[SensorErrors]:
        return [errors for _, errors in sorted(self._errors.items())]

    async def reset(self, sensors: Sequence[str] | None = None) -> None:
        for sensor in list(self._errors) if sensors is None else sensors:
            self._errors.pop(sensor, None)

    async def close(self) -> None:
        """Do nothing: there is no connection to close."""
