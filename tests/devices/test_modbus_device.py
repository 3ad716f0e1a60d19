from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from backend.core.errors import TransientError
from backend.inventory.model import ModbusSource, Order, RegisterType, Sensor, SocomecSource
from crawlers import modbus, registers, socomec
from crawlers.device import Device, Sample
from crawlers.modbus import Field, plan, split
from crawlers.simulators.relocate import free_port
from tests.devices.support import sensor

TICK = 1_790_000_000 * 10**9
ORDERS: tuple[Order, ...] = ("<", ">")
SAMPLES: dict[RegisterType, tuple[str, float]] = {
    "int16": (">h", -1234),
    "uint16": (">H", 0xABCD),
    "int32": (">i", -123456789),
    "uint32": (">I", 0x89ABCDEF),
    "float32": (">f", 21.4375),
    "bool": (">H", 1),
}
# The order in which the bytes of a number are sent, A the highest, from the decoder of existing deployments.
LAYOUT = {(">", ">"): "ABCD", (">", "<"): "CDAB", ("<", ">"): "BADC", ("<", "<"): "DCBA"}
LAYOUT_16 = {">": "AB", "<": "BA"}


def encode_by_table(kind: RegisterType, value: float, byteorder: Order, wordorder: Order) -> list[int]:
    """Return the registers of a number, by the table above."""
    code, _ = SAMPLES[kind]
    raw = struct.pack(code, value if kind == "float32" else int(value))
    layout = LAYOUT_16[byteorder] if len(raw) == 2 else LAYOUT[byteorder, wordorder]
    moved = bytes(raw["ABCD".index(letter)] for letter in layout)
    return [int.from_bytes(moved[i : i + 2], "big") for i in range(0, len(moved), 2)]


@asynccontextmanager
async def server(*devices: SimDevice, port: int = 0) -> AsyncIterator[int]:
    """Run the simulator of pymodbus."""
    port = port or free_port()
    simulator = ModbusTcpServer(list(devices), address=("127.0.0.1", port), ignore_missing_devices=True)
    await simulator.serve_forever(background=True)
    try:
        yield port
    finally:
        await simulator.shutdown()


def holding(unit: int, content: dict[int, list[int]]) -> SimDevice:
    return SimDevice(
        unit, [SimData(at, values=words, datatype=DataType.REGISTERS) for at, words in content.items()]
    )


def reads(port: int, register: int, kind: RegisterType = "uint16", **more: object) -> Sensor:
    source = ModbusSource("127.0.0.1", register, kind, port, **{"byteorder": ">", "wordorder": ">"} | more)  # type: ignore[arg-type]
    return sensor(f"r{register}" + (f"u{source.unit_id}" if source.unit_id != 1 else ""), source)


async def read(device: Device) -> Sample:
    try:
        return await device.read(TICK)
    finally:
        await device.close()


def values(sample: Sample) -> dict[str, float]:
    return {r.sensor: r.value for r in sample.readings}


async def test_all_orders_and_types_against_pymodbus_simulator() -> None:
    cases = list(product(SAMPLES, ORDERS, ORDERS))
    content = {
        100 + 10 * i: encode_by_table(kind, SAMPLES[kind][1], byteorder, wordorder)
        for i, (kind, byteorder, wordorder) in enumerate(cases)
    }
    async with server(holding(1, content)) as port:
        sensors = [
            reads(port, 100 + 10 * i, kind, byteorder=byteorder, wordorder=wordorder)
            for i, (kind, byteorder, wordorder) in enumerate(cases)
        ]
        [device] = modbus.devices(sensors)
        got = values(await read(device))
    assert got == {f"r{100 + 10 * i}": SAMPLES[kind][1] for i, (kind, *_) in enumerate(cases)}


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("byteorder", ORDERS)
@pytest.mark.parametrize("wordorder", ORDERS)
def test_encoding_is_the_inverse_of_decoding(kind: RegisterType, byteorder: Order, wordorder: Order) -> None:
    _, value = SAMPLES[kind]
    words = registers.encode(value, kind, byteorder, wordorder)
    assert words == encode_by_table(kind, value, byteorder, wordorder)
    assert registers.decode(words, kind, byteorder, wordorder) == value
    assert len(words) == registers.width(kind)


async def test_scaling_divides_and_multiplies() -> None:
    async with server(holding(1, {1: [214], 3: [0, 42]})) as port:
        tenths, hundreds = reads(port, 1, divide_by=10.0), reads(port, 3, "int32", multiply_by=100.0)
        [device] = modbus.devices([tenths, hundreds])
        assert values(await read(device)) == {"r1": 21.4, "r3": 4200.0}


def fields(*at: int, unit: int = 1) -> list[Field]:
    return [Field(f"f{a}", unit, a, "uint32", ">", ">") for a in at]


def test_neighbours_are_read_together() -> None:
    assert [(b.start, b.count) for b in plan(fields(10, 12, 14))] == [(10, 6)]
    assert [(b.start, b.count) for b in plan(fields(10, 36, 63))] == [(10, 28), (63, 2)]
    assert len(plan([*fields(10), *fields(12, unit=2)])) == 2
    assert plan([]) == ()


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["uint16", "float32"]), st.integers(1, 3))))
def test_a_plan_reads_every_field_within_the_protocols_limit(
    drawn: list[tuple[int, RegisterType, int]],
) -> None:
    expected_fields = [Field(str(i), unit, at, kind, ">", ">") for i, (at, kind, unit) in enumerate(drawn)]
    blocks = plan(expected_fields)
    assert sorted(f.sensor for b in blocks for f in b.fields) == sorted(f.sensor for f in expected_fields)
    for block in blocks:
        assert block.count <= 125
        for field in block.fields:
            assert field.unit_id == block.unit_id
            assert block.start <= field.register < field.end <= block.start + block.count
        assert all(len(part.fields) < len(block.fields) for part in split(block)) or len(block.fields) == 1


async def test_missing_registers_split_the_block_and_affect_only_themselves() -> None:
    """The device has 10-11 and 20, not what lies between, and not 22."""
    requests: list[tuple[int, int]] = []

    async def note(
        fc: int, start: int, at: int, count: int, regs: list[int], written: object
    ) -> ExcCodes | None:
        requests.append((at, count))
        return None

    device_side = holding(1, {10: [1, 2], 20: [3]})
    device_side.action = note
    async with server(device_side) as port:
        [device] = modbus.devices([reads(port, r) for r in (10, 11, 20, 22)])
        first = await device.read(TICK)
        requests.clear()
        second = await device.read(TICK)
        await device.close()
    assert values(first) == values(second) == {"r10": 1.0, "r11": 2.0, "r20": 3.0}
    assert first.missing == {"r22": "exception 2: illegal data address"}
    assert requests == [(10, 2), (20, 1)]  # the split blocks are kept


async def test_an_exception_response_is_named_in_the_error(caplog: pytest.LogCaptureFixture) -> None:
    async def busy(
        fc: int, start: int, at: int, count: int, regs: list[int], written: object
    ) -> ExcCodes | None:
        return ExcCodes.DEVICE_BUSY

    device_side = holding(1, {10: [1, 2]})
    device_side.action = busy
    async with server(device_side) as port:
        [device] = modbus.devices([reads(port, 10), reads(port, 11)])
        with pytest.raises(TransientError, match="exception 6: device busy"):
            await read(device)


async def test_a_silent_unit_behind_a_gateway_does_not_affect_the_others() -> None:
    async with server(holding(3, {5: [7]}), holding(5, {5: [9]})) as port:
        sensors = [reads(port, 5, unit_id=unit) for unit in (3, 4, 5)]
        [device] = modbus.devices(sensors)
        got = await read(device)
    assert values(got) == {"r5u3": 7.0, "r5u5": 9.0}
    assert set(got.missing) == {"r5u4"}


async def test_a_device_is_reconnected_after_an_outage() -> None:
    port = free_port()
    [device] = modbus.devices([reads(port, 10)])
    with pytest.raises(TransientError, match="no connection"):
        await device.read(TICK)
    async with server(holding(1, {10: [1]}), port=port):
        assert values(await device.read(TICK)) == {"r10": 1.0}
    with pytest.raises(TransientError):
        await device.read(TICK)
    async with server(holding(1, {10: [2]}), port=port):
        assert values(await device.read(TICK)) == {"r10": 2.0}
    await device.close()


async def test_a_late_answer_is_not_used_for_the_next_poll() -> None:
    slow = asyncio.Event()

    async def first_slow(fc: int, start: int, at: int, count: int, regs: list[int], written: object) -> None:
        if at == 10:
            await slow.wait()

    device_side = holding(1, {10: [1], 40: [4]})
    device_side.action = first_slow
    async with server(device_side) as port:
        [device] = modbus.devices([reads(port, 10)])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await device.read(TICK)
        slow.set()
        assert values(await device.read(TICK)) == {"r10": 1.0}
        await device.close()


async def test_float_that_is_not_a_number_is_missing() -> None:
    async with server(holding(1, {1: [0x7FC0, 0], 3: [5]})) as port:
        [device] = modbus.devices([reads(port, 1, "float32"), reads(port, 3)])
        got = await read(device)
    assert values(got) == {"r3": 5.0}
    assert got.missing == {"r1": "not a finite number"}


async def test_socomec_meters_share_a_gateway_and_all_ones_is_no_value() -> None:
    units = [holding(3, {18476: [0x0001, 0x86A0]}), holding(4, {20524: [0xFFFF, 0xFFFF]})]
    async with server(*units) as port:
        meters = [
            sensor("condenser", SocomecSource("127.0.0.1", 18476, 3, port)),
            sensor("pumps", SocomecSource("127.0.0.1", 20524, 4, port)),
            sensor("gone", SocomecSource("127.0.0.1", 99, 4, port)),
        ]
        [device] = socomec.devices(meters)
        got = await read(device)
    assert values(got) == {"condenser": 100_000.0}
    assert got.missing == {"pumps": "the device has no value", "gone": "exception 2: illegal data address"}
