"""The guides are followed to the letter: the lines of their shell blocks are run."""

from __future__ import annotations

import csv
import gzip
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.support.processes import EXAMPLE, ROOT
from tests.support.waiting import DEADLINE_S

HOURS = 26
SENSORS = ("ecotype-37_pdu-Z1.10", "ecotype-38_pdu-Z1.10")
BEGIN = 1_580_000_000


def block(page: str, heading: str) -> str:
    """The first shell block below a heading."""
    text = (ROOT / "docs" / page).read_text()
    matches = re.search(rf"^## {re.escape(heading)}\n.*?```sh\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    assert matches, f"{page} has no commands below {heading!r}"
    return matches[1]


def run(script: str, folder: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SEDUCE_")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    command = ["/bin/sh", "-eu", "-c", script]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def old_export(path: Path) -> int:
    """Write what `influx_inspect export -compress` exports from an old deployment. Return the number of readings."""
    rows = 0
    with gzip.open(path, "wt") as out:
        out.write(
            "# INFLUXDB EXPORT: 1677-09-21T00:12:43Z - 2262-04-11T23:47:16Z\n# DDL\nCREATE DATABASE mondb WITH NAME autogen\n"
        )
        out.write("# DML\n# CONTEXT-DATABASE:mondb\n# CONTEXT-RETENTION-POLICY:autogen\n# writing tsm data\n")
        for sensor in SENSORS:
            location = sensor.partition("_pdu-")[0]
            tags = f"location={location},sensor={sensor},sensor_type=wattmeter,unit=W"
            for number in range(0, HOURS * 3600, 60):
                out.write(f"sensors,{tags} value={100 + number % 7} {(BEGIN + number) * 10**9}\n")
                rows += 1
        for hour in range(HOURS):
            at = (BEGIN + 3600 * hour) * 10**9
            out.write(f"measurement_downsample_1h,sensor={SENSORS[0]} mean=103.5,sum=6210 {at}\n")
            out.write(f"cq_datacenter_1h mean=207 {at}\n")
        out.write("# writing wal data\n")
    return rows


def test_the_old_deployments_yaml_and_export_come_over_by_the_guide(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "description")
    rows = old_export(tmp_path / "sensors.line.gz")
    output = run(block("how-to/move-from-the-old-seduce.md", "On the new machine"), tmp_path)
    assert f"{rows:,} readings" in output
    with (tmp_path / "check.csv").open() as file:
        matches = list(csv.DictReader(file))
    assert len(matches) == rows
    assert Counter(row["sensor"] for row in matches) == dict.fromkeys(SENSORS, rows // 2)
    assert {float(row["value"]) for row in matches} == {100.0 + n for n in range(7)}
    assert matches[0]["time"].startswith("2020-01-26T00:53:20")


def test_a_fault_is_shown_by_the_tutorial(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "tutorial" / "first-hour.md").read_text()
    assert "seduce check /tmp/mine" in page
    shutil.copytree(EXAMPLE, tmp_path / "mine")
    with (tmp_path / "mine" / "racks.yaml").open("a") as file:
        file.write("nonsense: {\n")
    done = subprocess.run(
        [sys.executable, "-m", "backend.cli.main", "check", str(tmp_path / "mine")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "racks.yaml" in done.stderr
    assert "Traceback" not in done.stderr
