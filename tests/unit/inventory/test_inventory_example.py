"""The example data centre: its promises to other tests, and that no damage to it breaks the loader."""

from __future__ import annotations

import ipaddress
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.core.errors import DescriptionError
from backend.inventory.check import check
from backend.inventory.loader import FILES, load
from backend.inventory.model import Inventory, PushSource, SnmpSource
from backend.inventory.room_plan import SVG

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "datacenter"


@pytest.fixture(scope="module")
def example() -> Inventory:
    return load(EXAMPLE)


def test_the_script_writes_the_committed_files(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "scripts.make_example", tmp_path], cwd=ROOT, check=True, timeout=60)
    assert {p.name for p in tmp_path.iterdir()} == {*FILES, SVG}
    for name in (*FILES, SVG):
        assert (tmp_path / name).read_bytes() == (EXAMPLE / name).read_bytes(), f"{name}: run the script"


def test_it_has_the_parts_of_a_data_centre(example: Inventory) -> None:
    sensors = example.sensors
    assert len(sensors) >= 350
    for n in range(1, 49):
        assert len([s for s in sensors if s.startswith(f"ecotype-{n}_pdu-")]) == 2
    assert sensors["ecotype-1_pdu-Z1.50"].location == "ecotype-1"
    assert sensors["28b8fb2909000003"].location == "room exterior"
    pdus = Counter(s.parent for s in sensors.values() if s.group == "pdu")
    assert len(pdus) == 8
    assert max(pdus.values()) <= 24
    assert all(len(s.name) == 16 and s.period_s == 10 for s in sensors.values() if s.group == "temperature")
    assert [r.id for r in example.site.racks] == ["Z1.1", "Z1.2", "Z1.4", "Z1.5"]
    tags = Counter(tag for s in sensors.values() for tag in s.tags)
    assert tags == {"inside_temperature": 64, "outside_temperature": 1}
    assert all(s.unit == "W" for s in sensors.values() if s.sensor_type == "wattmeter")
    assert {s for a in example.room for s in a.sensors} == set(sensors)


def test_every_device_has_its_own_address_on_loopback(example: Inventory) -> None:
    places = [s.source for s in example.sensors.values() if not isinstance(s.source, PushSource)]
    assert len(set(places)) == len(places)
    assert all(ipaddress.ip_address(p.ip).is_loopback and p.port > 1024 for p in places)
    assert all(ipaddress.ip_address(t.ip).is_loopback for t in example.commands)
    pdus = {
        s.parent: s.source.port
        for s in example.sensors.values()
        if s.group == "pdu" and isinstance(s.source, SnmpSource)
    }
    assert list(pdus.values()) == list(range(16110, 16118))
    readme = (EXAMPLE / "README.md").read_text()
    assert all(f"{port} `{pdu}`" in readme for pdu, port in pdus.items())


def test_no_watt_is_counted_twice(example: Inventory) -> None:
    tree = example.consumption
    assert set(tree.by_id["datacenter"].children) == {"hardware_cluster", "cooling", "auxiliary"}
    targets = [n.target for n in tree.nodes if n.target is not None]
    assert len(targets) == len(set(targets)) == len(tree.sensors)
    assert "socomec_servers" not in tree.sensors
    assert set(tree.by_id["ecotype_1"].children) == {"ecotype_1_Z1_50", "ecotype_1_Z1_51"}
    assert set(example.production.by_id["overall_production"].children) == {"solar_panels", "battery1"}
    assert len(example.production.leaves["solar_panels"]) == 8


def test_check_has_no_note(example: Inventory) -> None:
    code, text = check(EXAMPLE)
    assert code == 0
    assert f"{len(example.sensors)} sensors" in text
    assert "note:" not in text


JUNK = [
    *("~", "[]", "{}", "-1", "0", "1.5", "yes", "''", "&x", "*x", "*pdu", "<<: 1", "<<: *wattmeter", ": :", "- -"),
    *("!!int x", "!!binary x", "!!set {a}", "2020-13-45", "1e999", "0x", "1:99", "? [a]", "\t", "|", ">-", "%a"),
    *("---", "...", '"\\ud800"', "\x00", "\ufffe", "é", "9" * 5000, "a" * 300, "[" * 60, "{a: " * 60, "\u2028"),
]  # fmt: skip


def mangle(text: str, rng: random.Random) -> str:
    """Return the text with one to four lines removed, doubled, swapped, indented, cut or given another value."""
    lines = text.splitlines()
    for _ in range(rng.randint(1, 4)):
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        key, colon, _value = lines[i].partition(":")
        match rng.randrange(7):
            case 0:
                lines[i] = ""
            case 1:
                lines.insert(j, lines[i])
            case 2:
                lines[i], lines[j] = lines[j], lines[i]
            case 3:
                lines[i] = " " * rng.randint(1, 3) + lines[i]
            case 4:
                at = rng.randrange(len(lines[i]) + 1)
                lines[i] = lines[i][:at] + rng.choice(JUNK) + lines[i][at + 1 :]
            case 5:
                lines[i] = key + colon + " " + rng.choice(JUNK)
            case _:
                lines[i] = key + ":" + lines[j].partition(":")[2]
    return "\n".join(lines)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), names=st.sets(st.sampled_from(FILES), min_size=1, max_size=3))
def test_any_damage_to_it_gives_faults_and_no_other_error(tmp_path: Path, seed: int, names: set[str]) -> None:
    rng = random.Random(seed)
    for name in FILES:
        shutil.copyfile(EXAMPLE / name, tmp_path / name)
    for name in sorted(names):
        mangled = mangle((EXAMPLE / name).read_text(), rng)
        (tmp_path / name).write_bytes(mangled.encode("utf-8", "surrogatepass"))
    try:
        load(tmp_path)
    except DescriptionError as error:
        assert error.faults
        assert all(f.file in FILES and f.actual and f.expected and "\n" not in str(f) for f in error.faults)


def test_states_setpoints_and_energy_counters_are_steady(example: Inventory) -> None:
    steady = {s.name for s in example.sensors.values() if s.steady}
    assert steady >= {"inrow_running", "inrow_cool_setpoint", "network1_energy"}
    assert not steady & {"inrow_power", "network1_power"}
