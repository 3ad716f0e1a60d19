"""Services as a supervisor runs them: processes of their own, killed, ended and started again, with a log each."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.waiting import DEADLINE_S

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "datacenter"


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def moved_description(folder: Path) -> Path:
    """The example's description with every device on a free port."""
    there = folder / "description"
    shutil.copytree(EXAMPLE, there)
    new_ports: dict[str, int] = {}

    def move(match: re.Match[str]) -> str:
        old = match[2]
        while old not in new_ports:
            kind = socket.SOCK_DGRAM if old.startswith("161") else socket.SOCK_STREAM
            if (port := free_port(kind)) not in new_ports.values():
                new_ports[old] = port
        return f"{match[1]}{new_ports[old]}"

    for file in there.glob("*.yaml"):
        file.write_text(re.sub(r"(\bport: )(\d+)", move, file.read_text()))
    return there


class Service:
    """One process, and with `family` those that it starts. `log` is the path of all it said, over all its lives."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        *,
        family: bool = False,
    ) -> None:
        self.name = name
        self._family = family
        self.log = folder / f"{name}.log"
        self._command = [sys.executable, "-m", *command]
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("SEDUCE_")}
        self._environment |= {"PYTHONUNBUFFERED": "1", "SEDUCE_PUBLIC_READ": "true"} | dict(environment)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=self._family,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def count_in_log(self, text: str) -> int:
        return self.log.read_text(errors="replace").count(text)

    async def says(self, text: str, times: int = 1, within_s: float = DEADLINE_S) -> None:
        """Wait until the log holds the text `times` times."""
        assert self._process is not None
        async with asyncio.timeout(within_s):
            while self.count_in_log(text) < times:
                assert self._process.returncode is None, f"{self.name} ended:\n{self.log.read_text()[-3000:]}"
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        assert self._process is not None
        self._kill()
        assert await self._process.wait() == -signal.SIGKILL

    async def end(self, within_s: float = DEADLINE_S) -> int:
        """Send SIGTERM, as a supervisor does, and return the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), within_s)

    def abandon(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._kill()

    def _kill(self) -> None:
        assert self._process is not None
        if self._family:
            os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()
