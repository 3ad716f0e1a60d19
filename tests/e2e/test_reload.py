"""The description is changed while everything runs: devices come and go, and nobody's readings are disturbed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from backend.core.errors import PermanentError
from backend.core.reading import Readings
from backend.core.windows import NS_PER_SECOND
from backend.processes import control
from backend.processes.one_process import Services, create_app, run_crawlers
from backend.settings import Settings
from tests.support.graphql_client import connected
from tests.support.graphql_client import data as ask
from tests.support.serve import serving
from tests.support.two_pdus import TwoPdus, two_pdus
from tests.support.waiting import DEADLINE_S

TREE = "{ energyTree { nodes { id watts } } }"


@asynccontextmanager
async def dashboard(folder: Path, pdus: TwoPdus) -> AsyncIterator[tuple[Any, str]]:
    settings = Settings(description_dir=pdus.folder, data_dir=folder / "var", public_read=True)
    app = create_app(settings, extension=run_crawlers)
    async with serving(app) as address:
        yield app, address


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(DEADLINE_S):
        while not (answer := await condition()):
            await asyncio.sleep(0.05)
    return answer


async def reload(folder: Path, dry_run: bool = False) -> list[str]:
    request = {"command": "reload", "dry_run": dry_run}
    lines: list[str] = await asyncio.to_thread(control.send_command, folder / "var", request, print)
    return lines


async def polls(app: Any, part: str) -> int:
    devices = (await ask(app, "{ devices { name polls } }"))["devices"]
    return sum(device["polls"] for device in devices if part in device["name"])


async def has_value(services: Services, sensor: str) -> bool:
    return services.last_values.latest(sensor) is not None


async def test_devices_come_and_go_and_the_others_are_not_disturbed(tmp_path: Path) -> None:
    async with two_pdus(tmp_path / "site") as pdus:
        pdus.describe(("A", 1), ("A", 2))
        async with dashboard(tmp_path, pdus) as (app, _):
            services: Services = app.state.services
            await until(lambda: has_value(services, "s1_pdu-A"))
            pdus.describe(("A", 1), ("A", 2), ("B", 1))
            summary = await reload(tmp_path, dry_run=True)
            assert "sensors added: 1" in summary
            assert "  s1_pdu-B" in summary
            assert "nodes changed: 1" in summary  # the root has another child
            assert "s1_pdu-B" not in services.inventory.sensors
            await until(lambda: polls(app, "pdu-A"))
            before = await polls(app, "pdu-A")
            assert await reload(tmp_path) == summary
            await until(lambda: has_value(services, "s1_pdu-B"))
            nodes = {n["id"]: n["watts"] for n in (await ask(app, TREE))["energyTree"]["nodes"]}
            assert nodes["B"] == 201
            assert nodes["datacenter"] == 101 + 102 + 201
            assert await polls(app, "pdu-A") >= before, "a device that did not change was begun anew"

            pdus.describe(("B", 1))
            await reload(tmp_path)
            await until(lambda: polls(app, "pdu-B"))
            assert not await polls(app, "pdu-A"), "what was removed is shown no more"
            assert "A" not in {n["id"] for n in (await ask(app, TREE))["energyTree"]["nodes"]}
            await services.ingest.wait_until_drained()
            assert await services.store.count(["s1_pdu-A"], 0, 2**62)
            assert services.ingest.counters.rejected == {}


async def test_a_faulty_description_is_refused_with_all_its_faults(tmp_path: Path) -> None:
    async with two_pdus(tmp_path / "site") as pdus:
        pdus.describe(("A", 1))
        async with dashboard(tmp_path, pdus) as (app, _):
            pdus.spoil()
            for dry_run in (True, False):
                with pytest.raises(PermanentError) as refused:
                    await reload(tmp_path, dry_run)
                assert "sensors.yaml:2" in str(refused.value)
                assert "multitree.yaml" in str(refused.value)
            services: Services = app.state.services
            assert list(services.inventory.sensors) == ["s1_pdu-A"]
            await until(lambda: has_value(services, "s1_pdu-A"))


async def test_who_watches_is_told_the_new_state(tmp_path: Path) -> None:
    async with two_pdus(tmp_path / "site") as pdus:
        pdus.describe(("A", 1))
        async with dashboard(tmp_path, pdus) as (_, address), connected(address) as socket:
            await socket.subscribe("subscription { energyTree { nodes { id watts } } }")
            assert {n["id"] for n in (await socket.next())["energyTree"]["nodes"]} == {
                "datacenter",
                "A",
                "s1_pdu_A",
            }
            pdus.describe(("A", 1), ("B", 2))
            await reload(tmp_path)
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    nodes = {n["id"]: n["watts"] for n in (await socket.next())["energyTree"]["nodes"]}
                    if nodes.get("B") == 202:
                        break


async def test_a_hangup_reloads_and_a_change_of_history_is_foretold(tmp_path: Path) -> None:
    async with two_pdus(tmp_path / "site") as pdus:
        pdus.describe(("A", 1), ("A", 2))
        async with dashboard(tmp_path, pdus) as (app, _):
            services: Services = app.state.services
            await until(lambda: has_value(services, "s2_pdu-A"))
            await services.ingest.wait_until_drained()
            past = services.clock.now_ns() - 3600 * NS_PER_SECOND
            await services.ingest.import_history(Readings.from_rows(["s1_pdu-A"], [past], [5.0]))
            await services.rollups.step()
            pdus.describe(("A", 1))
            summary = await reload(tmp_path, dry_run=True)
            assert any(x.startswith("history to recompute") and "node" in x for x in summary), summary
            os.kill(os.getpid(), signal.SIGHUP)

            async def is_removed() -> bool:
                return "s2_pdu-A" not in services.inventory.sensors

            await until(is_removed)


async def test_nobody_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(control.NotRunning, match="no dashboard is running"):
        control.send_command(tmp_path, {"command": "reload"}, print)
