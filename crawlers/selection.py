"""Selection of the sensors that a crawler process reads."""

from __future__ import annotations

from collections.abc import Iterable

from backend.inventory.model import PushSource, Sensor


def select(
    sensors: Iterable[Sensor],
    pdu: str | None = None,
    bus: str | None = None,
    methods: Iterable[str] = (),
) -> list[Sensor]:
    """Return the sensors that can be polled and match the arguments.

    `pdu` selects SNMP sensors whose name contains it, `bus` Modbus sensors whose `parent` contains it; with both, either
    match counts. `methods` selects only sensors of these methods; empty means all.
    """
    allowed = set(methods)
    candidates = [
        s for s in sensors if not isinstance(s.source, PushSource) and (not allowed or s.method in allowed)
    ]
    if pdu is None and bus is None:
        return candidates
    return [s for s in candidates if _on_pdu(s, pdu) or _on_bus(s, bus)]


def _on_pdu(sensor: Sensor, pdu: str | None) -> bool:
    return pdu is not None and sensor.method == "snmp" and pdu in sensor.name


def _on_bus(sensor: Sensor, bus: str | None) -> bool:
    return bus is not None and sensor.method == "modbus" and bus in (sensor.parent or "")
