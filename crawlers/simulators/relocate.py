"""Moves the devices of a site description to free ports of loopback, so that tests and demos can run side by side."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace

from backend.inventory.model import Inventory, PushSource, Sensor, SnmpSource

PortFinder = Callable[[socket.SocketKind], int]


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port of loopback that is free now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def relocate(inventory: Inventory, find: PortFinder = free_port) -> Inventory:
    """Return the inventory with every device at 127.0.0.1 and a port of `find`. Devices that share an address still do."""
    moved: dict[tuple[socket.SocketKind, str, int], int] = {}

    def port(kind: socket.SocketKind, ip: str, old: int) -> int:
        place = (kind, ip, old)
        while place not in moved:
            if (candidate := find(kind)) not in moved.values():
                moved[place] = candidate
        return moved[place]

    def move(sensor: Sensor) -> Sensor:
        source = sensor.source
        if isinstance(source, PushSource):
            return sensor
        kind = socket.SOCK_DGRAM if isinstance(source, SnmpSource) else socket.SOCK_STREAM
        moved_source = replace(source, ip="127.0.0.1", port=port(kind, source.ip, source.port))
        return replace(sensor, source=moved_source)

    sensors = {name: move(sensor) for name, sensor in inventory.sensors.items()}
    commands = tuple(
        replace(c, ip="127.0.0.1", port=port(socket.SOCK_STREAM, c.ip, c.port)) for c in inventory.commands
    )
    return replace(inventory, sensors=sensors, commands=commands)
