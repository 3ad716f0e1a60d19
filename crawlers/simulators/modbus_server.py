"""Modbus/TCP servers on loopback, built from the registers that the description reads and writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from crawlers import registers
from crawlers.modbus import Field
from crawlers.simulators.fault_schedule import Condition

FILLED_GAP = 16  # a board's tables have unused registers in them, which read as zero

Values = Callable[[Sequence[str]], Mapping[str, float]]
"""Raw numbers of sensors, now."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit id: fields that follow the model, and plain registers that keep what is written to them."""

    unit_id: int
    fields: tuple[Field, ...]
    plain: Mapping[int, int]


class UnitServer:
    """Keeps a unit's registers up to date. A register that was written keeps that, whatever the model says."""

    def __init__(self, unit: Unit, values: Values, condition: Condition | None = None) -> None:
        self._unit = unit
        self._values = values
        self._condition = condition
        self._written: dict[int, int] = {}

    def device(self) -> SimDevice:
        return SimDevice(id=self._unit.unit_id, simdata=self._blocks(), action=self._access)

    def _blocks(self) -> list[SimData]:
        used = {r for f in self._unit.fields for r in range(f.register, f.end)} | set(self._unit.plain)
        blocks: list[SimData] = []
        for start, end in runs(used, FILLED_GAP):
            content = [self._unit.plain.get(register, 0) for register in range(start, end)]
            blocks.append(SimData(start, values=content, datatype=DataType.REGISTERS))
        return blocks

    async def _access(
        self,
        function: int,
        first: int,
        address: int,
        count: int,
        current: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Called by pymodbus before it answers; `current` are all registers of the unit from `first` on."""
        if self._condition is not None:
            if pause_s := self._condition.pause_s:
                await asyncio.sleep(pause_s)
            if self._condition.is_wrong:
                return ExcCodes.DEVICE_FAILURE
        if written is not None:
            self._written |= {address + i: int(word) for i, word in enumerate(written)}
            return None
        touched = [f for f in self._unit.fields if f.register < address + count and f.end > address]
        raw = self._values([f.sensor for f in touched])
        for field in touched:
            words = registers.encode(raw[field.sensor], field.type, field.byteorder, field.wordorder)
            current[field.register - first : field.end - first] = words
        for register, word in self._written.items():
            current[register - first] = word
        return None


def runs(used: Iterable[int], gap: int) -> list[tuple[int, int]]:
    """Stretches [start, end) of registers with no more than `gap` unused ones between two used."""
    found: list[tuple[int, int]] = []
    for register in sorted(used):
        if found and register - found[-1][1] <= gap:
            found[-1] = (found[-1][0], register + 1)
        else:
            found.append((register, register + 1))
    return found


async def serve(
    units: Iterable[Unit], values: Values, ip: str, port: int, condition: Condition | None = None
) -> ModbusTcpServer:
    """Listen; a unit id that is not there is not answered, as behind a gateway."""

    def leaves(sending: bool, packet: bytes) -> bytes:
        return packet if condition is None or not sending else condition.packet(packet) or b""

    devices = [UnitServer(unit, values, condition).device() for unit in units]
    server = ModbusTcpServer(devices, address=(ip, port), ignore_missing_devices=True, trace_packet=leaves)
    await server.serve_forever(background=True)
    return server
