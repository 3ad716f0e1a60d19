"""Every fault of every protocol over real connections: it affects one device, is logged once, and causes no false reading."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
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
from tests.devices.support import (
    NOW_NS,
    MemorySink,
    ScriptedEndpoint,
    inventory,
    outlets,
    sensor,
    serve_endpoint,
)
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
"""Faults during which a device sends no valid value."""

DEVICES = ("snmp", "modbus", "flukso")


def devices_of_each_protocol(places: Sequence[str]) -> Inventory:
    """Return one device per protocol and place, such as `snmp-a`, with some sensors each."""
    sensors = []
    for offset, place in enumerate(places):
        sensors += [
            replace(s, name=f"snmp-{place}/{i}", parent=f"snmp-{place}")
            for i, s in enumerate(outlets(161 + offset, range(1, 5)))
        ]
        sensors += [
            sensor(
                f"modbus-{place}/{i}",
                ModbusSource("127.0.0.1", 10 + 2 * i, "uint32", 502 + offset, byteorder=">", wordorder=">"),
                parent=f"modbus-{place}",
            )
            for i in range(3)
        ]
        sensors.append(
            sensor(
                f"flukso-{place}/0", FluksoSource("127.0.0.1", "ab", 80 + offset), parent=f"flukso-{place}"
            )
        )
    return relocate(inventory(sensors))


@dataclass
class Watch:
    """A crawler over a fleet."""

    fleet: SimulatedFleet
    model: DataCentreModel
    crawler: Crawler
    sink: MemorySink

    def condition(self, parent: str) -> Condition:
        [condition] = [
            self.fleet._condition(s.method, s.source.ip, s.source.port)
            for s in self.fleet._inventory.sensors.values()
            if s.parent == parent and not isinstance(s.source, PushSource)
        ][:1]
        return condition

    def health(self, parent: str) -> PollerHealth:
        [health] = [h for h in self.crawler.health.values() if parent in h.device]
        return health

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
async def watched(places: Sequence[str] = ("a", "b")) -> AsyncIterator[Watch]:
    described = devices_of_each_protocol(places)
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


async def test_a_faulty_device_fails_and_recovers_once_and_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Every kind of fault at once, each in one device per protocol, beside a healthy device."""
    caplog.set_level(logging.INFO)
    faults = {f"{method}-{kind}": kind for method in DEVICES for kind in SILENCING}
    async with watched([*SILENCING, "healthy"]) as watch:
        for device, kind in faults.items():
            watch.condition(device).inject(kind)
        await watch.until(lambda: all(watch.health(device).failures >= 2 for device in faults))
        states = {device: watch.health(device).state for device in faults}
        reasons = {device: watch.health(device).last_error for device in faults}
        for device in faults:
            watch.condition(device).recover()
        await watch.until(lambda: all(watch.health(d).state is DeviceState.OK for d in faults))
        healthy = [watch.health(f"{method}-healthy") for method in DEVICES]
        invented = watch.invented()
    assert states == dict.fromkeys(faults, DeviceState.LOST)
    assert all(reasons.values())
    assert [h.failures for h in healthy] == [0, 0, 0]
    assert not invented
    messages = [r.getMessage() for r in caplog.records]
    for device in faults:
        assert sum("failed device" in text and f"({device})" in text for text in messages) == 1, messages
        assert sum("recovered device" in text and f"({device})" in text for text in messages) == 1, messages
    assert not [r for r in caplog.records if r.exc_info]


async def test_a_lying_or_drifting_device_does_not_affect_the_others() -> None:
    async with watched() as watch:
        before = {m: watch.health(f"{m}-a").polls for m in DEVICES}
        for method, kind in zip(DEVICES, (FaultKind.LIE, FaultKind.DRIFT, FaultKind.DRIFT), strict=True):
            watch.condition(f"{method}-a").inject(kind)
        await watch.until(lambda: all(watch.health(f"{m}-a").polls > before[m] + 4 for m in DEVICES))
        states = {m: watch.health(f"{m}-a").state for m in DEVICES}
        reported = watch.sink.rows.by_sensor()
        invented = [text for text in watch.invented() if "-b/" in text]
        odd = {
            m: int(
                (
                    reported[f"{m}-a/0"].values
                    != watch.model.value([f"{m}-a/0"], reported[f"{m}-a/0"].times)[0]
                ).sum()
            )
            for m in DEVICES
        }
    assert states == dict.fromkeys(DEVICES, DeviceState.OK)
    assert not invented
    assert reported["snmp-a/0"].values.max() == 2.0**31 - 1
    assert all(odd.values()), odd


async def test_a_reboot_of_an_agent_gives_no_false_rate() -> None:
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
    kind: FaultKind | None = None, clock: ManualClock | None = None
) -> tuple[Card, Condition, DataCentreModel]:
    clock = clock or ManualClock(NOW_NS)
    probes = [
        sensor(f"28{i:014x}", PushSource("Z1", "front", i), unit="celsius", parent="card") for i in range(3)
    ]
    model = DataCentreModel(inventory(probes), SEED)
    condition = Condition("card", clock)
    pushing_card = Card("card", probes, model, clock, condition)
    if kind is not None:
        condition.inject(kind)
    return pushing_card, condition, model


@pytest.mark.parametrize(
    ("kind", "bodies"),
    [
        (FaultKind.MUTE, 0),
        (FaultKind.REBOOT, 0),
        (FaultKind.CUT, 1),
        (FaultKind.GARBAGE, 1),
        (FaultKind.WRONG, 1),
    ],
)
async def test_a_faulty_card_sends_damaged_bodies(kind: FaultKind, bodies: int) -> None:
    pushing_card, _, _ = card()
    right = pushing_card.body(NOW_NS)
    pushing_card, _, _ = card(kind)
    async with serve_endpoint(ScriptedEndpoint()) as endpoint, httpx.AsyncClient(trust_env=False) as client:
        await pushing_card.push(client, f"http://127.0.0.1:{endpoint.port}/temperature/list", NOW_NS)
    assert len(endpoint.bodies) == bodies
    assert right not in endpoint.bodies
    if kind is FaultKind.CUT:
        assert right.startswith(endpoint.bodies[0])
    if kind is FaultKind.WRONG:
        assert b'"v": {"T": "' in endpoint.bodies[0]


def test_a_rebooted_card_first_sends_the_power_on_value() -> None:
    clock = ManualClock(NOW_NS)
    pushing_card, condition, model = card(FaultKind.REBOOT, clock)
    clock.advance(5)
    condition.recover()
    assert pushing_card.body(NOW_NS).count(f"{POWER_ON_C:.2f}".encode()) == 3
    pushing_card._last_push_boot_ns = condition.booted_ns  # as after its push
    first = model.value([pushing_card._probes[0]], np.array([NOW_NS]))[0, 0]
    assert (
        f'{{"sensor": "{address(pushing_card._probes[0])}", "t": "T", "v": {first:.2f}}}'.encode()
        in pushing_card.body(NOW_NS)
    )


def test_unplugged_probes_send_minus_127() -> None:
    pushing_card, _, _ = card(FaultKind.LIE)
    assert pushing_card.body(NOW_NS).count(f"{UNPLUGGED_C:.2f}".encode()) == 3


def test_a_drift_grows_with_time() -> None:
    clock = ManualClock(NOW_NS)
    condition = Condition("x", clock)
    condition.inject(FaultKind.DRIFT)
    reported = []
    for _ in range(3):
        reported.append((condition.distort(100.0), condition.clock_offset_s))
        clock.advance(10)
    assert reported == [(100.0 * (1 + DRIFT_PER_SECOND * t), DRIFT_PER_SECOND * t) for t in (0.0, 10.0, 20.0)]


def test_scheduled_faults_are_active_at_their_times() -> None:
    clock = ManualClock(NOW_NS)
    conditions = Conditions(
        clock, [ScheduledFault.parse("pdu-*=mute@60+30/300"), ScheduledFault.parse("pdu-1=slow")]
    )
    one, two, other = (conditions.get(n) for n in ("pdu-1", "pdu-2", "cooler"))
    states_by_second = []
    for _ in range(420):
        states_by_second.append((one.fault, two.fault, other.fault))
        clock.advance(1)
    mute = [t for t, (_, kind, _) in enumerate(states_by_second) if kind is FaultKind.MUTE]
    assert mute == [*range(60, 90), *range(360, 390)]
    assert all(
        first is (FaultKind.MUTE if t in mute else FaultKind.SLOW)
        for t, (first, _, _) in enumerate(states_by_second)
    )
    assert {third for _, _, third in states_by_second} == {None}
    assert (two.delay_s, one.delay_s) == (0.0, SLOW_S)


@given(
    start=st.integers(0, 50),
    lasts=st.integers(1, 20),
    more=st.integers(0, 30),
    at=st.integers(0, 500),
    repeats=st.booleans(),
)
def test_a_device_last_started_when_its_last_reboot_ended(
    start: int, lasts: int, more: int, at: int, repeats: bool
) -> None:
    spell = ScheduledFault("x", FaultKind.REBOOT, start, lasts, lasts + more + 1 if repeats else None)
    ends = [
        t
        for t in range(1, at + 1)
        if spell.active_since_s(t) is None and spell.active_since_s(t - 1) is not None
    ]
    assert spell.last_end_s(at) == (ends[-1] if ends else None)


@pytest.mark.parametrize("text", ["pdu", "pdu=", "pdu=sulking", "pdu=mute@soon", "pdu=mute+5s", "=mute"])
def test_an_invalid_fault_is_refused_with_the_syntax(text: str) -> None:
    with pytest.raises(UserError, match="expected DEVICE=FAULT"):
        ScheduledFault.parse(text)


def test_a_fault_without_a_matching_device_is_refused() -> None:
    described = devices_of_each_protocol(["a"])
    with pytest.raises(UserError, match=r"no simulated device is called nobody; there are: flukso 127"):
        SimulatedFleet(
            described, DataCentreModel(described), schedule=[ScheduledFault("nobody", FaultKind.MUTE)]
        )
