"""The ports of device health and of the error counters of sensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from backend.core.health import DeviceHealth, SensorErrors


class HealthBoard(Protocol):
    """The latest health report of every device. Crawlers write it; this process or another one reads it."""

    async def report(self, devices: Sequence[DeviceHealth]) -> None:
        """Replace the previous reports of the devices with these names."""
        ...

    async def devices(self) -> Sequence[DeviceHealth]:
        """Return the last report of each device, by name. A device without a report for an hour is dropped."""
        ...

    async def close(self) -> None: ...


class Counters(Protocol):
    """Error counters of sensors, which count until they are reset."""

    async def count(self, sensors: Sequence[str], at_ns: int) -> None:
        """Add one error to each sensor."""
        ...

    async def errors(self) -> Sequence[SensorErrors]:
        """Return all sensors with errors, by name."""
        ...

    async def reset(self, sensors: Sequence[str] | None = None) -> None:
        """Reset the counters of these sensors; None selects all."""
        ...

    async def close(self) -> None: ...
