"""A small site description that uses every method, and the faults of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.core.errors import DescriptionError, Fault
from backend.inventory.loader import load

SMALL = {
    "sensors.yaml": """
classes:
  wattmeter: &wattmeter {sensor_type: wattmeter, unit: W}
  pdu: &pdu
    <<: *wattmeter
    method: snmp
    ip: 127.0.0.1
    oid: 1.3.6.1.4.1.318.1.1.26.9.4.3.1.7
    array: true
    unit: kW
  inrow: &inrow {method: modbus, ip: 127.0.0.1, unit: C}
  float: &float {type: float32, byteorder: '>', unit: V}
pdu:
  server-1_pdu-A:
    <<: [*wattmeter, *pdu]
    name: server-1_pdu-A
    index: '7'
    unknown_key: [1, {2: 3}]
  server-1_pdu-B:
    <<: [*pdu, *wattmeter]
    index: 0x10
    port: "1161"
    version: 3
    user: reader
    auth_key: not-so-secret
    location: rack A
    period: 0.5
modbus_sensors:
  water_in:
    <<: [*inrow, *float]
    register: 1000
    sensor_type: temperature
    modbus_divide_by: 10
    tags: [inside_temperature, 12]
empty_group:
meters:
  feed: {method: socomec, ip: gateway.local, address: 18476, unit_id: 4}
  clamp: {method: flukso, ip: 127.0.0.1, sensor_id: 0123}
temperature:
  28b8fb2909000003: {method: temperature_push, rack: A, side: Front, position: 1, unit: T}
  2800000000000001: {name: 2800000000000001, method: temperature_push}
""",
    "multitree.yaml": """
datacenter: {id: datacenter, name: Data centre, root: true, children: [server-1, clamp]}
server_1: {id: server_1, children: [a, b], simplified_children: [feed]}
a: {target: server-1_pdu-A}
b: {target: server-1_pdu-B}
clamp: {target: clamp}
feed: {target: feed}
""",
    "production.yaml": "overall_production: {root: true, children: [sun]}\nsun: {target: clamp}\n",
    "racks.yaml": "name: n\nsite: s\nracks: {A: {server-1: {position: 32}, sw: {position: 42, type: switch}}}\n",
    "temperature.yaml": "A: {front: {'1': {serie: 28b8fb2909000003, tags: [server-1]}}}\n",
    "room_map.yaml": "A: {coordinates: {x: 82.5%, y: 7}, color: blue, sensors: [feed, 2800000000000001]}\n",
    "commands.yaml": """
classes: {board: &board {ip: 127.0.0.1, port: 503, type: bool, byteorder: '>'}}
sun:
  actions:
    on: {how: {<<: *board, action: write, register: 3000, value: 1}}
  properties:
    status: {how: {<<: *board, action: read, register: 3000, values: {active: {expected_value: 1}}}}
""",
}


def faults_of(folder: Path) -> tuple[Fault, ...]:
    with pytest.raises(DescriptionError) as caught:
        load(folder)
    assert caught.value.faults
    return caught.value.faults
