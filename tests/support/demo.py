"""`seduce demo` as a person starts it: a process, its URL, and Ctrl-C."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
START_S = 300.0
"""The longest wait for the next line of a starting demo: a busy machine is no fault."""

STOP_S = 120.0


@dataclass(frozen=True)
class LogIn:
    """The log-in of the administrator."""

    email: str
    password: str

    @contextmanager
    def client(self, url: str) -> Iterator[httpx.Client]:
        """An HTTP client with a session of its own."""
        document = "mutation($e: String!, $p: String!) { logIn(email: $e, password: $p) { __typename } }"
        body = {"query": document, "variables": {"e": self.email, "p": self.password}}
        with httpx.Client(base_url=url, timeout=30) as client:
            answer = client.post("/graphql", json=body).json()
            assert answer["data"] == {"logIn": {"__typename": "LoggedIn"}}, answer
            yield client

    def token(self, url: str) -> str:
        """A personal token for reads and exports."""
        document = """mutation { createToken(name: "test", scopes: [READ, EXPORT], days: 1) { ... on NewToken { secret } } }"""
        with self.client(url) as client:
            return str(
                client.post("/graphql", json={"query": document}).json()["data"]["createToken"]["secret"]
            )


class Demo:
    """A running demo. `url` has no slash at the end; `login` is what it printed; `log` is all it has printed."""

    def __init__(self, data: Path, *, days: float = 0.25) -> None:
        command = [sys.executable, "-m", "backend.cli.main", "demo", "--port", "0"]
        command += ["--data", str(data), "--days", str(days)]
        self.log: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            # Its own rights, whatever the tests around it are run with.
            env={k: v for k, v in os.environ.items() if not k.startswith("SEDUCE_")}
            | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.url = self._wait_for(r"live at (http://\S+)")[1]
            log_in = self._wait_for(r"Log in as (\S+) with the password (\S+)$")
            self.login = LogIn(log_in[1], log_in[2])
        except BaseException:
            self._process.kill()
            raise

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.log.append(line)
            self._lines.put(line)
        self._lines.put(None)

    def _wait_for(self, pattern: str) -> re.Match[str]:
        while True:
            line = self._lines.get(timeout=START_S)
            assert line is not None, f"the demo ended at once:\n{''.join(self.log)}"
            if match := re.search(pattern, line.rstrip()):
                return match

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit code. The log is whole then."""
        self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(STOP_S)
            self._reader.join(STOP_S)
            return code
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
