"""The drivers by `method`. A new method also needs an entry model and a source in the inventory.

The entry model and `METHODS` are in `backend/inventory/sensors.py`, the source is in `backend/inventory/model.py`.
A driver is a module of this package, named like its method, with `METHOD` and `devices(sensors)`.

A driver is imported when a sensor needs it, so a process that reads one kind of device does not load the other protocols.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import crawlers
from backend.core.backoff import Backoff
from backend.core.clock import Clock
from backend.core.errors import PermanentError
from backend.core.ports import Sink
from backend.inventory.model import Inventory, PushSource, Sensor
from crawlers.device import Device
from crawlers.loop import Crawler
from crawlers.sink import BatchingSink

log = logging.getLogger(__name__)

Builder = Callable[..., list[Device]]
"""The function `devices(sensors, **tuning)` of a driver."""

Tuning = Mapping[str, Mapping[str, Any]]
"""Options for the drivers, by method and name. None stands for the default of the driver."""


@cache
def load_driver(method: str) -> Builder | None:
    """Return the builder of a method, or None if there is no driver with that name."""
    if method not in {info.name for info in pkgutil.iter_modules(crawlers.__path__) if not info.ispkg}:
        return None
    module = importlib.import_module(f"crawlers.{method}")
    if getattr(module, "METHOD", None) != method:
        return None
    builder: Builder = module.devices
    return builder


def build_devices(sensors: Iterable[Sensor], tuning: Tuning | None = None) -> list[Device]:
    """Return the devices of the sensors that are polled. Sensors that cannot be read are logged and left out."""
    by_method: dict[str, list[Sensor]] = {}
    for sensor in sensors:
        if not isinstance(sensor.source, PushSource):
            by_method.setdefault(sensor.method, []).append(sensor)
    devices: list[Device] = []
    for method, group in by_method.items():
        builder = load_driver(method)
        if builder is None:
            log.error("driver not found method=%s sensors_not_read=%d", method, len(group))
            continue
        try:
            options = {k: v for k, v in (tuning or {}).get(method, {}).items() if v is not None}
            devices += builder(group, **options)
        except (PermanentError, ValueError) as error:
            log.error("driver not started method=%s sensors_not_read=%d: %s", method, len(group), error)
    return devices


def build_crawler(
    inventory: Inventory | Iterable[Sensor],
    sink: Sink,
    clock: Clock,
    backoff: Backoff | None = None,
    tuning: Tuning | None = None,
) -> Crawler:
    """Return a crawler of all sensors that can be polled. Call `run()` to start it."""
    sensors = inventory.sensors.values() if isinstance(inventory, Inventory) else inventory
    return Crawler(build_devices(sensors, tuning), BatchingSink(sink), clock, backoff)


def _without_label(sensor: Sensor | None) -> Sensor | None:
    """Return the sensor without its label, which may change where nothing about its reading does."""
    return None if sensor is None else replace(sensor, label="")


async def update_crawler(
    crawler: Crawler,
    old: Mapping[str, Sensor],
    new: Mapping[str, Sensor],
    tuning: Tuning | None = None,
) -> None:
    """Make the crawler poll the `new` sensors. A device whose sensors are unchanged goes on without interruption."""

    def is_unchanged(names: Sequence[str]) -> bool:
        return all(_without_label(old.get(name)) == _without_label(new.get(name)) for name in names)

    await crawler.update_devices(build_devices(new.values(), tuning), is_unchanged)
