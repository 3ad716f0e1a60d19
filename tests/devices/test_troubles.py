"""Every trouble of every protocol, on the wire: it costs the troubled device alone, says so once, and invents nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.backoff import Backoff
from backend.core.clock import SystemClock
from backend.core.errors import UserError
from backend.core.health import DeviceState
from backend.inventory.model import FluksoSource, Inventory, ModbusSource, PushSource, SnmpSource
from crawlers.loop import Crawler, PollerHealth
from crawlers.registry import build_crawler
from crawlers.simulators.arduino_cards import Card, address
from crawlers.simulators.fault_schedule import (
    DRIFT_PER_SECOND,
    POWER_ON_C,
    SLOW_S,
    UNPLUGGED_C,
    Condition,
    Conditions,
    FaultKind,
    ScheduledFault,
)
from crawlers.simulators.fleet import SimulatedFleet
from crawlers.simulators.model import DataCentreModel
from crawlers.simulators.relocate import relocate
from tests.devices.support import NOW_NS, Door, MemorySink, inventory, open_door, outlets, sensor
from tests.support.manual_clock import ManualClock

S = 10**9
SEED = 7
SILENCING = (
    FaultKind.MUTE,
    FaultKind.SLOW,
    FaultKind.CUT,
    FaultKind.GARBAGE,
    FaultKind.WRONG,
    FaultKind.REBOOT,
)
"""Troubles in which nothing that can be believed is said."""

DEVICES = ("snmp", "modbus", "flukso")


def two_of_each() -> Inventory:
    """Two devices a protocol: `<method>-a` and `<method>-b`, some sensors each."""
    found = []
    for place, offset in (("a", 0), ("b", 1)):
        found += [
            replace(s, name=f"snmp-{place}/{i}", parent=f"snmp-{place}")
            for i, s in enumerate(outlets(161 + offset, range(1, 5)))
        ]
        found += [
            sensor(
                f"modbus-{place}/{i}",
                ModbusSource("127.0.0.1", 10 + 2 * i, "uint32", 502 + offset, byteorder=">", wordorder=">"),
                parent=f"modbus-{place}",
            )
            for i in range(3)
        ]
        found.append(
            sensor(
                f"flukso-{place}/0", FluksoSource("127.0.0.1", "ab", 80 + offset), parent=f"flukso-{place}"
            )
        )
    return relocate(inventory(found))


@dataclass
class Watch:
    """A crawler over a fleet."""

    fleet: SimulatedFleet
    model: DataCentreModel
    crawler: Crawler
    sink: MemorySink

    def condition(self, parent: str) -> Condition:
        [found] = [
            self.fleet._condition(s.method, s.source.ip, s.source.port)
            for s in self.fleet._inventory.sensors.values()
            if s.parent == parent and not isinstance(s.source, PushSource)
        ][:1]
        return found

    def health(self, parent: str) -> PollerHealth:
        [found] = [h for h in self.crawler.health.values() if parent in h.device]
        return found

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0.02)

    def invented(self, but: str = "") -> list[str]:
        """Readings that are not the model's."""
        return [
            f"{name} {points}"
            for name, points in self.sink.rows.by_sensor().items()
            if not (but and name.startswith(but))
            and not (points.values == self.model.value([name], points.times)[0]).all()
        ]


@asynccontextmanager
async def watched() -> AsyncIterator[Watch]:
    described = two_of_each()
    model, sink = DataCentreModel(described, SEED), MemorySink()
    fleet = SimulatedFleet(described, model)
    crawler = build_crawler(described, sink, SystemClock(), backoff=Backoff(0.2, 0.5))
    async with fleet:
        running = asyncio.create_task(crawler.run())
        try:
            watch = Watch(fleet, model, crawler, sink)
            await watch.until(lambda: all(h.state is DeviceState.OK for h in crawler.health.values()))
            yield watch
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("trouble", SILENCING)
async def test_a_troubled_device_is_lost_once_and_back_once_and_costs_the_others_nothing(
    trouble: FaultKind, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with watched() as watch:
        for method in DEVICES:
            watch.condition(f"{method}-a").inject(trouble)
        await watch.until(lambda: all(watch.health(f"{m}-a").failures >= 2 for m in DEVICES))
        lost = {m: watch.health(f"{m}-a").state for m in DEVICES}
        reasons = {m: watch.health(f"{m}-a").last_error for m in DEVICES}
        for method in DEVICES:
            watch.condition(f"{method}-a").recover()
        await watch.until(lambda: all(watch.health(f"{m}-a").state is DeviceState.OK for m in DEVICES))
        others = [watch.health(f"{m}-b") for m in DEVICES]
        invented = watch.invented()
    assert lost == dict.fromkeys(DEVICES, DeviceState.LOST)
    assert all(reasons.values())
    assert [h.failures for h in others] == [0, 0, 0]
    assert not invented
    for method in DEVICES:
        said = [r.getMessage() for r in caplog.records if f"{method}-a" in r.getMessage()]
        assert sum("failed device" in text for text in said) == 1, said
        assert sum("recovered device" in text for text in said) == 1, said
        assert not [r for r in caplog.records if r.exc_info]


async def test_a_device_that_lies_or_drifts_is_read_as_it_says_and_stands_alone_in_it() -> None:
    async with watched() as watch:
        before = {m: watch.health(f"{m}-a").polls for m in DEVICES}
        for method, trouble in zip(DEVICES, (FaultKind.LIE, FaultKind.DRIFT, FaultKind.DRIFT), strict=True):
            watch.condition(f"{method}-a").inject(trouble)
        await watch.until(lambda: all(watch.health(f"{m}-a").polls > before[m] + 4 for m in DEVICES))
        states = {m: watch.health(f"{m}-a").state for m in DEVICES}
        said = watch.sink.rows.by_sensor()
        invented = [text for text in watch.invented() if "-b/" in text]
        odd = {
            m: int(
                (said[f"{m}-a/0"].values != watch.model.value([f"{m}-a/0"], said[f"{m}-a/0"].times)[0]).sum()
            )
            for m in DEVICES
        }
    assert states == dict.fromkeys(DEVICES, DeviceState.OK)
    assert not invented
    assert said["snmp-a/0"].values.max() == 2.0**31 - 1
    assert all(odd.values()), odd


async def test_counters_of_an_agent_that_reboots_give_no_rate_that_never_was() -> None:
    source = SnmpSource("127.0.0.1", "1.3.6.1.2.1.2.2.1.10", 1, 161, rate=True)
    described = relocate(inventory([sensor("octets", source, unit="B/s", parent="switch")]))
    clock = SystemClock()
    model, sink = DataCentreModel(described, SEED), MemorySink()
    fleet = SimulatedFleet(described, model, clock=clock)
    crawler = build_crawler(described, sink, clock, backoff=Backoff(0.2, 0.5))
    async with fleet:
        running = asyncio.create_task(crawler.run())
        watch = Watch(fleet, model, crawler, sink)
        try:
            await sink.filled(3)
            watch.condition("switch").inject(FaultKind.REBOOT)
            await watch.until(lambda: watch.health("switch").failures > 0)
            watch.condition("switch").recover()
            known = sum(map(len, sink.pushes))
            await sink.filled(known + 2)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    rates = sink.rows.by_sensor()["octets"]
    true = model.raw(["octets"], rates.times)[0]
    assert len(rates) >= 5
    assert np.abs(rates.values - true).max() <= 1.0, "whole octets of a second"


def card(
    trouble: FaultKind | None = None, clock: ManualClock | None = None
) -> tuple[Card, Condition, DataCentreModel]:
    clock = clock or ManualClock(NOW_NS)
    probes = [
        sensor(f"28{i:014x}", PushSource("Z1", "front", i), unit="celsius", parent="card") for i in range(3)
    ]
    model = DataCentreModel(inventory(probes), SEED)
    condition = Condition("card", clock)
    made = Card("card", probes, model, clock, condition)
    if trouble is not None:
        condition.inject(trouble)
    return made, condition, model


@pytest.mark.parametrize(
    ("trouble", "bodies"),
    [
        (FaultKind.MUTE, 0),
        (FaultKind.REBOOT, 0),
        (FaultKind.CUT, 1),
        (FaultKind.GARBAGE, 1),
        (FaultKind.WRONG, 1),
    ],
)
async def test_a_troubled_card_pushes_what_it_has(trouble: FaultKind, bodies: int) -> None:
    made, _, _ = card()
    right = made.body(NOW_NS)
    made, _, _ = card(trouble)
    async with open_door(Door()) as door, httpx.AsyncClient(trust_env=False) as client:
        await made.push(client, f"http://127.0.0.1:{door.port}/temperature/list", NOW_NS)
    assert len(door.bodies) == bodies
    assert right not in door.bodies
    if trouble is FaultKind.CUT:
        assert right.startswith(door.bodies[0])
    if trouble is FaultKind.WRONG:
        assert b'"v": {"T": "' in door.bodies[0]


def test_a_card_that_starts_again_says_the_power_on_value_first() -> None:
    clock = ManualClock(NOW_NS)
    made, condition, model = card(FaultKind.REBOOT, clock)
    clock.advance(5)
    condition.recover()
    assert made.body(NOW_NS).count(f"{POWER_ON_C:.2f}".encode()) == 3
    made._last_push_boot_ns = condition.booted_ns  # as after its push
    first = model.value([made._probes[0]], np.array([NOW_NS]))[0, 0]
    assert f'{{"sensor": "{address(made._probes[0])}", "t": "T", "v": {first:.2f}}}'.encode() in made.body(
        NOW_NS
    )


def test_a_card_with_its_probes_unplugged_lies() -> None:
    made, _, _ = card(FaultKind.LIE)
    assert made.body(NOW_NS).count(f"{UNPLUGGED_C:.2f}".encode()) == 3


def test_a_drift_grows_with_time() -> None:
    clock = ManualClock(NOW_NS)
    condition = Condition("x", clock)
    condition.inject(FaultKind.DRIFT)
    said = []
    for _ in range(3):
        said.append((condition.distort(100.0), condition.clock_offset_s))
        clock.advance(10)
    assert said == [(100.0 * (1 + DRIFT_PER_SECOND * t), DRIFT_PER_SECOND * t) for t in (0.0, 10.0, 20.0)]


def test_a_plan_says_when_a_device_is_in_trouble() -> None:
    clock = ManualClock(NOW_NS)
    conditions = Conditions(
        clock, [ScheduledFault.parse("pdu-*=mute@60+30/300"), ScheduledFault.parse("pdu-1=slow")]
    )
    one, two, other = (conditions.get(n) for n in ("pdu-1", "pdu-2", "cooler"))
    seen = []
    for _ in range(420):
        seen.append((one.fault, two.fault, other.fault))
        clock.advance(1)
    mute = [t for t, (_, trouble, _) in enumerate(seen) if trouble is FaultKind.MUTE]
    assert mute == [*range(60, 90), *range(360, 390)]
    assert all(
        first is (FaultKind.MUTE if t in mute else FaultKind.SLOW) for t, (first, _, _) in enumerate(seen)
    )
    assert {third for _, _, third in seen} == {None}
    assert (two.delay_s, one.delay_s) == (0.0, SLOW_S)


@given(
    start=st.integers(0, 50),
    lasts=st.integers(1, 20),
    more=st.integers(0, 30),
    at=st.integers(0, 500),
    again=st.booleans(),
)
def test_a_device_last_started_when_its_last_reboot_ended(
    start: int, lasts: int, more: int, at: int, again: bool
) -> None:
    spell = ScheduledFault("x", FaultKind.REBOOT, start, lasts, lasts + more + 1 if again else None)
    ends = [
        t
        for t in range(1, at + 1)
        if spell.active_since_s(t) is None and spell.active_since_s(t - 1) is not None
    ]
    assert spell.last_end_s(at) == (ends[-1] if ends else None)


@pytest.mark.parametrize("text", ["pdu", "pdu=", "pdu=sulking", "pdu=mute@soon", "pdu=mute+5s", "=mute"])
def test_a_trouble_that_is_none_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(UserError, match="expected DEVICE=FAULT"):
        ScheduledFault.parse(text)


def test_a_trouble_of_nobody_is_refused_with_who_there_is() -> None:
    described = two_of_each()
    with pytest.raises(UserError, match=r"no simulated device is called nobody; there are: flukso 127"):
        SimulatedFleet(
            described, DataCentreModel(described), schedule=[ScheduledFault("nobody", FaultKind.MUTE)]
        )
