"""The layout of the project: the size of its source files, and the modules at the root of the back end."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAX_LINES = 400
MAX_BACKEND_ENTRIES = 22
GENERATED = {"frontend_static/src/api/schema.d.ts"}


def tracked(*patterns: str) -> list[str]:
    output = subprocess.check_output(["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, text=True)
    return [name for name in output.split("\0") if name and (ROOT / name).is_file()]


def test_no_source_file_is_too_long() -> None:
    names = tracked("*.py", "*.ts", "*.svelte")
    assert len(names) > 100
    sizes = {name: len((ROOT / name).read_bytes().splitlines()) for name in names if name not in GENERATED}
    assert {name: lines for name, lines in sizes.items() if lines > MAX_LINES} == {}


def test_the_back_end_consists_of_packages() -> None:
    entries = {name.split("/")[1] for name in tracked("backend")}
    assert len(entries) <= MAX_BACKEND_ENTRIES
    modules = {entry for entry in entries if entry.endswith(".py")}
    assert modules == {"__init__.py", "settings.py", "packaged.py"}
