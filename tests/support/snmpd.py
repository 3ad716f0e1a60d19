"""The agent of net-snmp, started on a free port of loopback."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crawlers.simulators.relocate import free_port

AUTH_KEY, PRIV_KEY = "authkey-of-watcher", "privkey-of-watcher"


@contextmanager
def snmpd(program: str, folder: Path, *lines: str) -> Iterator[int]:
    """Start an agent and yield its port. It answers v1 and v2c for the community `hidden`, and v3 for `watcher` (SHA and AES)."""
    port = free_port(socket.SOCK_DGRAM)
    config = folder / "snmpd.conf"
    config.write_text(
        "\n".join(
            (
                "rocommunity hidden 127.0.0.1",
                f'createUser watcher SHA "{AUTH_KEY}" AES "{PRIV_KEY}"',
                "rouser watcher priv",
                *lines,
                "",
            )
        )
    )
    command = [program, "-f", "-LF", "4", str(folder / "log"), "-C", "-c", str(config), "-I", "-smux"]
    process = subprocess.Popen(
        [*command, "-p", str(folder / "pid"), f"udp:127.0.0.1:{port}"],
        env=os.environ | {"SNMP_PERSISTENT_DIR": str(folder / "state"), "MIBS": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)
