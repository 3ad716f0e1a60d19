"""Decoders return a number or a reason for any input, and the crawler continues."""

from __future__ import annotations

import asyncio
import json
import math
import random
from contextlib import closing, suppress
from typing import Any

import pytest
from pyasn1.type import univ
from pysnmp.proto import rfc1902, rfc1905

from backend.core.errors import TransientError
from backend.inventory.model import FluksoSource, ModbusSource, SocomecSource
from crawlers import flukso, modbus, registers, socomec
from crawlers.modbus import Block, Field
from crawlers.simulators import snmp_agent
from crawlers.snmp import SnmpDevice
from crawlers.snmp_link import decode
from crawlers.snmp_plan import Answer, Bulk, CounterValue, Exchange, Oid, Value, parse_oid, plan
from crawlers.snmp_rates import Rates
from tests.devices.support import OUTLETS, outlets, sensor
from tests.support.fuzz import COUNT, anything, dice, inputs, mutated

pytestmark = pytest.mark.timeout(120 + COUNT // 50)

TICK = 1_790_000_000 * 10**9
TYPES = list(registers._FORMATS)


def snmp_value(chance: random.Random) -> Any:
    raw = mutated(chance, chance.choice((b" 21.4 ", b"nan", b"-1e5", b"", b"\xff\x00", b"1" * 500)))
    big = chance.choice((0, -1, 2**31, 2**32 - 1, 2**64 - 1, chance.randrange(2**64)))
    return chance.choice(
        (
            lambda: rfc1902.OctetString(raw[:65535]),
            lambda: rfc1902.Opaque(raw),
            lambda: rfc1902.Integer32(big % 2**31),
            lambda: rfc1902.Gauge32(big % 2**32),
            lambda: rfc1902.Counter32(big % 2**32),
            lambda: rfc1902.Counter64(big % 2**64),
            lambda: rfc1902.TimeTicks(big % 2**32),
            lambda: rfc1902.IpAddress(bytes(chance.randrange(256) for _ in range(4))),
            lambda: univ.ObjectIdentifier((1, 3, 6, chance.randrange(1000))),
            lambda: univ.Null(""),
            lambda: univ.Integer(),  # of no value
            lambda: rfc1905.NoSuchInstance(""),
            lambda: rfc1905.EndOfMibView(""),
        )
    )()


def test_snmp_values() -> None:
    for chance in inputs("snmp value"):
        raw = snmp_value(chance)
        got = decode(raw)
        assert isinstance(got, CounterValue | float | str), repr(raw)
        assert not isinstance(got, float) or math.isfinite(got), repr(raw)


def answer(chance: random.Random, targets: tuple[Oid, ...]) -> Answer:
    """Return requested and other variables, in any order, repeated, with numbers, counters and reasons."""
    table = [*targets, (1, 3), (1, 3, 9), *[(1, 3, 1, chance.randrange(90)) for _ in range(4)]]
    values: tuple[Value, ...] = (1.5, CounterValue(chance.randrange(2**32), 32), "no such instance")
    rows = [(chance.choice(table), chance.choice(values)) for _ in range(chance.randrange(9))]
    status = chance.choice((0, 0, 0, 0, 1, 2, 5, 99, -1))
    return Answer(status, chance.choice((0, 1, 2, 40, -3)), rows, chance.random() < 0.1)


def test_every_exchange_ends_with_a_value_or_reason_per_variable() -> None:
    for chance in inputs("snmp exchange"):
        oids = {(1, 3, 1, chance.randrange(80)) for _ in range(chance.randrange(1, 20))}
        exchange = Exchange(
            list(plan(oids, chance.random() < 0.7, chance.choice((1, 5, 24)))), chance.choice((1, 4, 1000))
        )
        rates = Rates(1.0)
        for _ in range(2_000):
            request = exchange.next_request()
            if request is None:
                break
            targets = request.targets if isinstance(request, Bulk) else request.oids
            exchange.handle_answer(answer(chance, targets))
        else:
            pytest.fail(f"no end of asking for {sorted(oids)}")
        assert oids <= exchange.values.keys() | exchange.missing.keys()
        for time in (1, 2):
            assert all(map(math.isfinite, rates.update(exchange.values, oids, time * 10**9).values()))


def test_modbus_and_socomec_registers() -> None:
    for chance in inputs("registers"):
        fields = [
            Field(
                str(i),
                1,
                chance.randrange(100, 140),
                chance.choice(TYPES),
                chance.choice("<>"),  # type: ignore[arg-type]
                chance.choice("<>"),  # type: ignore[arg-type]
                chance.choice((1.0, 10.0, -1e300)),
                chance.choice((1.0, 1e-300)),
                chance.choice((None, socomec.ABSENT)),
            )
            for i in range(chance.randrange(1, 12))
        ]
        for block in modbus.plan(fields):
            short = Block(block.unit_id, block.start, block.count, block.fields)
            words = [
                chance.choice((0, 1, 0xFFFF, 0x7FC0, chance.randrange(65536)))
                for _ in range(chance.randrange(60))
            ]
            values, missing = modbus.decode(short, words)
            assert values.keys() | missing.keys() == {f.sensor for f in block.fields}
            assert not values.keys() & missing.keys()


def test_flukso_answers() -> None:
    good = [[1_789_999_940 + i, 100.0 + i] for i in range(60)]
    for chance in inputs("flukso"):
        raw = [*good, *[anything(chance) for _ in range(3)], [anything(chance), anything(chance)]]
        chance.shuffle(raw)
        points = flukso.decode(raw, 0, TICK + flukso.MAX_AHEAD_NS)
        assert set(points.times.tolist()) >= {time * 10**9 for time, _ in good}, (
            raw
        )  # none of them costs the others
        assert all(0 < t <= TICK + flukso.MAX_AHEAD_NS for t in points.times.tolist())
        assert all(map(math.isfinite, points.values.tolist()))
        body = mutated(chance, json.dumps(good[:9]).encode())
        with suppress(ValueError, RecursionError):  # what the device catches
            flukso.decode(json.loads(body), 0, TICK)


def test_a_clock_set_back_hides_no_points() -> None:
    now = 1_790_000_000
    ahead = flukso.decode([[now + 3000, 1.0], [now + 4000, 2.0]], 0, now * 10**9 + flukso.MAX_AHEAD_NS)
    assert ahead.times.tolist() == [(now + 3000) * 10**9]
    right = flukso.decode(
        [[now + 1, 3.0], [now + 2, 4.0]], int(ahead.times[-1]), now * 10**9 + flukso.MAX_AHEAD_NS
    )
    assert right.values.tolist() == [3.0, 4.0]
    assert len(flukso.decode([[now + 2, 4.0]], (now + 2) * 10**9)) == 0


class Quarrelsome(snmp_agent.SnmpAgent):
    """Sends a damaged copy of the answer, and then the answer."""

    chance: random.Random

    def datagram_received(self, data: bytes, addr: tuple[Any, int]) -> None:
        right = self.answer(data)
        assert right is not None
        assert self._transport is not None
        self._transport.sendto(mutated(self.chance, right)[:60_000], addr)
        self._transport.sendto(right, addr)


@pytest.fixture
async def troubles() -> list[object]:
    """Collect the errors that the event loop would print as tracebacks."""
    contexts: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))
    return contexts


async def test_garbage_from_an_snmp_agent_fails_at_most_one_poll(troubles: list[object]) -> None:
    table = {(*parse_oid(OUTLETS), i): i for i in range(1, 25)}
    agent = Quarrelsome(lambda: table)
    whole = lost = 0
    with closing(await snmp_agent.serve(agent, "127.0.0.1", 0)) as transport:
        device = SnmpDevice(outlets(transport.get_extra_info("sockname")[1], range(1, 25)))
        for chance in inputs("snmp packet", share=10):
            agent.chance = chance
            try:
                # pysnmp may forget a request over a packet it cannot read; the polling loop's time-out is for that.
                async with asyncio.timeout(device.timeout_s):
                    sample = await device.read(TICK)
            except (TransientError, TimeoutError):
                lost += 1
            else:
                assert len(sample.readings) + len(sample.missing) == 24
                whole += len(sample.readings) == 24
        await device.close()
    assert not troubles
    assert whole > 5 * lost


async def test_garbage_from_a_modbus_server_fails_at_most_one_poll(troubles: list[object]) -> None:
    rounds = inputs("modbus packet", share=10)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.read(260)
        chance = next(rounds, dice("modbus"))
        right = request[:4] + b"\x00\x07" + request[6:8] + b"\x04" + b"\x00\x01\x00\x02"
        writer.write(mutated(chance, right))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    plain = sensor("a", ModbusSource("127.0.0.1", 10, "uint32", port), period_s=0.05)
    meter = sensor("b", SocomecSource("127.0.0.1", 10, 1, port), period_s=0.05)
    [modbus_device], [socomec_device] = modbus.devices([plain]), socomec.devices([meter])
    for _ in inputs("modbus poll", share=10):
        for device in (modbus_device, socomec_device):
            try:
                async with asyncio.timeout(2):
                    sample = await device.read(TICK)
                assert len(sample.readings) + len(sample.missing) == 1
            except (TransientError, TimeoutError):
                pass
    await modbus_device.close()
    await socomec_device.close()
    server.close()
    assert not troubles


async def test_garbage_from_a_meter_fails_at_most_one_poll() -> None:
    good = json.dumps([[1_789_999_940 + i, 100.0 + i] for i in range(60)]).encode()
    rounds = inputs("flukso answer", share=10)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = mutated(next(rounds, dice("flukso")), good)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        writer.write(head % len(body) + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    [device] = flukso.devices([sensor("f", FluksoSource("127.0.0.1", "abc", port))])
    for _ in inputs("flukso poll", share=10):
        try:
            sample = await device.read(TICK)
            assert (sample.readings.times <= TICK + flukso.MAX_AHEAD_NS).all()
        except TransientError:
            pass
    await device.close()
    server.close()
