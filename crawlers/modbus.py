"""Modbus/TCP holding registers: the in-row cooler, the board of the solar panels.

One device is one TCP connection (address and port), whatever number of units answer behind it. Neighbouring registers are
read together. A device that refuses to read across registers it does not have is then asked for smaller blocks, and that is
remembered.
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

MOST_REGISTERS: Final = 125  # the protocol's limit of one read
GAP: Final = 24  # unwanted registers worth reading past: 48 bytes cost less than a round trip
RELEARN_POLLS: Final = 600
"""After so many polls what a device refused to read together is tried again: it may have been a broken packet."""
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
    """Where one sensor's number lies and how it is read."""

    sensor: str
    unit_id: int
    register: int
    type: RegisterType
    byteorder: Order
    wordorder: Order
    multiply_by: float = 1.0
    divide_by: float = 1.0
    absent: float | None = None  # the raw number by which the device says that it has no value

    @property
    def end(self) -> int:
        return self.register + registers.width(self.type)


@dataclass(frozen=True, slots=True)
class Block:
    """One read: `count` registers of a unit from `start` on, and the fields that lie in them."""

    unit_id: int
    start: int
    count: int
    fields: tuple[Field, ...]


def plan(fields: Iterable[Field], gap: int = GAP) -> tuple[Block, ...]:
    """The fewest reads that cover all fields, reading past at most `gap` unwanted registers at a time."""
    blocks: list[Block] = []
    run: list[Field] = []
    for field in sorted(fields, key=lambda f: (f.unit_id, f.register, f.end)):
        if run:
            end = max(f.end for f in run)
            fits = max(field.end, end) - run[0].register <= MOST_REGISTERS
            if field.unit_id != run[0].unit_id or field.register - end > gap or not fits:
                blocks.append(_block(run))
                run = []
        run.append(field)
    return (*blocks, _block(run)) if run else ()


def _block(fields: Sequence[Field]) -> Block:
    start = fields[0].register
    return Block(fields[0].unit_id, start, max(f.end for f in fields) - start, tuple(fields))


def split(block: Block) -> tuple[Block, ...]:
    """Smaller blocks in place of one that was refused: first without gaps, then field by field."""
    without_gaps = plan(block.fields, gap=0)
    if len(without_gaps) > 1:
        return without_gaps
    return tuple(_block([field]) for field in block.fields)


def decode(block: Block, words: Sequence[int]) -> tuple[dict[str, float], dict[str, str]]:
    """Values in the sensors' units, and why a sensor has none."""
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


class Refusal(Exception):
    """A Modbus exception answered to one read."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}: {EXCEPTIONS.get(code, 'unknown')}")
        self.code = code


class ModbusDevice:
    """All fields of one Modbus/TCP server."""

    def __init__(
        self, method: str, ip: str, port: int, sensors: Sequence[Sensor], fields: Sequence[Field]
    ) -> None:
        """`fields` are those of the `sensors`, one each."""
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
        silent: dict[int, str] = {}
        self._polls += 1
        if self._polls % RELEARN_POLLS == 0:
            self._blocks = list(self._plan)
        todo = list(self._blocks)
        while todo:
            block = todo.pop(0)
            if why := silent.get(block.unit_id):
                missing |= _all(block, why)
                continue
            try:
                got, lost = decode(block, await self._registers(block))
            except Refusal as refusal:
                if refusal.code in ILLEGAL and len(block.fields) > 1:
                    parts = split(block)
                    at = self._blocks.index(block)
                    self._blocks[at : at + 1] = parts
                    todo[:0] = parts
                else:
                    missing |= _all(block, str(refusal))
            except TransientError as error:
                silent[block.unit_id] = str(error)
                missing |= _all(block, str(error))
            else:
                values |= got
                missing |= lost
        if not values:
            raise TransientError(next(iter(missing.values()), "no answer"))
        return sample_at(tick_ns, values, missing)

    async def _registers(self, block: Block) -> list[int]:
        """Raises `Refusal` for an exception answer, `TransientError` for none."""
        client = await self._connected()
        try:
            answer = await client.read_holding_registers(
                block.start, count=block.count, device_id=block.unit_id
            )
        except (ModbusException, OSError) as error:
            await self.close()
            raise TransientError(str(error)) from error
        except asyncio.CancelledError:
            await (
                self.close()
            )  # else the answer that may still come would be taken for that of the next request
            raise
        if answer.isError():
            raise Refusal(answer.exception_code)
        return list(answer.registers)

    async def _connected(self) -> AsyncModbusTcpClient:
        """The client, connected anew where the last connection broke. The loop alone decides when to try again."""
        if self._client is not None and self._client.connected:
            return self._client
        await self.close()
        ip, port = self._address
        self._client = modbus_link.client(ip, port, self.timeout_s * 0.6, self.name)
        if not await self._client.connect():
            await self.close()
            raise TransientError(f"no connection to {ip}:{port}")
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _all(block: Block, why: str) -> Mapping[str, str]:
    return dict.fromkeys((f.sensor for f in block.fields), why)


def field_of(sensor: Sensor) -> Field:
    """From the description. `length` is not needed: the type says how many registers there are."""
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
    """One device a TCP server and period."""
    servers: dict[tuple[str, int, float], list[Sensor]] = {}
    for sensor in sensors:
        assert isinstance(sensor.source, ModbusSource)
        key = (sensor.source.ip, sensor.source.port, sensor.poll_s)
        servers.setdefault(key, []).append(sensor)
    return [
        ModbusDevice(METHOD, ip, port, of, [field_of(s) for s in of]) for (ip, port, _), of in servers.items()
    ]


if __name__ == "__main__":
    from crawlers.cli import main

    raise SystemExit(main([METHOD]))
