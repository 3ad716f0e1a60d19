"""Simulated Modbus/TCP servers, with the registers that the site description reads and writes."""

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

MAX_FILLED_GAP = 16  # real devices have unused registers between used ones, which read as zero

Values = Callable[[Sequence[str]], Mapping[str, float]]
"""Returns the current raw numbers of sensors."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit id: fields with the values of the model, and plain registers that keep what is written to them."""

    unit_id: int
    fields: tuple[Field, ...]
    plain: Mapping[int, int]


class UnitServer:
    """Provides the registers of a unit. A register that was written keeps that value instead of the model's."""

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
        for start, end in register_runs(used, MAX_FILLED_GAP):
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
        """Update the registers. pymodbus calls this before each answer; `current` are all registers from `first` on."""
        if self._condition is not None:
            if delay_s := self._condition.delay_s:
                await asyncio.sleep(delay_s)
            if self._condition.has_wrong_type:
                return ExcCodes.DEVICE_FAILURE
        if written is not None:
            self._written |= {address + i: int(word) for i, word in enumerate(written)}
            return None
        requested = [f for f in self._unit.fields if f.register < address + count and f.end > address]
        raw = self._values([f.sensor for f in requested])
        for field in requested:
            words = registers.encode(raw[field.sensor], field.type, field.byteorder, field.wordorder)
            current[field.register - first : field.end - first] = words
        for register, word in self._written.items():
            current[register - first] = word
        return None


def register_runs(used: Iterable[int], gap: int) -> list[tuple[int, int]]:
    """Return ranges [start, end) of registers with at most `gap` unused ones between two used ones."""
    runs: list[tuple[int, int]] = []
    for register in sorted(used):
        if runs and register - runs[-1][1] <= gap:
            runs[-1] = (runs[-1][0], register + 1)
        else:
            runs.append((register, register + 1))
    return runs


async def serve(
    units: Iterable[Unit], values: Values, ip: str, port: int, condition: Condition | None = None
) -> ModbusTcpServer:
    """Start a server. Requests to a missing unit id get no answer, as behind a gateway."""

    def filter_packet(is_sending: bool, packet: bytes) -> bytes:
        return packet if condition is None or not is_sending else condition.damage(packet) or b""

    devices = [UnitServer(unit, values, condition).device() for unit in units]
    server = ModbusTcpServer(
        devices, address=(ip, port), ignore_missing_devices=True, trace_packet=filter_packet
    )
    await server.serve_forever(background=True)
    return server
