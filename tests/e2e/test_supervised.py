"""The example's whole set under a real supervisord: all RUNNING, readings from every kind of device up to the roll-ups."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from backend.inventory.loader import load
from crawlers.simulators.fleet import SimulatedFleet
from crawlers.simulators.model import DataCentreModel
from tests.support import postgres
from tests.support.processes import moved_description
from tests.support.supervised import supervised
from tests.support.waiting import DEADLINE_S

LATEST = "query($m: String!) { sensors(method: $m, first: 500) { edges { node { latest { ageSeconds } } } } }"
ROLLED = 'query($f: DateTime!) { series(nodes: ["datacenter"], from: $f, window: S30) { mean coverage } }'


async def until(condition: Callable[[], Awaitable[Any]], within_s: float = DEADLINE_S) -> Any:
    async with asyncio.timeout(within_s):
        while not (answer := await condition()):
            await asyncio.sleep(0.5)
    return answer


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_all_run_and_readings_flow_from_devices_to_roll_ups(tmp_path: Path) -> None:
    if reason := postgres.why_not():
        pytest.skip(reason)
    description = moved_description(tmp_path)
    inventory = load(description)
    with postgres.server() as database_url:
        async with supervised(tmp_path / "set", description, database_url) as site:
            cards = f"http://127.0.0.1:{site.ports['cards']}/temperature/list"
            fleet = SimulatedFleet(inventory, DataCentreModel(inventory, 3), cards)
            await asyncio.to_thread(fleet.start_in_thread)
            try:
                await site.all_running()
                async with httpx2.AsyncClient(timeout=60) as client:
                    await flows(client, site.ports["web"], {s.method for s in inventory.sensors.values()})
                    os.kill(site.pid("ingest"), signal.SIGKILL)
                    await site.all_running()
                    await flows(client, site.ports["api"], {"snmp"})
                    await until(lambda: rolled_up(client, site.ports["api"]))
            finally:
                await asyncio.to_thread(fleet.stop)
            names = set(site.states())
        logs = site.logs()
    assert {"frontend", "api", "influxdb", "redis", "celery_beat", "celery_worker"} <= names
    assert not [name for name, text in logs.items() if "Traceback" in text]


async def flows(client: httpx2.AsyncClient, port: int, methods: set[str]) -> None:
    """A sensor of each kind has said something in the last seconds."""

    async def has_reported(method: str) -> bool:
        try:
            body = {"query": LATEST, "variables": {"m": method}}
            answer = (await client.post(f"http://127.0.0.1:{port}/graphql", json=body)).json()
        except httpx2.HTTPError:
            return False
        latest = [edge["node"]["latest"] for edge in answer["data"]["sensors"]["edges"]]
        return any(one and one["ageSeconds"] < 30 for one in latest)

    for method in sorted(methods):
        await until(lambda method=method: has_reported(method))  # type: ignore[misc]


async def rolled_up(client: httpx2.AsyncClient, port: int) -> bool:
    since = datetime.now(UTC) - timedelta(hours=1)
    body = {"query": ROLLED, "variables": {"f": since.isoformat()}}
    answer = (await client.post(f"http://127.0.0.1:{port}/graphql", json=body)).json()
    (series,) = answer["data"]["series"]
    return any(
        mean is not None and coverage
        for mean, coverage in zip(series["mean"], series["coverage"], strict=True)
    )
