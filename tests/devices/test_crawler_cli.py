from __future__ import annotations

import pytest

from crawlers.cli import main
from crawlers.registry import build_devices, load_driver
from crawlers.selection import select
from tests.devices.support import EXAMPLE, example


def test_a_driver_is_a_module_named_like_its_method() -> None:
    assert all(load_driver(method) for method in ("snmp", "modbus", "socomec", "flukso"))
    assert not any(load_driver(method) for method in ("loop", "simulators", "bacnet", "snmp.x", "..", ""))


def test_selection_by_pdu_and_by_bus() -> None:
    sensors = example().sensors.values()
    pdu = select(sensors, pdu="pdu-Z1.10")
    assert len(pdu) == 12
    assert {s.method for s in pdu} == {"snmp"}
    bus = select(sensors, bus="inrow")
    assert len(bus) == 20
    assert {s.method for s in bus} == {"modbus"}
    assert len(select(sensors, pdu="pdu-Z1.10", bus="inrow")) == 32
    assert {s.method for s in select(sensors, methods=["flukso", "socomec"])} == {"flukso", "socomec"}
    assert select(sensors, pdu="Z1.10", methods=["modbus"]) == []


def test_sensors_without_a_driver_are_left_out_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    from dataclasses import replace

    sensors = list(example().sensors.values())
    odd = replace(sensors[0], name="odd", method="telepathy")
    devices = build_devices([odd, *select(sensors, pdu="pdu-Z1.10")])
    assert len(devices) == 1
    assert "driver not found method=telepathy sensors_not_read=1" in caplog.text


def test_list_prints_the_sensors_that_can_be_polled(capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--description", str(EXAMPLE), "--list"]
    assert main(["snmp"], ["--pdu", "pdu-Z1.51", *at]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "snmp     ecotype-1_pdu-Z1.51 pdu-Z1.51"
    assert len(lines) == 13
    assert main([], at) == 0
    assert len(capsys.readouterr().out.splitlines()) == 217


def test_invalid_options_end_with_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["snmp"], ["--pdu", "nowhere", "--description", str(EXAMPLE)]) == 2
    assert "no sensor matches" in capsys.readouterr().err
    assert main([], ["--description", "/nowhere/at/all"]) == 2
    assert "no such folder" in capsys.readouterr().err
