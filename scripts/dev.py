"""Runs the simulated data centre and Vite's development server together, for `make dev`.

A change of Python code restarts the back end. A change of the front end appears in the browser at once. Ctrl-C ends both.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from watchfiles import PythonFilter, watch

ROOT: Final = Path(__file__).resolve().parents[1]
WATCHED: Final = tuple(ROOT / name for name in ("backend", "crawlers", "workers"))
CHECK_MS: Final = 500
"""Milliseconds between two checks whether both programs still run."""
STOP_TIMEOUT_S: Final = 20.0


class Program:
    """A child process in a process group of its own, so that its own children end with it."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = command
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def stop(self) -> None:
        """End the process group with SIGINT, and with SIGKILL after `STOP_TIMEOUT_S`."""
        if self._process is None:
            return
        for number in (signal.SIGINT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
                break
        with suppress(ProcessLookupError):  # a child that outlived its parent
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process = None


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make dev", description=__doc__)
    parser.add_argument("--port", type=int, default=8081, help="port of the back end (8081)")
    parser.add_argument("--page-port", type=int, default=5173, help="port of the page (5173)")
    parser.add_argument("--days", default="0.25", help="days of history of a new data folder (0.25)")
    parser.add_argument("--data", default="var/dev", help="data folder (var/dev)")
    return parser.parse_args(arguments)


def programs(options: argparse.Namespace) -> tuple[Program, Program]:
    """Return the back end and Vite."""
    page_url = f"http://127.0.0.1:{options.page_port}"
    seduce = str(Path(sys.executable).with_name("seduce"))
    back_end = Program(
        "back end",
        [seduce, "demo", "--port", str(options.port), "--days", options.days, "--data", options.data],
        # The browser talks to Vite, so Vite's address is the public one. Mailed links lead there too.
        {"SEDUCE_PUBLIC_URL": page_url},
    )
    vite_options = [
        "--host",
        "127.0.0.1",
        "--port",
        str(options.page_port),
        "--strictPort",
        "--clearScreen",
        "false",
    ]
    vite = Program(
        "Vite",
        ["scripts/npm.sh", "run", "dev", "--", *vite_options],
        {"SEDUCE_DEV_API": f"http://127.0.0.1:{options.port}"},
    )
    return back_end, vite


def run(back_end: Program, vite: Program, stop: threading.Event, watched: Sequence[Path] = WATCHED) -> int:
    """Run both programs until `stop` is set. Return 1 if Vite ends by itself."""
    is_back_end_up = True
    back_end.start()
    vite.start()
    try:
        for changes in watch(
            *watched,
            watch_filter=PythonFilter(),
            stop_event=stop,
            rust_timeout=CHECK_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
        ):
            if not vite.is_running:
                print(f"{vite.name} has ended; see its message above", file=sys.stderr)
                return 1
            if changes:
                paths = sorted(os.path.relpath(path, ROOT) for _, path in changes)
                print(f"Restarting the {back_end.name}: {', '.join(paths[:5])}", file=sys.stderr)
                back_end.stop()
                back_end.start()
                is_back_end_up = True
            elif is_back_end_up and not back_end.is_running:
                print(
                    f"The {back_end.name} has ended. It starts again after the next change.", file=sys.stderr
                )
                is_back_end_up = False
    finally:
        vite.stop()
        back_end.stop()
    return 0


def main(arguments: Sequence[str]) -> int:
    options = parse_options(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    print(f"The page will be at http://127.0.0.1:{options.page_port} (Ctrl-C ends it)", file=sys.stderr)
    return run(*programs(options), stop)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
