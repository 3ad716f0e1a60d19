"""The loader on broken descriptions: the fault for each way to break a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backend.inventory.check import check
from backend.inventory.loader import FILES, load
from tests.support.small_description import SMALL, faults_of

Change = tuple[str, str, str]
"""File, what to replace, by what."""
HOW = "sun.properties.status.how"

BROKEN: dict[str, tuple[Change, str, str]] = {
    # the mistake: (change, key path of the fault, part of its text)
    "method": (("sensors.yaml", "method: socomec", "method: zigbee"), "meters.feed.method", "temperature_push"),
    "no method": (("sensors.yaml", "method: socomec, ", ""), "meters.feed.method", "nothing"),
    "no ip": (("sensors.yaml", "ip: gateway.local, ", ""), "meters.feed.ip", "nothing"),
    "ip": (("sensors.yaml", "gateway.local", "192.168.1.300"), "meters.feed.ip", "192.168.1.300"),
    "ip is a list": (("sensors.yaml", "gateway.local", "[1, 2]"), "meters.feed.ip", "a list"),
    "oid": (("sensors.yaml", "1.3.6.1.4.1.318.1.1.26.9.4.3.1.7", "1.3.x"), "pdu.server-1_pdu-A.oid", "an OID"),
    "port": (("sensors.yaml", '"1161"', "70000"), "pdu.server-1_pdu-B.port", "65535"),
    "index": (("sensors.yaml", "'7'", "seven"), "pdu.server-1_pdu-A.index", "'seven'"),
    "period": (("sensors.yaml", "period: 0.5", "period: 0"), "pdu.server-1_pdu-B.period", "above 0"),
    "period is infinite": (("sensors.yaml", "0.5", ".inf"), "pdu.server-1_pdu-B.period", "above 0"),
    "version": (("sensors.yaml", "version: 3", "version: 4"), "pdu.server-1_pdu-B.version", "2c"),
    "version 3, no user": (("sensors.yaml", "user: reader", ""), "pdu.server-1_pdu-B.user", "nothing"),
    "privacy, no key": (("sensors.yaml", "auth_key", "priv_key"), "pdu.server-1_pdu-B.auth_key", "priv_key"),
    "register": (("sensors.yaml", "register: 1000", "register: -1"), "modbus_sensors.water_in.register", "-1"),
    "type": (("sensors.yaml", "float32", "float64"), "modbus_sensors.water_in.type", "float64"),
    "byte order": (("sensors.yaml", "'>'", "big"), "modbus_sensors.water_in.byteorder", "one of <, >"),
    "divisor": (("sensors.yaml", "divide_by: 10", "divide_by: 0"), "modbus_sensors.water_in.modbus_divide_by", "0"),
    "no unit": (("sensors.yaml", "register: 1000", "register: 1000\n    unit:"), "modbus_sensors.water_in.unit", "nothing"),
    "no type": (("sensors.yaml", "sensor_type: temperature", ""), "modbus_sensors.water_in.sensor_type", "nothing"),
    "no sensor id": (("sensors.yaml", "sensor_id: 0123", ""), "meters.clamp.sensor_id", "nothing"),
    "unit id": (("sensors.yaml", "unit_id: 4", "unit_id: 256"), "meters.feed.unit_id", "256"),
    "name": (("sensors.yaml", "name: server-1_pdu-A", "name: x"), "pdu.server-1_pdu-A.name", "the key"),
    "name twice": (("sensors.yaml", "  clamp:", "  water_in:"), "meters.water_in", "also in group modbus_sensors"),
    "key twice": (("sensors.yaml", "  clamp:", "  feed:"), "meters.feed", "duplicate key (first at line"),
    "colons": (("sensors.yaml", "2909000003:", "29:09:03:"), "temperature.28b8fb29:09:03", "without ':'"),
    "side": (("sensors.yaml", "Front", "left"), "temperature.28b8fb2909000003.side", "front, back, top"),
    "position": (("sensors.yaml", "position: 1", "position: 43"), "temperature.28b8fb2909000003.position", "42"),
    "sensor is a text": (("sensors.yaml", "clamp: {", "other: x\n  clamp: {"), "meters.other", "'x'"),
    "group is a list": (("sensors.yaml", "empty_group:", "empty_group: [1]"), "empty_group", "a list"),
    "merge of a text": (("sensors.yaml", "<<: *wattmeter", "<<: wattmeter"), "classes.pdu.<<", "merge"),
    "alias unknown": (("sensors.yaml", "*float", "*double"), "", "undefined alias"),
    "alias of itself": (("sensors.yaml", "empty_group:", "empty_group: &e {x: *e}"), "empty_group.x", "circular alias"),
    "syntax": (("sensors.yaml", "classes:", "classes: ]["), "", "a mistake in the YAML"),
    "tab": (("sensors.yaml", "  name:", "\tname:"), "", "a mistake in the YAML"),
    "two documents": (("racks.yaml", "site: s", "---\nsite: s"), "", "a mistake in the YAML"),
    "key is a list": (("sensors.yaml", "empty_group:", "? [a, b]\n:"), "", "a list as a key"),
    "target": (("multitree.yaml", "server-1_pdu-B", "nobody"), "b.target", "'nobody'"),
    "child": (("multitree.yaml", "[a, b]", "[a, c]"), "server_1.children[1]", "'c'"),
    "simplified child": (("multitree.yaml", "[feed]", "[food]"), "server_1.simplified_children[0]", "food"),
    "children is a map": (("multitree.yaml", "[a, b]", "{a: b}"), "server_1.children", "a map"),
    "child is a map": (("multitree.yaml", "[a, b]", "[{a: b}]"), "server_1.children[0]", "a map"),
    "id": (("multitree.yaml", "id: server_1", "id: server_2"), "server_1.id", "server_2"),
    "node is a text": (("multitree.yaml", "a: {target: server-1_pdu-A}", "a: x"), "a", "'x'"),
    "no root": (("multitree.yaml", "root: true, ", ""), "", "no root"),
    "two roots": (("multitree.yaml", "a: {", "a: {root: true, "), "a.root", "one root"),
    "root is no flag": (("multitree.yaml", "root: true", "root: maybe"), "datacenter.root", "true or false"),
    "target and children": (("multitree.yaml", "a: {", "a: {children: [feed], "), "a", "both"),
    "two parents": (("multitree.yaml", "-1, clamp]", "-1, a]"), "server_1.children", "already"),
    "child of itself": (("multitree.yaml", "feed: {target: feed}", "feed: {children: [feed]}"), "feed", "feed > feed"),
    "cycle": (("multitree.yaml", "feed: {target: feed}", "feed: {children: [f]}\nf: {children: [feed]}"), "", "cycle"),
    "root in a cycle": (("multitree.yaml", "a: {target: server-1_pdu-A}", "a: {children: [datacenter]}"), "", "cycle"),
    "ids too alike": (("multitree.yaml", "clamp: {", "server-1: {target: feed}\nclamp: {"), "server-1", "more than"),
    "id in both trees": (("production.yaml", "[sun]}\nsun", "[a]}\na"), "a", "same sensors"),
    "production target": (("production.yaml", "clamp", "none such"), "sun.target", "none such"),
    "rack position": (("racks.yaml", "32", "0"), "racks.A.server-1.position", "from 1 to 42"),
    "rack position is a map": (("racks.yaml", "32", "{}"), "racks.A.server-1.position", "a map"),
    "equipment type": (("racks.yaml", "type: switch", "type: router"), "racks.A.sw.type", "compute, switch"),
    "equipment twice": (("racks.yaml", "}}}", "}}, B: {sw: {position: 1}}}"), "racks.B.sw", "also in rack A"),
    "racks is a list": (("racks.yaml", "{A:", "[{A:"), "", ""),
    "probe": (("temperature.yaml", "28b8fb2909000003", "28ff"), "A.front.1.serie", "28ff"),
    "probe position": (("temperature.yaml", "'1'", "'43'"), "A.front.43", "'43'"),
    "probe side": (("temperature.yaml", "front", "left"), "A.left", "left"),
    "probe twice": (("temperature.yaml", "}}}", "}, '2': {serie: 28b8fb2909000003}}}"), "A.front.2.serie", "front.1"),
    "room sensor": (("room_map.yaml", "[feed", "[food"), "A.sensors[0]", "food"),
    "room x": (("room_map.yaml", "82.5%", "calc(1px)"), "A.coordinates.x", "calc"),
    "no coordinates": (("room_map.yaml", "coordinates", "place"), "A.coordinates.x", "nothing"),
    "colour": (("room_map.yaml", "blue", "'red;x: y'"), "A.color", "colour"),
    "action": (("commands.yaml", "action: write", "action: read"), "sun.actions.on.how.action", "write"),
    "no how": (("commands.yaml", "how: {<<: *board, action: w", "h: {<<: *board, action: w"), "sun.actions.on.how", "nothing"),
    "value": (("commands.yaml", "value: 1}}", "value: full}}"), "sun.actions.on.how.value", "full"),
    "expected value": (("commands.yaml", "_value: 1}", "_value: [1]}"), f"{HOW}.values.active.expected_value", "a list"),
    "two devices": (("commands.yaml", "3000, value", "3000, ip: 127.0.0.2, value"), HOW, "127.0.0.2:503"),
    "top is a list": (("racks.yaml", SMALL["racks.yaml"], "- a\n- b\n"), "", "a list"),
    "top is a text": (("multitree.yaml", SMALL["multitree.yaml"], "hello"), "", "'hello'"),
    "empty": (("multitree.yaml", SMALL["multitree.yaml"], "# nothing\n"), "", "an empty file"),
    "empty map": (("multitree.yaml", SMALL["multitree.yaml"], "{}"), "", "no root"),
    "null": (("sensors.yaml", SMALL["sensors.yaml"], "~"), "", "an empty file"),
    "blank name": (("sensors.yaml", "  clamp:", "  ' ':"), "meters. ", "a name"),
    "two lines": (("sensors.yaml", "  clamp:", '  "a\\nb":'), "meters.a\\nb", "a name"),
    "tag of an object": (("racks.yaml", "position: 42", "position: !!int ''"), "racks.A.sw.position", "position"),
}  # fmt: skip


@pytest.mark.parametrize("change, path, text", BROKEN.values(), ids=BROKEN)
def test_a_fault_names_file_and_path(small: Path, change: Change, path: str, text: str) -> None:
    name, old, new = change
    assert old in SMALL[name]
    (small / name).write_text(SMALL[name].replace(old, new, 1))
    faults = [f for f in faults_of(small) if f.file == name]
    assert any((not path or f.path == path) and text in str(f) for f in faults), [str(f) for f in faults]


def test_all_faults_of_all_files_come_at_once(small: Path) -> None:
    expected = []
    for key in ("method", "child", "rack position", "probe", "colour", "value", "production target"):
        (name, old, new), path, _ = BROKEN[key]
        (small / name).write_text((small / name).read_text().replace(old, new, 1))
        expected.append((name, path))
    assert sorted((f.file, f.path) for f in faults_of(small)) == sorted(expected)


def test_faults_beside_a_fault_come_too(small: Path) -> None:
    """A sensor without an address has its other faults, an array without a place its unknown sensors."""
    text = (
        SMALL["sensors.yaml"]
        .replace("name: server-1_pdu-A", "name: x")
        .replace("ip: gateway.local", "name: y")
    )
    (small / "sensors.yaml").write_text(text)
    room = SMALL["room_map.yaml"].replace("82.5%", "left").replace("[feed", "[food")
    (small / "room_map.yaml").write_text(room)
    assert sorted((f.file, f.path) for f in faults_of(small)) == [
        ("room_map.yaml", "A.coordinates.x"),
        ("room_map.yaml", "A.sensors[0]"),
        ("sensors.yaml", "meters.feed.ip"),
        ("sensors.yaml", "meters.feed.name"),
        ("sensors.yaml", "pdu.server-1_pdu-A.name"),
    ]


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("sensors.yaml", "  clamp: {", "  clamp: x\n  other: {"),
        ("multitree.yaml", "clamp: {target: clamp}", "clamp: x"),
    ],
)
def test_an_entry_that_is_no_map_is_one_fault_and_its_name_is_still_known(
    small: Path, name: str, old: str, new: str
) -> None:
    (small / name).write_text(SMALL[name].replace(old, new, 1))
    assert [f.actual for f in faults_of(small)] == ["'x'"]


def test_many_aliases_of_aliases_take_no_time(small: Path) -> None:
    rows = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40))]
    (small / "room_map.yaml").write_text(
        "\n".join(rows) + "\nA: {coordinates: {x: 1, y: 2}, sensors: *a39}\n"
    )
    assert {f.path for f in faults_of(small)} >= {"a0", "A.sensors[0]"}


def test_an_explicit_label_is_used_even_if_it_equals_the_id(small: Path) -> None:
    text = SMALL["sensors.yaml"].replace("    index: '7'", "    index: '7'\n    label: Left plug")
    text = text.replace("unit_id: 4}", "unit_id: 4, label: feed}")
    (small / "sensors.yaml").write_text(text)
    sensors = load(small).sensors
    assert (sensors["server-1_pdu-A"].label, sensors["feed"].label) == ("Left plug", "feed")
    assert sensors["server-1_pdu-B"].label == "server-1, B outlet 16"
    assert sensors["28b8fb2909000003"].label == "A U1 front, server-1"


def test_a_fault_has_its_line(small: Path) -> None:
    (small / "sensors.yaml").write_text(SMALL["sensors.yaml"].replace("'7'", "seven"))
    (fault,) = faults_of(small)
    assert fault.line is not None
    assert SMALL["sensors.yaml"].splitlines()[fault.line - 1].strip() == "index: '7'"
    assert str(fault).startswith(
        f"sensors.yaml:{fault.line}: pdu.server-1_pdu-A.index: found 'seven'; expected "
    )


def test_secret_keys_are_not_shown(small: Path) -> None:
    (small / "sensors.yaml").write_text(SMALL["sensors.yaml"].replace("not-so-secret", "secret"))
    (fault,) = faults_of(small)
    assert fault.path.endswith("auth_key")
    assert "secret" not in str(fault)


def test_an_unreadable_sensors_file_is_one_fault_and_does_not_make_every_target_one(small: Path) -> None:
    (small / "sensors.yaml").write_text("a: [")
    assert len(faults_of(small)) == 1


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "content", [b"a: \xe9\xe8", b"\xff\xfea", b"a: \x00", b"\x80", b"[" * 200_000, b"a: " + b"{b: " * 2000]
)
def test_arbitrary_bytes_are_faults(small: Path, name: str, content: bytes) -> None:
    (small / name).write_bytes(content)
    assert name in {f.file for f in faults_of(small)}


def test_missing_files_and_folders(small: Path, tmp_path: Path) -> None:
    for name in FILES[:2]:
        (small / name).unlink()
    assert [f.file for f in faults_of(small)] == ["sensors.yaml", "multitree.yaml"]
    (small / "sensors.yaml").mkdir()
    assert "directory" in str(faults_of(small)[0])
    assert "no such folder" in str(faults_of(tmp_path / "nowhere")[0])


@pytest.mark.parametrize("broken", [False, True])
def test_check_prints_a_summary_or_all_faults(small: Path, broken: bool) -> None:
    if broken:
        (small / "racks.yaml").write_text("racks: {A: {x: {position: 99}, y: {position: 0}}}")
    code, text = check(small)
    assert code == broken
    lines = text.splitlines()
    if broken:
        assert len(lines) == 3
        assert lines[0].startswith("racks.yaml:1: racks.A.x.position: found 99; expected ")
        return
    checks: list[Callable[[str], bool]] = [
        lambda line: "7 sensors" in line,
        lambda line: "snmp 2" in line and "temperature_push 2" in line,
        lambda line: "datacenter: 5 nodes, 3 leaves, 1 detached" in line,
        lambda line: "note: consumption: converted to W" in line and "server-1_pdu-B (kW, as 1000 W)" in line,
    ]
    for matches in checks:
        assert any(map(matches, lines)), text
