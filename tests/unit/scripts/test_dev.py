"""`make dev`: the paths that Vite forwards, and the start, restart and end of both programs."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from backend.rest.permissions import ROUTES
from scripts.dev import Program, run

ROOT = Path(__file__).resolve().parents[3]


def test_vite_forwards_every_path_of_the_back_end() -> None:
    forwarded = json.loads((ROOT / "frontend_static" / "backend-paths.json").read_text())
    routes = [path for path in ROUTES if path]
    missing = [r for r in routes if not any(r == path or r.startswith(f"{path}/") for path in forwarded)]
    assert missing == []
    unused = {path for path in forwarded if not any(r == path or r.startswith(f"{path}/") for r in routes)}
    assert unused == {"/assets"}, "files of the built pages, which have no route of their own"


def program(name: str, log: Path, *, seconds: float = 60) -> Program:
    code = (
        "import sys, time, pathlib\n"
        f"log = pathlib.Path({str(log)!r})\n"
        "with log.open('a') as file: file.write('start\\n')\n"
        "try: time.sleep(float(sys.argv[1]))\n"
        "finally:\n"
        "    with log.open('a') as file: file.write('end\\n')\n"
    )
    return Program(name, [sys.executable, "-c", code, str(seconds)], {})


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lines(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def test_a_change_restarts_the_back_end_and_a_stop_ends_both(tmp_path: Path) -> None:
    source, stop, codes = tmp_path / "source", threading.Event(), list[int]()
    source.mkdir()
    back_end, vite = tmp_path / "back_end", tmp_path / "vite"

    def work() -> None:
        codes.append(run(program("back end", back_end), program("Vite", vite), stop, [source]))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        wait_for(lambda: lines(back_end) == ["start"] and lines(vite) == ["start"])
        time.sleep(0.3)  # the watcher starts after the programs
        (source / "module.py").write_text("x = 1\n")
        wait_for(lambda: lines(back_end) == ["start", "end", "start"])
        assert lines(vite) == ["start"]
    finally:
        stop.set()
        thread.join(30)
    assert codes == [0]
    assert lines(back_end) == ["start", "end", "start", "end"]
    assert lines(vite) == ["start", "end"]


def test_it_ends_when_vite_ends(tmp_path: Path) -> None:
    back_end, vite = program("back end", tmp_path / "b"), program("Vite", tmp_path / "v", seconds=0)
    assert run(back_end, vite, threading.Event(), [tmp_path]) == 1
    assert not back_end.is_running
