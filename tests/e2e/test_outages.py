"""PostgreSQL is killed and comes back: readings are taken all the while, and what is late is marked in the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from backend.core.windows import NS_PER_SECOND
from backend.processes.one_process import Services, create_app
from backend.processes.shared import Overrides
from backend.settings import Settings
from tests.support import postgres
from tests.support.serve import serving
from tests.support.small_site import small_inventory
from tests.support.waiting import DEADLINE_S


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():
            await asyncio.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_readings_are_taken_while_postgresql_is_away(tmp_path: Path) -> None:
    if reason := postgres.why_not():
        pytest.skip(reason)
    with postgres.stoppable() as server:
        settings = Settings(data_dir=tmp_path, database_url=server.url, public_read=True)
        app = create_app(settings, Overrides(inventory=small_inventory()))
        async with (
            serving(app) as address,
            httpx2.AsyncClient(base_url=f"http://{address}", timeout=30) as client,
        ):
            services: Services = app.state.services

            async def push(at: int, value: float) -> None:
                body = {"sensors": ["fan"], "times": [at], "values": [value]}
                assert (await client.post("/ingest", json=body)).json()["update_count"] == 1

            now = time.time_ns()
            await push(now - 3600 * NS_PER_SECOND, 1.0)
            await services.ingest.wait_until_drained()
            await services.rollups.step()  # a horizon, before which readings are late

            await asyncio.to_thread(server.kill)
            late = now - 1800 * NS_PER_SECOND
            for number in range(20):
                await push(late + number * NS_PER_SECOND, 2.0 + number)
            query = {"query": '{ sensor(name: "fan") { latest { value } } }'}
            live = (await client.post("/graphql", json=query)).json()
            assert live["data"]["sensor"]["latest"] == {"value": 21.0}, "live values need no database"
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/healthz")).status_code == 200
            assert services.ingest.depth > 0, "a mark that cannot be kept holds its readings in the spool"

            await asyncio.to_thread(server.start)
            async with asyncio.timeout(DEADLINE_S):
                await services.ingest.wait_until_drained()

            async def marked() -> bool:
                spans = await services.state.dirty(100)
                return any(span.start_ns <= late < span.end_ns for span in spans)

            async def healed() -> bool:
                await services.rollups.heal()
                return not await services.state.dirty(1)

            await until(marked)
            await until(healed)
            assert (await client.get("/readyz")).status_code == 200
            counted = await services.store.count(["fan"], late, late + 20 * NS_PER_SECOND)
            assert counted == {"fan": 20}
