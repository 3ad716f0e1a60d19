"""An InfluxDB server of the test run's own, on free ports of loopback, with its files in a temporary folder."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from itertools import count
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[http]
bind-address = "127.0.0.1:{http}"
auth-enabled = {auth}
log-enabled = false
[monitor]
store-enabled = false
"""

_fresh = count()


class InfluxServer:
    """Debian's InfluxDB (1.6). It can be stopped and started again over the same files, at the same address."""

    def __init__(self, program: str, folder: Path, *, auth: bool = False) -> None:
        self._program, self._folder = program, folder
        rpc, self._port = _free_port(), _free_port()
        self._config = folder / "influxdb.conf"
        self._config.write_text(
            _CONFIG.format(folder=folder, rpc=rpc, http=self._port, auth=str(auth).lower())
        )
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str, user: str = "") -> str:
        """`user` is name:password, if the server wants to know."""
        return f"influxdb+http://{user and user + '@'}127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-config", str(self._config)], stdout=log, stderr=log, cwd=self._folder
            )
        until = time.monotonic() + 300
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            assert time.monotonic() < until, "the server did not come up within five minutes"
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def post(self, path: str, body: bytes) -> None:
        """Send as the old scripts did, past everything of ours."""
        with urlopen(Request(f"http://127.0.0.1:{self._port}{path}", body), timeout=30):
            pass

    def _answers(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/ping", timeout=1) as answer:
                return answer.status == 204
        except (URLError, OSError):
            return False


def version_2() -> tuple[str, str, str] | None:
    """URL, organisation and token of a 2.x server to test against, from the environment; None where none is named."""
    url = os.environ.get("SEDUCE_TEST_INFLUXDB_URL")
    if not url:
        return None
    return url.rstrip("/"), os.environ["SEDUCE_TEST_INFLUXDB_ORG"], os.environ["SEDUCE_TEST_INFLUXDB_TOKEN"]


def fresh_name() -> str:
    """A name for a database that no other test has."""
    return f"seduce_{os.getpid()}_{time.time_ns()}_{next(_fresh)}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
