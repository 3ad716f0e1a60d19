"""The loader on a small description: the values that it reads."""

from __future__ import annotations

from pathlib import Path

from backend.inventory.check import check
from backend.inventory.loader import FILES, load
from backend.inventory.model import (
    FluksoSource,
    ModbusSource,
    PushSource,
    SnmpSource,
    SnmpUser,
    SocomecSource,
)
from tests.support.small_description import SMALL


def test_each_method_has_its_source(small: Path) -> None:
    sensors = load(small).sensors
    base = "1.3.6.1.4.1.318.1.1.26.9.4.3.1.7"
    assert sensors["server-1_pdu-A"].source == SnmpSource("127.0.0.1", base, 7)
    user = SnmpUser("reader", "not-so-secret")
    assert sensors["server-1_pdu-B"].source == SnmpSource("127.0.0.1", base, 16, 1161, "3", user=user)
    water = ModbusSource("127.0.0.1", 1000, "float32", byteorder=">", divide_by=10)
    assert sensors["water_in"].source == water
    assert sensors["feed"].source == SocomecSource("gateway.local", 18476, 4)
    assert sensors["clamp"].source == FluksoSource("127.0.0.1", "0123")
    assert sensors["28b8fb2909000003"].source == PushSource("A", "front", 1)


def test_own_keys_win_over_merged_ones_and_the_first_merged_map_wins(small: Path) -> None:
    sensors = load(small).sensors
    assert sensors["server-1_pdu-A"].unit == "W"
    assert sensors["server-1_pdu-B"].unit == "kW"
    assert sensors["water_in"].unit == "C"


def test_missing_keys_have_defaults(small: Path) -> None:
    sensors = load(small).sensors
    assert sensors["server-1_pdu-A"].location == "server-1"
    assert sensors["server-1_pdu-B"].location == "rack A"
    assert sensors["feed"].location == "feed"
    probe = sensors["28b8fb2909000003"]
    assert (probe.location, probe.unit, probe.sensor_type) == ("room exterior", "celsius", "temperature")
    assert (sensors["feed"].sensor_type, sensors["feed"].unit) == ("wattmeter", "W")
    assert (sensors["feed"].period_s, sensors["server-1_pdu-B"].period_s) == (None, 0.5)
    assert sensors["water_in"].tags == ("inside_temperature", "12")


def test_names_of_digits_stay_texts(small: Path) -> None:
    inventory = load(small)
    assert "2800000000000001" in inventory.sensors
    assert inventory.room[0].sensors == ("feed", "2800000000000001")


def test_a_child_with_a_hyphen_means_the_id_with_an_underscore(small: Path) -> None:
    tree = load(small).consumption
    assert [n.id for n in tree.nodes] == ["datacenter", "server_1", "a", "b", "clamp"]
    assert tree.by_id["server_1"].parent == "datacenter"
    assert tree.sensors == ("server-1_pdu-A", "server-1_pdu-B", "clamp")


def test_a_node_named_only_by_simplified_children_has_its_own_sum_and_counts_in_no_other(small: Path) -> None:
    tree = load(small).consumption
    assert [n.id for n in tree.detached] == ["feed"]
    assert tree.leaves["feed"] == ("feed",)
    assert "feed" not in tree.leaves["server_1"] + tree.leaves["datacenter"]


def test_places_and_commands(small: Path) -> None:
    inventory = load(small)
    (rack,) = inventory.site.racks
    assert [(e.name, e.position, e.type) for e in rack.equipment] == [
        ("server-1", 32, "compute"),
        ("sw", 42, "switch"),
    ]
    (probe,) = inventory.probes
    assert (probe.rack, probe.side, probe.position, probe.servers) == ("A", "front", 1, ("server-1",))
    assert (inventory.room[0].x, inventory.room[0].y) == ("82.5%", "7%")
    (target,) = inventory.commands
    assert (target.ip, target.port, target.unit_id, target.actions[0].value) == ("127.0.0.1", 503, 1, 1)
    assert target.properties[0].values == {"active": 1.0}


def test_only_sensors_and_the_consumption_tree_are_required(small: Path) -> None:
    for name in FILES[2:]:
        (small / name).unlink()
    inventory = load(small)
    assert [n.id for n in inventory.production.nodes] == ["overall_production"]
    assert (inventory.site.racks, inventory.probes, inventory.room, inventory.commands) == ((), (), (), ())


def test_harmless_leftovers_of_deployments_are_accepted(small: Path) -> None:
    """An orphan in the tree, probes of a rack that is not in racks.yaml, and tags that name no server."""
    with (small / "multitree.yaml").open("a") as file:
        file.write("board: {children: [board_1]}\nboard_1: {target: water_in}\n")
    (small / "temperature.yaml").write_text(
        "room: {top: {1: {serie: 28b8fb2909000003, tags: [outside], x: 1}}}"
    )
    inventory = load(small)
    assert [n.id for n in inventory.consumption.detached] == ["feed", "board", "board_1"]
    assert inventory.probes[0].servers == ("outside",)
    assert "note: consumption: nodes without a parent (not in any sum): board\n" in check(small)[1] + "\n"


def test_utf16_and_a_byte_order_mark_are_read(small: Path) -> None:
    (small / "racks.yaml").write_text("name: é", encoding="utf-16")
    (small / "multitree.yaml").write_text(SMALL["multitree.yaml"], encoding="utf-8-sig")
    assert load(small).site.name == "é"
