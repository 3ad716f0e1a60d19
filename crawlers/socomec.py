"""Driver of Socomec power meters behind a Modbus/TCP gateway: two holding registers each, high word first, unsigned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from backend.inventory.model import Sensor, SocomecSource
from crawlers.device import Device
from crawlers.modbus import Field, ModbusDevice

METHOD: Final = "socomec"

ABSENT: Final = float(0xFFFF_FFFF)
"""All bits set (-1 as a signed number): the meter has no value."""


def field_of(sensor: Sensor) -> Field:
    source = sensor.source
    assert isinstance(source, SocomecSource)
    return Field(sensor.name, source.unit_id, source.address, "uint32", ">", ">", absent=ABSENT)


def devices(sensors: Sequence[Sensor]) -> list[Device]:
    """Return one device for each gateway and period. Its meters have different unit ids."""
    gateways: dict[tuple[str, int, float], list[Sensor]] = {}
    for sensor in sensors:
        assert isinstance(sensor.source, SocomecSource)
        key = (sensor.source.ip, sensor.source.port, sensor.poll_s)
        gateways.setdefault(key, []).append(sensor)
    return [
        ModbusDevice(METHOD, ip, port, group, [field_of(s) for s in group])
        for (ip, port, _), group in gateways.items()
    ]


if __name__ == "__main__":
    from crawlers.cli import main

    raise SystemExit(main([METHOD]))
