"""All devices of a description, simulated on the addresses it gives them."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
from pymodbus.server import ModbusTcpServer

from backend.core.clock import Clock, SystemClock
from backend.core.errors import PermanentError
from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import (
    FluksoSource,
    Inventory,
    ModbusSource,
    PushSource,
    SnmpSource,
    SocomecSource,
)
from crawlers import modbus, registers, socomec
from crawlers.simulators import flukso_server, modbus_server, snmp_agent
from crawlers.simulators.arduino_posters import Card
from crawlers.simulators.encoding import prints_text
from crawlers.simulators.faults import cards
from crawlers.simulators.model import DataCentreModel
from crawlers.snmp_plan import parse_oid

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
    ) -> None:
        """`temperature_url`: where cards push, such as `http://127.0.0.1:8081/temperature/list`; None: they do not."""
        _refuse_all_but_loopback(inventory)
        self._inventory = inventory
        self._model = model
        self._url = temperature_url
        self._clock = clock or SystemClock()
        self._open = contextlib.AsyncExitStack()
        self._thread: threading.Thread | None = None
        self._stop: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self.cards = [Card(name, probes, model, self._clock) for name, probes in cards(inventory).items()]

    def tick(self, sensor: str) -> int:
        """The time whose value a sensor shows now, ns."""
        period = self._model.period_ns(sensor)
        return self._clock.now_ns() // period * period

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
            agent = snmp_agent.SnmpAgent(_Table(self, table), community)
            transport = await snmp_agent.serve(agent, ip, port)
            self._open.callback(transport.close)

    async def _start_modbus(self) -> None:
        for (ip, port), units in _modbus_units(self._inventory).items():
            server = await modbus_server.serve(units, self._raw, ip, port)
            self._open.push_async_callback(_shutdown, server)

    async def _start_flukso(self) -> None:
        meters: dict[tuple[str, int], dict[str, str]] = {}
        for sensor in self._inventory.sensors.values():
            if isinstance(source := sensor.source, FluksoSource):
                meters.setdefault((source.ip, source.port), {})[source.sensor_id] = sensor.name
        for (ip, port), sensors in meters.items():
            server = flukso_server.FluksoServer(sensors, self._minute)
            await server.start(ip, port)
            self._open.push_async_callback(server.stop)

    def _minute(self, name: str) -> list[tuple[int, float | str]]:
        """The last minute; the second that is not over yet has no mean and reads `nan`."""
        seconds = self._clock.now_ns() // NS_PER_SECOND + LAST_MINUTE
        watts = self._model.value([name], seconds * NS_PER_SECOND)[0]
        points: list[tuple[int, float | str]] = list(zip(seconds.tolist(), watts.tolist(), strict=True))
        points[-1] = (points[-1][0], "nan")
        return points

    async def _start_cards(self) -> None:
        if self._url is None:
            return
        client = httpx.AsyncClient(timeout=5.0, trust_env=False)
        self._open.push_async_callback(client.aclose)
        for card in self.cards:
            task = asyncio.create_task(card.run(client, self._url), name=card.name)
            task.add_done_callback(_say_why)
            self._open.push_async_callback(_cancelled, task)

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
    """An agent's OIDs with the values of the moment; made once a tick."""

    def __init__(self, fleet: SimulatedFleet, sensors: Mapping[snmp_agent.Oid, str]) -> None:
        self._fleet = fleet
        self._sensors = sensors
        self._texts = {n for n in sensors.values() if prints_text(fleet._inventory.sensors[n])}
        self._of_period = {fleet._model.period_ns(name): name for name in sensors.values()}
        self._ticks: tuple[int, ...] = ()
        self._made: snmp_agent.Table = {}

    def __call__(self) -> snmp_agent.Table:
        ticks = tuple(self._fleet.tick(name) for name in self._of_period.values())
        if ticks != self._ticks:
            raw = self._fleet._raw(list(self._sensors.values()))
            self._made = {
                oid: f"{raw[name]:.1f}" if name in self._texts else int(raw[name])
                for oid, name in self._sensors.items()
            }
            self._ticks = ticks
        return self._made


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


def _say_why(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("simulated card %s ended", task.get_name(), exc_info=error)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


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
