"""Driver of Modbus/TCP holding registers: the in-row cooler, the board of the solar panels.

One device is one TCP connection (address and port), for all the units behind it. Neighbouring registers are read together. If a
device refuses to read across registers that it does not have, smaller blocks are read from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from backend.core.errors import TransientError
from backend.inventory.model import ModbusSource, Order, RegisterType, Sensor
from crawlers import modbus_link, registers
from crawlers.device import Device, Sample, device_name, sample_at

METHOD: Final = "modbus"

MAX_REGISTERS: Final = 125  # the limit of the protocol for one read
MAX_GAP: Final = 24  # unused registers worth reading: 48 bytes cost less than a round trip
RELEARN_POLLS: Final = 600
"""After this many polls the original blocks are tried again, because a refusal may have been a damaged packet."""
ILLEGAL: Final = (2, 3)  # illegal data address, illegal data value
EXCEPTIONS: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledged, not ready",
    6: "device busy",
    10: "gateway path unavailable",
    11: "the device behind the gateway does not answer",
}


@dataclass(frozen=True, slots=True)
class Field:
    """The registers and the encoding of one sensor."""

    sensor: str
    unit_id: int
    register: int
    type: RegisterType
    byteorder: Order
    wordorder: Order
    multiply_by: float = 1.0
    divide_by: float = 1.0
    absent: float | None = None  # the raw number that stands for no value

    @property
    def end(self) -> int:
        return self.register + registers.width(self.type)


@dataclass(frozen=True, slots=True)
class Block:
    """One read request: `count` registers of a unit starting at `start`, and the fields in them."""

    unit_id: int
    start: int
    count: int
    fields: tuple[Field, ...]


def plan(fields: Iterable[Field], gap: int = MAX_GAP) -> tuple[Block, ...]:
    """Return the fewest blocks that cover all fields, with at most `gap` unused registers between two fields."""
    blocks: list[Block] = []
    run: list[Field] = []
    for field in sorted(fields, key=lambda f: (f.unit_id, f.register, f.end)):
        if run:
            end = max(f.end for f in run)
            fits = max(field.end, end) - run[0].register <= MAX_REGISTERS
            if field.unit_id != run[0].unit_id or field.register - end > gap or not fits:
                blocks.append(_block(run))
                run = []
        run.append(field)
    return (*blocks, _block(run)) if run else ()


def _block(fields: Sequence[Field]) -> Block:
    start = fields[0].register
    return Block(fields[0].unit_id, start, max(f.end for f in fields) - start, tuple(fields))


def split(block: Block) -> tuple[Block, ...]:
    """Return smaller blocks in place of a refused one: without gaps, or else one block per field."""
    without_gaps = plan(block.fields, gap=0)
    if len(without_gaps) > 1:
        return without_gaps
    return tuple(_block([field]) for field in block.fields)


def decode(block: Block, words: Sequence[int]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the values in the units of the sensors, and the reason for each sensor without one."""
    values: dict[str, float] = {}
    missing: dict[str, str] = {}
    for field in block.fields:
        part = words[field.register - block.start : field.end - block.start]
        if len(part) < field.end - field.register:
            missing[field.sensor] = "not in the answer"
            continue
        raw = registers.decode(part, field.type, field.byteorder, field.wordorder)
        if raw == field.absent:
            missing[field.sensor] = "the device has no value"
        else:
            values[field.sensor] = raw * field.multiply_by / field.divide_by
    return values, missing


class ExceptionResponse(Exception):
    """The device answered a read with a Modbus exception."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}: {EXCEPTIONS.get(code, 'unknown')}")
        self.code = code


class ModbusDevice:
    """All sensors of one Modbus/TCP server."""

    def __init__(
        self, method: str, ip: str, port: int, sensors: Sequence[Sensor], fields: Sequence[Field]
    ) -> None:
        """`fields` holds one field for each of the `sensors`."""
        self.method = method
        self.name = device_name(method, ip, port, (s.parent for s in sensors))
        self.sensors = tuple(f.sensor for f in fields)
        self.period_s = min(s.poll_s for s in sensors)
        self.timeout_s = max(0.9 * self.period_s, 0.5)
        self._plan = plan(fields)
        self._blocks = list(self._plan)
        self._polls = 0
        self._address = (ip, port)
        self._client: AsyncModbusTcpClient | None = None

    async def read(self, tick_ns: int) -> Sample:
        values: dict[str, float] = {}
        missing: dict[str, str] = {}
        silent_units: dict[int, str] = {}
        self._polls += 1
        if self._polls % RELEARN_POLLS == 0:
            self._blocks = list(self._plan)
        pending = list(self._blocks)
        while pending:
            block = pending.pop(0)
            if reason := silent_units.get(block.unit_id):
                missing |= _all_missing(block, reason)
                continue
            try:
                block_values, block_missing = decode(block, await self._read_registers(block))
            except ExceptionResponse as response:
                if response.code in ILLEGAL and len(block.fields) > 1:
                    parts = split(block)
                    at = self._blocks.index(block)
                    self._blocks[at : at + 1] = parts
                    pending[:0] = parts
                else:
                    missing |= _all_missing(block, str(response))
            except TransientError as error:
                silent_units[block.unit_id] = str(error)
                missing |= _all_missing(block, str(error))
            else:
                values |= block_values
                missing |= block_missing
        if not values:
            raise TransientError(next(iter(missing.values()), "no answer"))
        return sample_at(tick_ns, values, missing)

    async def _read_registers(self, block: Block) -> list[int]:
        """Return the registers of a block. Raises `ExceptionResponse`, or `TransientError` if there is no answer."""
        client = await self._connect()
        try:
            answer = await client.read_holding_registers(
                block.start, count=block.count, device_id=block.unit_id
            )
        except (ModbusException, OSError) as error:
            await self.close()
            raise TransientError(str(error)) from error
        except asyncio.CancelledError:
            # A late answer would otherwise be taken for the answer to the next request.
            await self.close()
            raise
        if answer.isError():
            raise ExceptionResponse(answer.exception_code)
        return list(answer.registers)

    async def _connect(self) -> AsyncModbusTcpClient:
        """Return the connected client, after a reconnection if needed. Only the polling loop decides when to retry."""
        if self._client is not None and self._client.connected:
            return self._client
        await self.close()
        ip, port = self._address
        self._client = modbus_link.create_client(ip, port, self.timeout_s * 0.6, self.name)
        if not await self._client.connect():
            await self.close()
            raise TransientError(f"no connection to {ip}:{port}")
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _all_missing(block: Block, reason: str) -> Mapping[str, str]:
    return dict.fromkeys((f.sensor for f in block.fields), reason)


def field_of(sensor: Sensor) -> Field:
    """Return the field of a described sensor. `modbus_length` is not needed, because the type implies the number of registers."""
    source = sensor.source
    assert isinstance(source, ModbusSource)
    return Field(
        sensor.name,
        source.unit_id,
        source.register,
        source.type,
        source.byteorder,
        source.wordorder,
        source.multiply_by,
        source.divide_by,
    )


def devices(sensors: Sequence[Sensor]) -> list[Device]:
    """Return one device for each TCP server and period."""
    servers: dict[tuple[str, int, float], list[Sensor]] = {}
    for sensor in sensors:
        assert isinstance(sensor.source, ModbusSource)
        key = (sensor.source.ip, sensor.source.port, sensor.poll_s)
        servers.setdefault(key, []).append(sensor)
    return [
        ModbusDevice(METHOD, ip, port, group, [field_of(s) for s in group])
        for (ip, port, _), group in servers.items()
    ]


if __name__ == "__main__":
    from crawlers.cli import main

    raise SystemExit(main([METHOD]))
