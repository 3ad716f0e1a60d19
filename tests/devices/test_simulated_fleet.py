from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import orjson
import pytest
from pymodbus.client import AsyncModbusTcpClient

from backend.core.clock import SystemClock
from backend.core.errors import PermanentError
from backend.core.health import DeviceState as State
from backend.core.reading import Readings
from backend.inventory.model import FluksoSource, Inventory, PushSource
from crawlers.registry import build_crawler, build_devices
from crawlers.simulators.arduino_cards import Card, address
from crawlers.simulators.faults import Faults, probes_by_card, typical_faults
from crawlers.simulators.fleet import SimulatedFleet
from crawlers.simulators.model import DataCentreModel
from crawlers.simulators.relocate import relocate
from tests.devices.support import NOW_NS, MemorySink, ScriptedEndpoint, example, outlets, serve_endpoint
from tests.support.manual_clock import ManualClock

S = 10**9
SEED = 11
TICK = NOW_NS // (10 * S) * 10 * S


def moved() -> Inventory:
    return relocate(example())


async def test_every_polled_sensor_of_the_example_is_read_exactly() -> None:
    described = moved()
    model = DataCentreModel(described, SEED)
    clock = ManualClock(TICK + 300_000_000)
    devices = build_devices(described.sensors.values())
    async with SimulatedFleet(described, model, clock=clock):
        samples = await asyncio.gather(*(d.read(TICK) for d in devices))
        for device in devices:
            await device.close()
    assert all(not s.missing for s in samples)
    rows = Readings.concat([s.readings for s in samples]).by_sensor()
    polled = {n for n, s in described.sensors.items() if not isinstance(s.source, PushSource)}
    assert set(rows) == polled
    for name, points in rows.items():
        assert (points.values == model.value([name], points.times)[0]).all(), name
        if isinstance(described.sensors[name].source, FluksoSource):
            assert points.times.tolist() == list(range(TICK - 60 * S, TICK, S))
        else:
            assert points.times.tolist() == [TICK]


async def test_the_crawler_reads_the_fleet_from_its_own_thread() -> None:
    described = moved()
    model = DataCentreModel(described, SEED)
    fleet, sink = SimulatedFleet(described, model), MemorySink()
    fleet.start_in_thread()
    try:
        crawler = build_crawler(described, sink, SystemClock())
        running = asyncio.create_task(crawler.run())
        await asyncio.wait(
            [running, asyncio.ensure_future(sink.filled(900))], return_when=asyncio.FIRST_COMPLETED
        )
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    finally:
        fleet.stop()
    states = {h.state for h in crawler.health.values() if h.period_s < 2}
    assert states == {State.OK}
    for name, points in sink.rows.by_sensor().items():
        assert (points.values == model.value([name], points.times)[0]).all(), name


async def test_a_failed_start_in_a_thread_raises_its_error() -> None:
    described = moved()
    model = DataCentreModel(described, SEED)
    async with SimulatedFleet(described, model):
        second = SimulatedFleet(described, model)
        with pytest.raises(OSError):
            second.start_in_thread()
        second.stop()


def test_nothing_but_loopback_is_simulated() -> None:
    from tests.devices.support import inventory

    described = inventory(outlets(161, [1], ip="192.168.1.5"))
    with pytest.raises(PermanentError, match=r"192\.168\.1\.5 is not a loopback address"):
        SimulatedFleet(described, DataCentreModel(described))
    there = relocate(described)
    SimulatedFleet(there, DataCentreModel(there))


def test_relocated_devices_that_shared_an_address_still_do() -> None:
    before, after = example(), moved()
    places: dict[object, set[object]] = {}
    for name, sensor in before.sensors.items():
        new = after.sensors[name].source
        if not isinstance(sensor.source, PushSource) and not isinstance(new, PushSource):
            places.setdefault((sensor.method, sensor.source.port), set()).add(new.port)
    assert all(len(ports) == 1 for ports in places.values())
    assert len({next(iter(p)) for p in places.values()}) == len(places)
    assert {c.port for c in after.commands} <= {next(iter(p)) for p in places.values()}


async def test_a_written_register_keeps_what_was_written() -> None:
    described = moved()
    target = next(c for c in described.commands if any(a.name == "stop" for a in c.actions))
    stop = next(a for a in target.actions if a.name == "stop")
    clock = ManualClock(TICK)
    async with SimulatedFleet(described, DataCentreModel(described, SEED), clock=clock):
        client = AsyncModbusTcpClient("127.0.0.1", port=target.port)
        await client.connect()
        before = await client.read_holding_registers(stop.register, device_id=target.unit_id)
        await client.write_register(stop.register, stop.value, device_id=target.unit_id)
        after = await client.read_holding_registers(stop.register, device_id=target.unit_id)
        client.close()
    assert (before.registers, after.registers) == ([1], [stop.value])


def card(described: Inventory, name: str, faults: Faults) -> Card:
    model = DataCentreModel(described, SEED, faults)
    return Card(name, probes_by_card(described)[name], model, ManualClock(TICK))


def test_cards_print_their_probes_as_arduinos_do() -> None:
    described = example()
    name, probes = next(iter(probes_by_card(described).items()))
    rows = orjson.loads(card(described, name, Faults()).body(TICK))
    assert [r["sensor"].replace(":", "") for r in rows] == [p.name for p in probes]
    assert address("28b8fb2909000003") == "28:b8:fb:29:09:00:00:03"
    model = DataCentreModel(described, SEED)
    expected = model.value([p.name for p in probes], np.array([TICK]))[:, 0].tolist()
    assert [r["v"] for r in rows] == expected


def test_a_silent_probe_is_left_out_and_a_broken_one_breaks_the_json() -> None:
    described = example()
    faults = typical_faults(described, SEED, TICK)
    [silent], [broken] = faults.silent, faults.nan
    parents = {n: described.sensors[n].parent or "" for n in (silent, broken)}
    body = card(described, parents[silent], faults).body(TICK)
    assert address(silent).encode() not in body
    assert len(orjson.loads(body)) == len(probes_by_card(described)[parents[silent]]) - 1
    broken_card = card(described, parents[broken], faults)
    bodies = [broken_card.body(TICK + i * 10 * S) for i in range(40)]
    broken_bodies = [b for b in bodies if f'"{address(broken)}", "t": "T", "v": nan'.encode() in b]
    assert 3 < len(broken_bodies) < 20


async def test_cards_push_to_the_configured_url() -> None:
    described = moved()
    pushed = {
        n: replace(s, period_s=0.2) for n, s in described.sensors.items() if isinstance(s.source, PushSource)
    }
    described = replace(described, sensors=pushed, commands=())
    async with serve_endpoint(ScriptedEndpoint()) as endpoint:
        url = f"http://127.0.0.1:{endpoint.port}/temperature/list"
        async with SimulatedFleet(described, DataCentreModel(described, SEED), url) as fleet:
            await endpoint.until(2 * len(fleet.cards))
        assert all(c.pushes and not c.failures for c in fleet.cards[:3])
    pushed_sensors = {
        row["sensor"].replace(":", "") for body in endpoint.bodies for row in orjson.loads(body)
    }
    assert pushed_sensors == set(pushed)
