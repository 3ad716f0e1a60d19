"""All devices of a description, simulated on the addresses it gives them."""

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
from crawlers.simulators.arduino_posters import Card
from crawlers.simulators.encoding import encoding_of, prints_text
from crawlers.simulators.fault_schedule import Condition, Conditions, Spell
from crawlers.simulators.faults import cards
from crawlers.simulators.model import DataCentreModel
from crawlers.snmp_plan import parse_oid
from crawlers.snmp_rates import UPTIME

log = logging.getLogger(__name__)

LAST_MINUTE = np.arange(-60, 1, dtype=np.int64)


class SimulatedFleet:
    """SNMP agents, Modbus and Flukso servers and Arduino cards. An async context manager; or `start_in_thread()`.

    Values are those of the model at the last multiple of each sensor's period, so what is read live continues the
    history that was made of the same model. Raises `PermanentError` where the description names an address that is
    not on loopback.
    """

    def __init__(
        self,
        inventory: Inventory,
        model: DataCentreModel,
        temperature_url: str | None = None,
        clock: Clock | None = None,
        spells: Iterable[Spell] = (),
    ) -> None:
        """`temperature_url`: where cards push, such as `http://127.0.0.1:8081/temperature/list`; None: they do not.

        `spells`: what is to befall the devices; raises `UserError` where one names none of them.
        """
        _refuse_all_but_loopback(inventory)
        self._inventory = inventory
        self._model = model
        self._url = temperature_url
        self._clock = clock or SystemClock()
        self._open = contextlib.AsyncExitStack()
        self._thread: threading.Thread | None = None
        self._stop: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self.conditions = Conditions(self._clock, spells, model.seed)
        self.cards = [
            Card(name, probes, model, self._clock, self.conditions.of(name))
            for name, probes in cards(inventory).items()
        ]
        for sensor in inventory.sensors.values():
            if not isinstance(sensor.source, PushSource):
                self._condition(sensor.method, sensor.source.ip, sensor.source.port)
        self.conditions.refuse_idle()

    def tick(self, sensor: str) -> int:
        """The time whose value a sensor shows now, ns."""
        period = self._model.period_ns(sensor)
        return self._clock.now_ns() // period * period

    def _condition(self, method: str, ip: str, port: int) -> Condition:
        """That of whatever listens at an address, by the name its crawler gives it and by what its sensors' parents are."""
        parents = {
            s.parent
            for s in self._inventory.sensors.values()
            if not isinstance(s.source, PushSource) and (s.source.ip, s.source.port) == (ip, port)
        }
        method = "modbus" if method == "socomec" else method
        return self.conditions.of(device_name(method, ip, port, ()), sorted(filter(None, parents)))

    def _raw(self, names: Sequence[str]) -> Mapping[str, float]:
        by_tick: dict[int, list[str]] = {}
        for name in names:
            by_tick.setdefault(self.tick(name), []).append(name)
        found: dict[str, float] = {}
        for tick, group in by_tick.items():
            column = self._model.raw(group, np.array([tick], np.int64))[:, 0]
            found |= dict(zip(group, column.tolist(), strict=True))
        return found

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
            shown = _Table(self, table, condition)
            agent = snmp_agent.SnmpAgent(shown, community, says=condition.says)
            transport = await snmp_agent.serve(agent, ip, port)
            self._open.callback(transport.close)

    async def _start_modbus(self) -> None:
        for (ip, port), units in _modbus_units(self._inventory).items():
            condition = self._condition("modbus", ip, port)
            values = functools.partial(self._said, condition)
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
            server = flukso_server.FluksoServer(sensors, minute, condition.says)
            await server.start(ip, port)
            self._open.push_async_callback(server.stop)

    def _said(self, condition: Condition, names: Sequence[str]) -> Mapping[str, float]:
        """Raw numbers as a device in this condition has them."""
        raw = self._raw(names)
        if condition.trouble is None:
            return raw
        held = {name: encoding_of(self._inventory.sensors[name]) for name in names}
        return {
            name: min(max(condition.number(value), held[name].low), held[name].high)
            for name, value in raw.items()
        }

    def _minute(self, condition: Condition, name: str) -> object:
        """The last minute; the second that is not over yet has no mean and reads `nan`."""
        if condition.is_wrong:
            return {"status": "starting"}
        seconds = self._clock.now_ns() // NS_PER_SECOND + LAST_MINUTE
        watts = self._model.value([name], seconds * NS_PER_SECOND)[0]
        times = seconds + int(condition.ahead_s)
        points: list[tuple[int, float | str]] = [
            (time, condition.number(value))
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
        """Serve from a thread with an event loop of its own. Returns when all listen; raises what kept them from it."""
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
        """End the thread; harmless where there is none."""
        if self._thread is None or self._stop is None:
            return
        loop, event = self._stop
        with contextlib.suppress(RuntimeError):  # the loop may have ended by itself
            loop.call_soon_threadsafe(event.set)
        self._thread.join(timeout=5.0)
        self._thread = None


class _Table:
    """An agent's OIDs with the values of the moment; made once a tick. sysUpTime is there as on any agent."""

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
        self._made: snmp_agent.Table = {}

    def __call__(self) -> snmp_agent.Table:
        ticks = tuple(self._fleet.tick(name) for name in self._of_period.values())
        state = (*ticks, self._condition.trouble)
        if state != self._state:
            before, self._state = self._state, state
            self._made = self._make(ticks != before[:-1])
        return self._made

    def _make(self, ticked: bool) -> snmp_agent.Table:
        said = self._fleet._said(self._condition, list(self._sensors.values()))
        self._count(said, ticked)
        up_ns = self._fleet._clock.now_ns() - self._booted_ns
        made: dict[snmp_agent.Oid, int | str] = {UPTIME: snmp_agent.TimeTicks(up_ns // 10**7)}
        return made | {oid: self._shown(name, said[name]) for oid, name in self._sensors.items()}

    def _count(self, said: Mapping[str, float], ticked: bool) -> None:
        """Counters grow by what is so for each of their periods, and begin anew with the device."""
        if (booted := self._condition.booted_ns) != self._booted_ns:
            self._booted_ns = booted
            self._counters = dict.fromkeys(self._counters, 0.0)
        if ticked:
            for name in self._counters:
                self._counters[name] += said[name] * self._fleet._model.period_ns(name) / NS_PER_SECOND

    def _shown(self, name: str, value: float) -> int | str:
        if self._condition.is_wrong:
            return "n/a"
        if name in self._counters:
            return snmp_agent.Counter32(int(self._counters[name]) % 2**32)
        return f"{value:.1f}" if name in self._texts else int(value)


def _is_rate(sensor: Sensor) -> bool:
    return isinstance(sensor.source, SnmpSource) and sensor.source.rate


def _modbus_units(inventory: Inventory) -> Mapping[tuple[str, int], list[modbus_server.Unit]]:
    """Per server its units: sensors' fields, and the registers that commands write and read."""
    fields: dict[tuple[str, int], dict[int, list[modbus.Field]]] = {}
    plain: dict[tuple[str, int], dict[int, dict[int, int]]] = {}
    for sensor in inventory.sensors.values():
        source = sensor.source
        if isinstance(source, ModbusSource | SocomecSource):
            field = modbus.field_of(sensor) if isinstance(source, ModbusSource) else socomec.field_of(sensor)
            fields.setdefault((source.ip, source.port), {}).setdefault(field.unit_id, []).append(field)
    for target in inventory.commands:
        words = plain.setdefault((target.ip, target.port), {}).setdefault(target.unit_id, {})
        for action in target.actions:
            words.setdefault(action.register, 0)
        for shown in target.properties:
            first = next(iter(shown.values.values()), 0.0)
            state = registers.encode(first, shown.type, shown.byteorder, shown.wordorder)
            words |= {shown.register + i: word for i, word in enumerate(state)}
    servers: dict[tuple[str, int], list[modbus_server.Unit]] = {}
    for at in fields.keys() | plain.keys():
        mine, words_of = fields.get(at, {}), plain.get(at, {})
        for unit in sorted(mine.keys() | words_of.keys()):
            served = modbus_server.Unit(unit, tuple(mine.get(unit, ())), words_of.get(unit, {}))
            servers.setdefault(at, []).append(served)
    return servers


async def _shutdown(server: ModbusTcpServer) -> None:
    await server.shutdown()  # type: ignore[no-untyped-call]


def _refuse_all_but_loopback(inventory: Inventory) -> None:
    for sensor in inventory.sensors.values():
        if isinstance(sensor.source, PushSource):
            continue
        if not _is_loopback(sensor.source.ip):
            raise PermanentError(
                f"{sensor.name}: {sensor.source.ip} is not a loopback address; it is not simulated"
            )
    for target in inventory.commands:
        if not _is_loopback(target.ip):
            raise PermanentError(f"{target.id}: {target.ip} is not a loopback address; it is not simulated")


def _is_loopback(ip: str) -> bool:
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return False
