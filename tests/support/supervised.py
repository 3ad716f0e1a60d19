"""The example of a supervisor's configuration, run by a real supervisord with places and ports of a test's own."""

from __future__ import annotations

import asyncio
import configparser
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from backend.ingest.keys import generate_key
from tests.conftest import need
from tests.support import influx
from tests.support.processes import ROOT, free_port
from tests.support.waiting import DEADLINE_S

CONTROL = """
[unix_http_server]
file={folder}/supervisor.sock
[supervisord]
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
nodaemon=true
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/supervisor.sock

"""
CONTROL_S = 150
"""Longer than the longest `stopwaitsecs`: a program may take all of it to stop."""
SPARE = ("web", "api", "ingest", "cards", "influxdb", "influxdb_rpc", "redis")


@dataclass(frozen=True, slots=True)
class Supervised:
    """A set that runs. `ports` by what listens."""

    folder: Path
    ports: Mapping[str, int]
    key: str

    def control(self, *words: str) -> str:
        command = [need("supervisorctl", "supervisor"), "-c", str(self.folder / "supervisord.conf"), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=CONTROL_S).stdout

    def states(self) -> dict[str, str]:
        """State of each program as supervisorctl calls it."""
        return {
            line.split()[0]: line.split()[1] for line in self.control("status").splitlines() if line.strip()
        }

    def pid(self, program: str) -> int:
        return int(self.control("pid", program))

    async def all_running(self, within_s: float = DEADLINE_S) -> None:
        states = {}
        try:
            async with asyncio.timeout(within_s):
                while set((states := await asyncio.to_thread(self.states)).values()) != {"RUNNING"}:
                    await asyncio.sleep(1)
        except TimeoutError as cause:
            raise TimeoutError(f"not all are running after {within_s:g} s: {states}") from cause

    def logs(self) -> dict[str, str]:
        return {path.stem: path.read_text(errors="replace") for path in (self.folder / "log").glob("*.log")}


@asynccontextmanager
async def supervised(
    folder: Path,
    description: Path,
    database_url: str,
    without: tuple[str, ...] = (),
    also: str = "",
    ports: Mapping[str, int] | None = None,
    **more: str,
) -> AsyncIterator[Supervised]:
    """Starts supervisord over the example's programs, but for those `without`, and those of the text `also`, which is as the
    example's. `more` are further settings; `ports` are those of `spare_ports`."""
    for name in ("etc", "lib", "log", "influxdb", "redis"):
        (folder / name).mkdir(parents=True)
    for name in ("spools", "celery"):
        (folder / "lib" / name).mkdir()
    ports = ports or spare_ports()
    key, entry = generate_key("crawlers")
    (folder / "etc" / "ingest-key").write_text(key)
    (folder / "etc" / "device-keys").write_text(entry + "\n")
    settings = {
        "description_dir": str(description),
        "store_url": f"influxdb+http://127.0.0.1:{ports['influxdb']}/seduce",
        "bus_url": f"redis://127.0.0.1:{ports['redis']}/0",
        "database_url": database_url,
        "ingest_url": f"http://127.0.0.1:{ports['ingest']}",
        "ingest_key_file": str(folder / "etc" / "ingest-key"),
        "device_keys_file": str(folder / "etc" / "device-keys"),
        "port": str(ports["web"]),
        "ingest_port": str(ports["ingest"]),
        "cards_port": str(ports["cards"]),
        "public_read": "true",
        **more,
    }
    lines = [f"SEDUCE_{name.upper()}={value}" for name, value in settings.items()]
    (folder / "etc" / "env").write_text("\n".join(lines) + "\n")
    (folder / "supervisord.conf").write_text(
        CONTROL.format(folder=folder) + _programs(folder, ports, without, also)
    )
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(
            [need("supervisord", "supervisor"), "-n", "-c", str(folder / "supervisord.conf")],
            cwd=folder,
            stdout=output,
            stderr=output,
        )
    try:
        yield Supervised(folder, ports, key)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 120)


def spare_ports() -> dict[str, int]:
    return {name: free_port() for name in SPARE}


def _programs(folder: Path, ports: Mapping[str, int], without: tuple[str, ...], also: str) -> str:
    influxdb = folder / "influxdb" / "influxdb.conf"
    influxdb.write_text(
        influx._CONFIG.format(
            folder=folder / "influxdb", rpc=ports["influxdb_rpc"], http=ports["influxdb"], auth="false"
        )
    )
    redis = f"--port {ports['redis']} --bind 127.0.0.1 --save '' --appendonly no --dir {folder / 'redis'}"
    places = {
        "/opt/seduce/.venv/bin": str(Path(sys.executable).parent),
        "directory=/opt/seduce": f"directory={ROOT}",
        "/etc/seduce": str(folder / "etc"),
        "/var/lib/seduce": str(folder / "lib"),
        "/var/log/seduce": str(folder / "log"),
        "/etc/influxdb/influxdb.conf": str(influxdb),
        "/usr/bin/influxd": need("influxd", "influxdb"),
        "/usr/bin/redis-server /etc/redis/redis.conf": f"{need('redis-server', 'redis-server')} {redis}",
        " --supervised no": "",
        'SEDUCE_PORT="8083"': f'SEDUCE_PORT="{ports["api"]}"',
    }
    text = (ROOT / "supervisord.conf.example").read_text() + also
    for old, new in places.items():
        assert old in text, f"the example says {old!r} no more"
        text = text.replace(old, new)
    # Whoever runs the tests; that the example's programs are not root's is a test of its own.
    text = re.sub(r"^user=.*\n", "", text, flags=re.MULTILINE)
    if without:
        parsed = configparser.RawConfigParser(inline_comment_prefixes=(";",))
        parsed.read_string(text)
        for name in without:
            parsed.remove_section(f"program:{name}")
        parts = [[f"[{s}]", *(f"{k}={v}" for k, v in parsed[s].items())] for s in parsed.sections()]
        text = "\n\n".join("\n".join(part) for part in parts) + "\n"
    return text
