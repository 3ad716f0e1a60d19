"""Labels of sensors: each rule, their order, and that no two sensors share one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.tree import Tree, TreeNode
from backend.inventory.labels import MAX_INFO_LENGTH, derive_labels
from backend.inventory.loader import load
from backend.inventory.model import (
    Equipment,
    Probe,
    PushSource,
    Rack,
    Sensor,
    Site,
    SnmpSource,
    SocomecSource,
)

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "datacenter"
SITE = Site(
    "n",
    "s",
    (Rack("Z1.1", (Equipment("ecotype-38", 30, "compute"), Equipment("ecotype-39", 28, "compute"))),),
)
OUTLET = SnmpSource("127.0.0.1", "1.3.6.1.4", 8)
METER = SocomecSource("127.0.0.1", 18476, 4)


def probe(name: str, **fields: object) -> Sensor:
    sensor = Sensor(
        name, "temperature", "celsius", "temperature_push", "probes", PushSource(), "room exterior"
    )
    return replace(sensor, **fields)  # type: ignore[arg-type]


def meter(name: str, **fields: object) -> Sensor:
    sensor = Sensor(name, "wattmeter", "W", "socomec", "meters", METER, name)
    return replace(sensor, **fields)  # type: ignore[arg-type]


def tree(*leaves: tuple[str, str, str]) -> Tree:
    """A tree of leaves: id, name, target."""
    nodes = tuple(TreeNode(node_id, name, "root", (), target) for node_id, name, target in leaves)
    return Tree(
        "consumption", "root", (TreeNode("root", "Root", None, tuple(n.id for n in nodes), None), *nodes)
    )


def labels(
    *sensors: Sensor,
    explicit: dict[str, str] | None = None,
    trees: Sequence[Tree] = (),
    site: Site = SITE,
    probes: Sequence[Probe] = (),
) -> dict[str, str]:
    return derive_labels({s.name: s for s in sensors}, explicit or {}, trees, site, probes)


def label(sensor: Sensor, trees: Sequence[Tree] = (), probes: Sequence[Probe] = ()) -> str:
    return labels(sensor, trees=trees, probes=probes)[sensor.name]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Probe("Z1.1", "back", 30, "28ff", ("ecotype-38",)), "Z1.1 U30 back, ecotype-38"),
        (Probe("Z1.1", "front", 30, "28ff"), "Z1.1 U30 front, ecotype-38"),
        (Probe("Z1.1", "back", 5, "28ff"), "Z1.1 U5 back"),
        (Probe("Z1.1", "back", 29, "28ff", ("ecotype-38", "ecotype-39")), "Z1.1 U29 back, ecotype-38, ecotype-39"),
        (Probe("Z1.1", "back", 30, "28ff", ("outside",)), "Z1.1 U30 back, ecotype-38"),
        (Probe("Z1.1", "top", 30, "28ff", ("ecotype-38",)), "Z1.1 top 30"),
        (Probe("room", "front", 1, "28ff"), "room U1 front"),
    ],
)  # fmt: skip
def test_a_probe_is_named_by_its_place_and_its_server(place: Probe, expected: str) -> None:
    assert label(probe("28ff"), probes=[place]) == expected


def test_a_probe_that_only_sensors_yaml_places_is_named_by_that_place() -> None:
    placed = probe("28ff", source=PushSource("Z1.1", "back", 28))
    assert label(placed) == "Z1.1 U28 back, ecotype-39"
    assert label(placed, probes=[Probe("Z1.1", "front", 30, "28ff")]) == "Z1.1 U30 front, ecotype-38"


@pytest.mark.parametrize(
    "source", [PushSource("Z1.1"), PushSource("Z1.1", "back"), PushSource(side="back", position=2)]
)
def test_a_probe_without_a_full_place_is_named_by_location_and_type(source: PushSource) -> None:
    assert label(probe("28ff", source=source)) == "room exterior, temperature"


def test_an_outlet_is_named_by_server_feed_and_number() -> None:
    outlet = meter("ecotype-1_pdu-Z1.50", source=OUTLET, location="ecotype-1", info="on the left")
    assert label(outlet) == "ecotype-1, Z1.50 outlet 8"
    assert label(replace(outlet, source=replace(OUTLET, index=None))) == "ecotype-1, Z1.50"
    assert label(replace(outlet, source=METER, location="rack A")) == "ecotype-1, Z1.50"
    assert label(outlet, trees=[tree(("a", "Left plug", outlet.name))]) == "ecotype-1, Z1.50 outlet 8"


def test_a_leaf_of_a_tree_names_its_target() -> None:
    lights = meter("flukso_3", info="Ceiling")
    named = tree(("lights", "Lighting", "flukso_3"))
    assert label(lights, trees=[named]) == "Lighting"
    assert label(lights, trees=[tree(("lights", "lights", "flukso_3"))]) == "Ceiling"
    assert label(lights, trees=[named, tree(("other", "Lamps", "flukso_3"))]) == "Lighting"


def test_a_detached_node_names_its_target_too() -> None:
    node = TreeNode("feed", "Feed of all racks", None, (), "socomec_1")
    apart = replace(tree(), detached=(node,))
    assert label(meter("socomec_1"), trees=[apart]) == "Feed of all racks"


def test_then_info_location_and_id_name_a_sensor() -> None:
    assert label(meter("m", info="Wall sockets", location="office")) == "Wall sockets"
    assert label(meter("m", info="x" * MAX_INFO_LENGTH)) == "x" * MAX_INFO_LENGTH
    assert label(meter("m", info="x" * (MAX_INFO_LENGTH + 1), location="office")) == "office, wattmeter"
    assert label(meter("m", location="office")) == "office, wattmeter"
    assert label(meter("m")) == "m"


def test_a_label_is_one_line() -> None:
    assert label(meter("m", info="Wall\n  sockets\t")) == "Wall sockets"


def test_an_explicit_label_wins_over_every_rule() -> None:
    outlet = meter("ecotype-1_pdu-Z1.50", source=OUTLET)
    assert labels(outlet, explicit={outlet.name: "Left plug"}) == {outlet.name: "Left plug"}
    assert labels(outlet, explicit={outlet.name: outlet.name}) == {outlet.name: outlet.name}


def test_shared_labels_get_the_first_qualifier_that_tells_them_apart() -> None:
    a, b = meter("a", info="Fan", location="roof"), meter("b", info="Fan", location="cellar")
    assert labels(a, b) == {"a": "Fan, roof", "b": "Fan, cellar"}
    a, b = replace(a, parent="left"), replace(b, location="roof", parent="right")
    assert labels(a, b) == {"a": "Fan, left", "b": "Fan, right"}
    assert labels(a, replace(b, parent=None)) == {"a": "Fan, a", "b": "Fan, b"}


def test_an_explicit_label_stays_and_the_derived_one_is_qualified() -> None:
    a, b = meter("a", info="Fan", location="roof"), meter("b", info="Fan", location="cellar")
    assert labels(a, b, explicit={"a": "Fan"}) == {"a": "Fan", "b": "Fan, cellar"}
    assert labels(a, b, explicit={"a": "Fan", "b": "Fan"}) == {"a": "Fan, roof", "b": "Fan, cellar"}


def test_a_qualified_label_that_another_sensor_has_gets_the_id() -> None:
    a, b = meter("a", info="Fan", location="roof"), meter("b", info="Fan", location="cellar")
    other = meter("c")
    assert labels(a, b, other, explicit={"c": "Fan, roof"}) == {
        "a": "Fan, roof, a",
        "b": "Fan, cellar",
        "c": "Fan, roof",
    }


TEXTS = st.sampled_from(["", "Fan", "Fan, a", "Fan, roof", "a", "b", "roof"])


@given(
    infos=st.lists(TEXTS, min_size=5, max_size=5),
    places=st.lists(TEXTS, min_size=5, max_size=5),
    explicit=st.dictionaries(st.sampled_from("abcde"), TEXTS.filter(bool)),
)
def test_every_sensor_has_a_label_of_its_own(
    infos: list[str], places: list[str], explicit: dict[str, str]
) -> None:
    sensors = [meter(n, info=i, location=p or n) for n, i, p in zip("abcde", infos, places, strict=True)]
    texts = labels(*sensors, explicit=explicit)
    assert list(texts) == list("abcde")
    assert all(texts.values())
    assert len(set(texts.values())) == len(texts)
    counts = list(explicit.values())
    assert all(texts[n] == text for n, text in explicit.items() if counts.count(text) == 1)


def test_messages_show_the_label_and_then_the_id() -> None:
    assert meter("flukso_1", label="Roof fan 1").title == "Roof fan 1 [flukso_1]"
    assert meter("flukso_1").title == "flukso_1"


def test_a_sensor_that_no_description_labels_has_its_id() -> None:
    assert meter("m").label == "m"


def test_the_example_reads_well() -> None:
    texts = {s.name: s.label for s in load(EXAMPLE).sensors.values()}
    assert len(set(texts.values())) == len(texts)
    assert texts["28580e180909002b"] == "Z1.1 U30 front, ecotype-38"
    assert texts["ecotype-1_pdu-Z1.50"] == "ecotype-1, Z1.50 outlet 1"
    assert texts["network1_power"] == "Solar network 1"
    assert texts["socomec_servers"] == "Feed of all racks"
    assert texts["inrow_water_in_temperature"] == "In-row cooler: chilled water, inlet"
    assert texts["weather_rain"] == "Weather station: rain"
