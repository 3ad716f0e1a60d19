"""Labels beside every id of a sensor that GraphQL answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.core.events import EventKind, SensorEvent
from backend.core.health import DeviceHealth, DeviceState
from tests.support.graphql_client import data, site_app
from tests.support.small_site import NOON, SmallSite, small_inventory

LABELS = {"fan": "Roof fan", "front1": "Z1.1 U3 front, a", "a_pdu-1": "a, 1 outlet 1"}


@pytest.fixture
def site() -> SmallSite:
    inventory = small_inventory()
    sensors = {n: replace(s, label=LABELS.get(n, n)) for n, s in inventory.sensors.items()}
    return SmallSite(replace(inventory, sensors=sensors))


async def test_a_sensor_has_its_label_and_is_found_by_it(site: SmallSite) -> None:
    query = """query ($search: String) { sensors(search: $search) { edges { node { name label } } } }"""
    by_label = (await data(site_app(site), query, search="roof"))["sensors"]
    assert by_label["edges"] == [{"node": {"name": "fan", "label": "Roof fan"}}]
    by_id = (await data(site_app(site), query, search="a_pdu-2"))["sensors"]
    assert by_id["edges"] == [{"node": {"name": "a_pdu-2", "label": "a_pdu-2"}}]


async def test_a_probe_that_no_file_describes_has_its_id_as_label(site: SmallSite) -> None:
    site.hear({"28ff": 20.0})
    answer = await data(site_app(site), '{ sensor(name: "28ff") { label } }')
    assert answer["sensor"] == {"label": "28ff"}


async def test_series_and_energy_name_the_sensor_or_the_node(site: SmallSite) -> None:
    await site.write("fan", list(range(NOON - 120, NOON)), [1.0] * 120)
    await site.roll_up()
    span = 'from: "2023-11-14T11:58:00Z"'
    query = f"""{{ series(sensors: ["fan"], nodes: ["cooling"], {span}) {{ label }}
        energy(sensors: ["fan"], nodes: ["cooling", "server_a"], {span}) {{ label missingLabels }} }}"""
    answer = await data(site_app(site), query)
    assert [s["label"] for s in answer["series"]] == ["Roof fan", "Cooling"]
    assert answer["energy"] == [
        {"label": "Roof fan", "missingLabels": []},
        {"label": "Cooling", "missingLabels": []},
        {"label": "Server_A", "missingLabels": ["a, 1 outlet 1", "a_pdu-2"]},
    ]


async def test_trees_name_targets_and_missing_sensors(site: SmallSite) -> None:
    fields = "nodes { id targetLabel missingLabels }"
    query = f'{{ energyTree {{ {fields} }} energyTreeOver(from: "2023-11-14T11:58:00Z") {{ {fields} }} }}'
    await site.roll_up()
    answer = await data(site_app(site), query)
    for tree in answer.values():
        nodes = {n["id"]: n for n in tree["nodes"]}
        assert nodes["cooling"] == {"id": "cooling", "targetLabel": "Roof fan", "missingLabels": ["Roof fan"]}
        assert nodes["datacenter"]["targetLabel"] is None


async def test_places_events_devices_and_problems_have_labels(site: SmallSite) -> None:
    site.hear({"fan": 1.0}, ago_s=7200)
    event = SensorEvent(0, "front1", EventKind.SILENT, NOON * 10**9, "front1 fell silent.")
    await site.events.record([event], [])
    await site.counters.count(["front1"], NOON * 10**9)
    health = DeviceHealth("snmp", "snmp", "c", ("fan",), 1.0, DeviceState.OK, NOON * 10**9, missing=("fan",))
    await site.board.report([health])
    query = """{ racks { equipment { name wattmeterLabels } probes { sensorLabel } } roomMap { sensorLabels }
        events { edges { node { sensorLabel } } } devices { sensorLabels missingLabels }
        sensorErrors { sensorLabel } overview { problems { kind sensorLabels } } }"""
    answer = await data(site_app(site), query)
    (rack,) = answer["racks"]
    assert rack["probes"] == [{"sensorLabel": "Z1.1 U3 front, a"}, {"sensorLabel": "back1"}]
    assert {"name": "a", "wattmeterLabels": ["a, 1 outlet 1", "a_pdu-2"]} in rack["equipment"]
    assert answer["roomMap"] == [{"sensorLabels": ["Roof fan"]}]
    assert answer["events"]["edges"] == [{"node": {"sensorLabel": "Z1.1 U3 front, a"}}]
    assert answer["devices"] == [{"sensorLabels": ["Roof fan"], "missingLabels": ["Roof fan"]}]
    assert answer["sensorErrors"] == [{"sensorLabel": "Z1.1 U3 front, a"}]
    assert any("Roof fan" in p["sensorLabels"] for p in answer["overview"]["problems"])
