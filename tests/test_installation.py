"""The files of an installation: systemd units, container file, man page, and Grafana dashboard."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from backend.cli import main as cli
from backend.core.bucket import SeriesKind, measurement
from backend.core.windows import Window
from backend.inventory.loader import load
from backend.settings import Settings
from scripts import man_page
from scripts.command_tree import commands
from scripts.metrics_doc import families
from tests.conftest import need
from tests.support.waiting import DEADLINE_S

ROOT = Path(__file__).resolve().parents[1]
UNITS = sorted((ROOT / "examples" / "systemd").glob("*.*"))
GRAFANA = ROOT / "examples" / "grafana" / "seduce.json"


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_understands_the_unit(unit: Path, tmp_path: Path) -> None:
    """With programs and accounts that are there on any machine in place of those of an installation."""
    text = unit.read_text()
    text = re.sub(r"/opt/seduce/\.venv/bin/(seduce|python|celery)", shutil.which("true") or "/bin/true", text)
    text = re.sub(r"^(User|Group)=seduce$", "", text, flags=re.MULTILINE)
    name = unit.name.replace("@.", "@web.")
    (tmp_path / name).write_text(text)
    for other in UNITS:
        if other != unit and other.suffix == ".target":
            (tmp_path / other.name).write_text(other.read_text())
    command = [need("systemd-analyze", "systemd"), "verify", "--man=no", str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
    lines = [line for line in done.stderr.splitlines() if "seduce" in line]
    assert not lines, done.stderr


@pytest.mark.parametrize("unit", [u for u in UNITS if u.suffix == ".service"], ids=lambda path: path.name)
def test_no_unit_runs_as_root_and_all_read_one_file(unit: Path) -> None:
    text = unit.read_text()
    assert "\nUser=seduce\n" in text
    assert "SEDUCE_SETTINGS_FILE=/etc/seduce/env" in text


def test_the_example_of_settings_names_settings() -> None:
    named = re.findall(r"^SEDUCE_(\w+)=", (ROOT / "examples" / "seduce.env").read_text(), re.MULTILINE)
    assert named
    assert {name.lower() for name in named} <= Settings.model_fields.keys()


def test_the_containers_recipe_copies_what_is_there() -> None:
    text = (ROOT / "examples" / "Containerfile").read_text()
    for line in re.findall(r"^COPY (?!--)(.+)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
    for name in re.findall(r"SEDUCE_(\w+)=", text):
        assert name.lower() in Settings.model_fields


def test_the_containers_recipe_copies_what_the_page_is_built_from() -> None:
    text = (ROOT / "examples" / "Containerfile").read_text()
    scripts = [
        ROOT / "frontend_static" / "vite.config.ts",
        *(ROOT / "frontend_static" / "scripts").glob("*.mjs"),
    ]
    outside = {
        name for one in scripts for name in re.findall(r"URL\('\.\./([^']+)', root\)", one.read_text())
    }
    assert outside
    for name in outside:
        assert f"COPY {name} /{name}\n" in text


def test_a_container_is_built_without_what_it_makes_itself() -> None:
    left_out = (ROOT / ".dockerignore").read_text().splitlines()
    recipe = (ROOT / "examples" / "Containerfile").read_text()
    assert {".git", ".venv", "**/node_modules", "frontend_static/dist", "var"} <= set(left_out)
    for line in re.findall(r"^COPY (?!--)(.+)$", recipe, re.MULTILINE):
        assert not set(line.split()[:-1]) & set(left_out)


def test_the_man_page_is_written_from_the_command() -> None:
    # In a process of its own: it looks at the environment.
    done = subprocess.run(
        [sys.executable, "-c", "from scripts.man_page import page; print(page(), end='')"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert man_page.PAGE.read_text() == done.stdout, "run python -m scripts.man_page"


def test_every_command_has_a_help_text_and_so_has_every_option() -> None:
    for command in commands():
        assert command.help.endswith("."), command.name
        for option in command.options:
            assert option.help, f"{command.name} {option.usage}"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in (c.name.split()[1] for c in commands()):
        assert re.search(rf"^  {name}: \S", text, re.MULTILINE), name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_offers_every_command(shell: Literal["bash", "zsh", "fish"]) -> None:
    script = cli.app.generate_completion(shell=shell)
    for command in commands():
        assert command.name.split()[-1] in script, command.name


def test_help_loads_no_heavy_library() -> None:
    code = "import sys; from backend.cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"numpy", "pydantic", "sqlalchemy", "starlette", "yaml"} & set(done.stderr.split())


def test_grafana_asks_for_what_there_is() -> None:
    """Every metric is one that a process shows, and every measurement one that the roll-ups of the example fill."""
    board = json.loads(GRAFANA.read_text())
    known = {f.name for f in families()}
    for family in families():
        if family.kind == "histogram":
            known |= {f"{family.name}_{end}" for end in ("bucket", "sum", "count")}
    site = load(ROOT / "examples" / "datacenter")
    nodes = [*site.consumption.by_id, *site.production.by_id]
    tables = {measurement(SeriesKind.NODE, node, window) for window in Window for node in nodes}
    tables |= {measurement(kind, "", w) for w in Window for kind in (SeriesKind.SENSOR, SeriesKind.TYPE)}
    checked = 0
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            if "expr" in target:
                names = set(re.findall(r"\b(?:seduce|process)_\w+", target["expr"]))
                assert names and names <= known, target["expr"]
            else:
                (table,) = re.findall(r'FROM "([^"]+)"', target["query"])
                assert table in tables, table
            checked += 1
    assert checked > 10
