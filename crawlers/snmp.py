"""SNMP: the outlets of a PDU, the ports of a PoE switch, the figures of a cooler.

One device is one agent (address, port, version, community or user). Its sensors are planned into as few requests as they
allow: neighbouring instances of one base OID become a GETBULK (0.09 ms of CPU a value instead of 0.3 by GET), the rest GETs
of many variables. Answers cut short, `tooBig` and missing instances are ordinary cases, see `snmp_plan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from backend.core.errors import TransientError
from backend.inventory.model import Sensor, SnmpSource, SnmpUser
from crawlers.device import Device, Sample, device_name, sample_at
from crawlers.snmp_link import Link, connect
from crawlers.snmp_plan import GET_VARIABLES, Exchange, Oid, parse_oid, plan
from crawlers.snmp_rates import UPTIME, Rates, plain

METHOD: Final = "snmp"
ANY: Final = 1_000
RELEARN_POLLS: Final = 600
"""After so many polls an agent that said `tooBig` is asked for more again: it may have been a broken packet that said so."""


class SnmpDevice:
    """One SNMP agent."""

    method = METHOD

    def __init__(self, sensors: Sequence[Sensor], per_get: int = GET_VARIABLES, bulk: bool = True) -> None:
        """`sensors` all have `SnmpSource`s of one agent. `per_get` is how many variables it bears in a GET; `bulk` is
        False for one that answers GETBULK badly."""
        self._source = _source(sensors[0])
        self.name = device_name(METHOD, self._source.ip, self._source.port, (s.parent for s in sensors))
        self.sensors = tuple(s.name for s in sensors)
        self.period_s = min(s.poll_s for s in sensors)
        self.timeout_s = max(0.9 * self.period_s, 0.5)
        rated = {s.name for s in sensors if _source(s).rate}
        self._names: dict[Oid, list[str]] = {}
        for sensor in sensors:
            self._names.setdefault(parse_oid(_source(sensor).full_oid), []).append(sensor.name)
        self._rated = {n: o for o, names in self._names.items() for n in names if n in rated}
        asked = {*self._names, UPTIME} if self._rated else self._names
        self._rates = Rates(self.period_s)
        self._requests = plan(asked, bulk=bulk and self._source.version != "1", per_get=per_get)
        self._most = ANY
        self._polls = 0
        self._link: Link | None = None

    async def read(self, tick_ns: int) -> Sample:
        if self._link is None:
            self._link = await connect(self._source, self.timeout_s * 0.4)
        self._polls += 1
        if self._polls % RELEARN_POLLS == 0:
            self._most = min(ANY, 2 * self._most)
        exchange = Exchange(list(self._requests), self._most)
        while request := exchange.next():
            exchange.feed(await self._link.ask(request))
        self._most = exchange.most
        if not exchange.values.keys() & self._names.keys():
            raise TransientError(
                f"no sensor has a value: {'; '.join(sorted(set(exchange.missing.values())))[:200]}"
            )
        values: dict[str, float] = {}
        if self._rated:
            rates = self._rates.of(exchange.values, set(self._rated.values()), tick_ns)
            values = {name: rates[oid] for name, oid in self._rated.items() if oid in rates}
        for oid, value in exchange.values.items():
            values |= {n: plain(value) for n in self._names.get(oid, ()) if n not in self._rated}
        missing = {name: why for oid, why in exchange.missing.items() for name in self._names.get(oid, ())}
        return sample_at(tick_ns, values, missing)

    async def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


def _source(sensor: Sensor) -> SnmpSource:
    assert isinstance(sensor.source, SnmpSource)
    return sensor.source


def devices(sensors: Sequence[Sensor], per_get: int = GET_VARIABLES, bulk: bool = True) -> list[Device]:
    """One device an agent and period."""
    agents: dict[tuple[str, int, str, str, SnmpUser | None, float], list[Sensor]] = {}
    for sensor in sensors:
        source = _source(sensor)
        key = (source.ip, source.port, source.version, source.community, source.user, sensor.poll_s)
        agents.setdefault(key, []).append(sensor)
    return [SnmpDevice(group, per_get, bulk) for group in agents.values()]


if __name__ == "__main__":
    from crawlers.cli import main

    raise SystemExit(main([METHOD]))
