"""Which sensors a crawler process is for, as its command line says."""

from __future__ import annotations

from collections.abc import Iterable

from backend.inventory.model import PushSource, Sensor


def select(
    sensors: Iterable[Sensor],
    pdu: str | None = None,
    bus: str | None = None,
    methods: Iterable[str] = (),
) -> list[Sensor]:
    """Sensors that can be polled, narrowed.

    `pdu`: SNMP sensors whose name contains it; `bus`: Modbus sensors whose `parent` contains it. Both given: either.
    `methods`: only these.
    """
    wanted = set(methods)
    chosen = [
        s for s in sensors if not isinstance(s.source, PushSource) and (not wanted or s.method in wanted)
    ]
    if pdu is None and bus is None:
        return chosen
    return [s for s in chosen if _on_pdu(s, pdu) or _on_bus(s, bus)]


def _on_pdu(sensor: Sensor, pdu: str | None) -> bool:
    return pdu is not None and sensor.method == "snmp" and pdu in sensor.name


def _on_bus(sensor: Sensor, bus: str | None) -> bool:
    return bus is not None and sensor.method == "modbus" and bus in (sensor.parent or "")
