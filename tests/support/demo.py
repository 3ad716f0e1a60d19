"""`seduce demo` as a person starts it: a process, its URL, and Ctrl-C."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_S = 110.0
STOP_S = 20.0


class Demo:
    """A running demo. `url` has no slash at the end; `log` is all it has printed."""

    def __init__(self, data: Path, *, days: float = 0.25) -> None:
        command = [sys.executable, "-m", "backend.cli", "demo", "--port", "0"]
        command += ["--data", str(data), "--days", str(days)]
        self.log: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.url = self._wait_for_url()
        except BaseException:
            self._process.kill()
            raise

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.log.append(line)
            self._lines.put(line)
        self._lines.put(None)

    def _wait_for_url(self) -> str:
        while True:
            line = self._lines.get(timeout=START_S)
            assert line is not None, f"the demo ended at once:\n{''.join(self.log)}"
            if found := re.search(r"live at (http://\S+)", line):
                return found[1]

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit code."""
        self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
