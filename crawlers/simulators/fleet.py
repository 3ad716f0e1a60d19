"""Simulates all devices of a site description, at the addresses that it contains."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
from pymodbus.server import ModbusTcpServer

from backend.core.background import background_task
from backend.core.clock import Clock, SystemClock
from backend.core.errors import PermanentError
from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import (
    FluksoSource,
    Inventory,
    ModbusSource,
    PushSource,
    Sensor,
    SnmpSource,
    SocomecSource,
)
from crawlers import modbus, registers, socomec
from crawlers.device import device_name
from crawlers.simulators import flukso_server, modbus_server, snmp_agent
from crawlers.simulators.arduino_cards import Card
from crawlers.simulators.encoding import encoding_of, prints_text
from crawlers.simulators.fault_schedule import Condition, Conditions, ScheduledFault
from crawlers.simulators.faults import probes_by_card
from crawlers.simulators.model import DataCentreModel
from crawlers.snmp_plan import parse_oid
from crawlers.snmp_rates import UPTIME

log = logging.getLogger(__name__)

LAST_MINUTE_S = np.arange(-60, 1, dtype=np.int64)


class SimulatedFleet:
    """SNMP agents, Modbus and Flukso servers and Arduino cards. Use it as an async context manager or call `start_in_thread`.

    Values are those of the model at the last multiple of each sensor's period, so live readings continue a history of the same
    model. Raises `PermanentError` if the description contains an address outside of loopback.
    """

    def __init__(
        self,
        inventory: Inventory,
        model: DataCentreModel,
        temperature_url: str | None = None,
        clock: Clock | None = None,
        schedule: Iterable[ScheduledFault] = (),
    ) -> None:
        """`temperature_url` is the URL that cards push to, such as `http://127.0.0.1:8081/temperature/list`. None disables them.

        `schedule` holds the faults to inject. Raises `UserError` if one of them matches no device.
        """
        _refuse_all_but_loopback(inventory)
        self._inventory = inventory
        self._model = model
        self._url = temperature_url
        self._clock = clock or SystemClock()
        self._open = contextlib.AsyncExitStack()
        self._thread: threading.Thread | None = None
        self._stop: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self.conditions = Conditions(self._clock, schedule, model.seed)
        self.cards = [
            Card(name, probes, model, self._clock, self.conditions.get(name))
            for name, probes in probes_by_card(inventory).items()
        ]
        for sensor in inventory.sensors.values():
            if not isinstance(sensor.source, PushSource):
                self._condition(sensor.method, sensor.source.ip, sensor.source.port)
        self.conditions.check_all_match()

    def tick(self, sensor: str) -> int:
        """Return the time, in ns, of the value that a sensor shows now."""
        period = self._model.period_ns(sensor)
        return self._clock.now_ns() // period * period

    def _condition(self, method: str, ip: str, port: int) -> Condition:
        """Return the condition of the device at an address, by its name in the crawler and by the parents of its sensors."""
        parents = {
            s.parent
            for s in self._inventory.sensors.values()
            if not isinstance(s.source, PushSource) and (s.source.ip, s.source.port) == (ip, port)
        }
        method = "modbus" if method == "socomec" else method
        return self.conditions.get(device_name(method, ip, port, ()), sorted(filter(None, parents)))

    def _raw(self, names: Sequence[str]) -> Mapping[str, float]:
        by_tick: dict[int, list[str]] = {}
        for name in names:
            by_tick.setdefault(self.tick(name), []).append(name)
        values: dict[str, float] = {}
        for tick, group in by_tick.items():
            column = self._model.raw(group, np.array([tick], np.int64))[:, 0]
            values |= dict(zip(group, column.tolist(), strict=True))
        return values

    async def __aenter__(self) -> Self:
        try:
            await self._start_snmp()
            await self._start_modbus()
            await self._start_flukso()
            await self._start_cards()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def _start_snmp(self) -> None:
        agents: dict[tuple[str, int, str], dict[snmp_agent.Oid, str]] = {}
        for sensor in self._inventory.sensors.values():
            if isinstance(source := sensor.source, SnmpSource):
                table = agents.setdefault((source.ip, source.port, source.community), {})
                table[parse_oid(source.full_oid)] = sensor.name
        for (ip, port, community), table in agents.items():
            condition = self._condition("snmp", ip, port)
            agent_table = _AgentTable(self, table, condition)
            agent = snmp_agent.SnmpAgent(agent_table, community, filter_packet=condition.filter_packet)
            transport = await snmp_agent.serve(agent, ip, port)
            self._open.callback(transport.close)

    async def _start_modbus(self) -> None:
        for (ip, port), units in _modbus_units(self._inventory).items():
            condition = self._condition("modbus", ip, port)
            values = functools.partial(self._reported_values, condition)
            server = await modbus_server.serve(units, values, ip, port, condition)
            self._open.push_async_callback(_shutdown, server)

    async def _start_flukso(self) -> None:
        meters: dict[tuple[str, int], dict[str, str]] = {}
        for sensor in self._inventory.sensors.values():
            if isinstance(source := sensor.source, FluksoSource):
                meters.setdefault((source.ip, source.port), {})[source.sensor_id] = sensor.name
        for (ip, port), sensors in meters.items():
            condition = self._condition("flukso", ip, port)
            minute = functools.partial(self._minute, condition)
            server = flukso_server.FluksoServer(sensors, minute, condition.filter_packet)
            await server.start(ip, port)
            self._open.push_async_callback(server.stop)

    def _reported_values(self, condition: Condition, names: Sequence[str]) -> Mapping[str, float]:
        """Return the raw numbers that a device in this condition reports."""
        raw = self._raw(names)
        if condition.fault is None:
            return raw
        encodings = {name: encoding_of(self._inventory.sensors[name]) for name in names}
        return {
            name: min(max(condition.distort(value), encodings[name].low), encodings[name].high)
            for name, value in raw.items()
        }

    def _minute(self, condition: Condition, name: str) -> object:
        """Return the points of the last minute. The current second is not over and reads `nan`."""
        if condition.has_wrong_type:
            return {"status": "starting"}
        seconds = self._clock.now_ns() // NS_PER_SECOND + LAST_MINUTE_S
        watts = self._model.value([name], seconds * NS_PER_SECOND)[0]
        times = seconds + int(condition.clock_offset_s)
        points: list[tuple[int, float | str]] = [
            (time, condition.distort(value))
            for time, value in zip(times.tolist(), watts.tolist(), strict=True)
        ]
        points[-1] = (points[-1][0], "nan")
        return points

    async def _start_cards(self) -> None:
        if self._url is None:
            return
        client = httpx.AsyncClient(timeout=5.0, trust_env=False)
        self._open.push_async_callback(client.aclose)
        for card in self.cards:
            await self._open.enter_async_context(background_task(card.run(client, self._url), card.name))

    async def run(self) -> None:
        """Serve until cancelled."""
        async with self:
            await asyncio.Event().wait()

    def start_in_thread(self) -> None:
        """Serve from a thread with its own event loop. Returns when all devices listen; raises the error of a failed start."""
        ready: Any = threading.Event()
        failure: list[BaseException] = []

        async def serve() -> None:
            self._stop = asyncio.get_running_loop(), asyncio.Event()
            try:
                async with self:
                    ready.set()
                    await self._stop[1].wait()
            except BaseException as error:
                failure.append(error)
                ready.set()

        self._thread = threading.Thread(
            target=lambda: asyncio.run(serve()), name="simulated devices", daemon=True
        )
        self._thread.start()
        ready.wait()
        if failure:
            self._thread.join()
            raise failure[0]

    def stop(self) -> None:
        """End the thread, if there is one."""
        if self._thread is None or self._stop is None:
            return
        loop, event = self._stop
        with contextlib.suppress(RuntimeError):  # the loop may have ended by itself
            loop.call_soon_threadsafe(event.set)
        self._thread.join(timeout=5.0)
        self._thread = None


class _AgentTable:
    """The OIDs of an agent with their current values, computed once per tick. Like every agent it has sysUpTime."""

    def __init__(
        self, fleet: SimulatedFleet, sensors: Mapping[snmp_agent.Oid, str], condition: Condition
    ) -> None:
        described = fleet._inventory.sensors
        self._fleet = fleet
        self._sensors = sensors
        self._condition = condition
        self._texts = {n for n in sensors.values() if prints_text(described[n])}
        self._counters = dict.fromkeys((n for n in sensors.values() if _is_rate(described[n])), 0.0)
        self._booted_ns = condition.booted_ns
        self._of_period = {fleet._model.period_ns(name): name for name in sensors.values()}
        self._state: tuple[object, ...] = ()
        self._table: snmp_agent.Table = {}

    def __call__(self) -> snmp_agent.Table:
        ticks = tuple(self._fleet.tick(name) for name in self._of_period.values())
        state = (*ticks, self._condition.fault)
        if state != self._state:
            previous, self._state = self._state, state
            self._table = self._make_table(ticks != previous[:-1])
        return self._table

    def _make_table(self, is_new_tick: bool) -> snmp_agent.Table:
        values = self._fleet._reported_values(self._condition, list(self._sensors.values()))
        self._update_counters(values, is_new_tick)
        up_ns = self._fleet._clock.now_ns() - self._booted_ns
        table: dict[snmp_agent.Oid, int | str] = {UPTIME: snmp_agent.TimeTicks(up_ns // 10**7)}
        return table | {oid: self._agent_value(name, values[name]) for oid, name in self._sensors.items()}

    def _update_counters(self, values: Mapping[str, float], is_new_tick: bool) -> None:
        """Add the current rate to the counters at each tick, and reset them after a restart of the device."""
        if (booted := self._condition.booted_ns) != self._booted_ns:
            self._booted_ns = booted
            self._counters = dict.fromkeys(self._counters, 0.0)
        if is_new_tick:
            for name in self._counters:
                self._counters[name] += values[name] * self._fleet._model.period_ns(name) / NS_PER_SECOND

    def _agent_value(self, name: str, value: float) -> int | str:
        if self._condition.has_wrong_type:
            return "n/a"
        if name in self._counters:
            return snmp_agent.Counter32(int(self._counters[name]) % 2**32)
        return f"{value:.1f}" if name in self._texts else int(value)


def _is_rate(sensor: Sensor) -> bool:
    return isinstance(sensor.source, SnmpSource) and sensor.source.rate


def _modbus_units(inventory: Inventory) -> Mapping[tuple[str, int], list[modbus_server.Unit]]:
    """Return the units of each server: the fields of sensors, and the registers that commands read and write."""
    fields: dict[tuple[str, int], dict[int, list[modbus.Field]]] = {}
    command_words: dict[tuple[str, int], dict[int, dict[int, int]]] = {}
    for sensor in inventory.sensors.values():
        source = sensor.source
        if isinstance(source, ModbusSource | SocomecSource):
            field = modbus.field_of(sensor) if isinstance(source, ModbusSource) else socomec.field_of(sensor)
            fields.setdefault((source.ip, source.port), {}).setdefault(field.unit_id, []).append(field)
    for target in inventory.commands:
        words = command_words.setdefault((target.ip, target.port), {}).setdefault(target.unit_id, {})
        for action in target.actions:
            words.setdefault(action.register, 0)
        for described in target.properties:
            first = next(iter(described.values.values()), 0.0)
            state = registers.encode(first, described.type, described.byteorder, described.wordorder)
            words |= {described.register + i: word for i, word in enumerate(state)}
    servers: dict[tuple[str, int], list[modbus_server.Unit]] = {}
    for address in fields.keys() | command_words.keys():
        unit_fields, unit_words = fields.get(address, {}), command_words.get(address, {})
        for unit_id in sorted(unit_fields.keys() | unit_words.keys()):
            unit = modbus_server.Unit(
                unit_id, tuple(unit_fields.get(unit_id, ())), unit_words.get(unit_id, {})
            )
            servers.setdefault(address, []).append(unit)
    return servers


async def _shutdown(server: ModbusTcpServer) -> None:
    await server.shutdown()  # type: ignore[no-untyped-call]


def _refuse_all_but_loopback(inventory: Inventory) -> None:
    for sensor in inventory.sensors.values():
        if isinstance(sensor.source, PushSource):
            continue
        if not _is_loopback(sensor.source.ip):
            raise PermanentError(
                f"{sensor.name}: {sensor.source.ip} is not a loopback address and cannot be simulated"
            )
    for target in inventory.commands:
        if not _is_loopback(target.ip):
            raise PermanentError(
                f"{target.id}: {target.ip} is not a loopback address and cannot be simulated"
            )


def _is_loopback(ip: str) -> bool:
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return False
