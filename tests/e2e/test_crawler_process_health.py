"""A crawler in a process of its own tells how its devices fare, and when it is gone that shows."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from backend.core.health import DeviceHealth
from backend.inventory.loader import load
from backend.processes.one_process import create_app
from backend.processes.shared import Overrides
from backend.queries.devices import CRAWLER_LIMIT_NS
from backend.settings import Settings
from tests.devices.support import EXAMPLE
from tests.support.graphql_client import data
from tests.support.serve import serving
from tests.support.waiting import DEADLINE_S

ROOT = Path(__file__).resolve().parents[2]
QUERY = "{ devices { name method crawler state sensors failures lastError } }"


async def reported(board: object) -> list[DeviceHealth]:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            devices = list(await board.devices())  # type: ignore[attr-defined]
            if devices and all(d.polls for d in devices):
                return devices
            await asyncio.sleep(0.05)


async def test_devices_of_a_crawler_process_are_seen_until_it_ends(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path / "var"), Overrides(inventory=load(EXAMPLE), page=tmp_path))
    async with serving(app) as address:
        services = app.state.services
        command = ["-m", "crawlers.snmp", "--pdu", "pdu-Z1.1", "--description", str(EXAMPLE)]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            "--url",
            f"http://{address}",
            cwd=ROOT,
            env=os.environ | {"SEDUCE_LOG_LEVEL": "ERROR"},
        )
        try:
            reports = await reported(services.board)
            devices = (await data(app, QUERY))["devices"]
        finally:
            process.terminate()
            assert await process.wait() == 0
        assert [d["name"].rpartition("(")[2] for d in devices] == ["pdu-Z1.10)", "pdu-Z1.11)"]
        for device in devices:
            # Whether anything answers at the example's addresses is not known here; that somebody asked is.
            assert device["state"] in ("OK", "LOST", "STARTING")
            assert device["crawler"].startswith("snmp pdu-Z1.1 on ")
            assert f"process {process.pid}" in device["crawler"]
            assert len(device["sensors"]) == 12
        old = [replace(d, reported_ns=d.reported_ns - 2 * CRAWLER_LIMIT_NS) for d in reports]
        await services.board.report(old)
        assert {d["state"] for d in (await data(app, QUERY))["devices"]} == {"UNHEARD"}
