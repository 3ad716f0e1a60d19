"""A small description, and thin readings of it over many days: little to compute, much to keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backend.core.reading import Points
from backend.core.windows import NS_PER_SECOND, Window

SENSORS = """
pdu:
  plug_1: {name: plug_1, sensor_type: wattmeter, unit: W, method: snmp, ip: 127.0.0.1, oid: '1.2', index: 1, period: 600}
  plug_2: {name: plug_2, sensor_type: wattmeter, unit: W, method: snmp, ip: 127.0.0.1, oid: '1.2', index: 2, period: 600}
  fan: {name: fan, sensor_type: wattmeter, unit: W, method: snmp, ip: 127.0.0.1, oid: '1.2', index: 3, period: 900}
temperature:
  probe: {name: probe, sensor_type: temperature, unit: celsius, method: temperature_push, period: 1200}
"""
TREE = """
datacenter: {id: datacenter, name: All, children: [servers, cooling], root: true}
servers: {id: servers, name: Servers, children: [server_1, server_2]}
server_1: {id: server_1, name: Server 1, target: plug_1}
server_2: {id: server_2, name: Server 2, target: plug_2}
cooling: {id: cooling, name: Cooling, target: fan}
"""
PERIODS_S = {"plug_1": 600, "plug_2": 600, "fan": 900, "probe": 1200}


def describe(folder: Path) -> Path:
    there = folder / "description"
    there.mkdir()
    (there / "sensors.yaml").write_text(SENSORS)
    (there / "multitree.yaml").write_text(TREE)
    return there


def readings(start_ns: int, end_ns: int, seed: int = 0) -> dict[str, Points]:
    """By sensor; one in twenty is missing, and a whole day of one of them."""
    rng = np.random.default_rng(seed)
    points_by_sensor = {}
    for name, period_s in PERIODS_S.items():
        times = np.arange(start_ns, end_ns, period_s * NS_PER_SECOND, dtype=np.int64)
        here = rng.random(len(times)) > 0.05
        if name == "plug_2":
            day = Window.D1.floor(start_ns) + 3 * Window.D1.ns
            here &= (times < day) | (times >= day + Window.D1.ns)
        times = times[here]
        points_by_sensor[name] = Points(times, np.round(rng.normal(100, 20, len(times)), 2))
    return points_by_sensor
