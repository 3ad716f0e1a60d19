"""The ingest door, the cards' receiver and the page as applications of their own, over one store and one bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp

from backend.bus.memory import MemoryBus
from backend.cli.main import main
from backend.core.errors import PermanentError, TransientError
from backend.core.ports import SensorTags, TimeSeriesStore, WriteResult
from backend.core.reading import Readings
from backend.ingest.keys import generate_key
from backend.processes.cards import create_card_receiver
from backend.processes.ingest import create_ingest
from backend.processes.one_process import create_app
from backend.processes.rollups import run_rollups
from backend.processes.shared import Overrides
from backend.processes.web import create_web
from backend.settings import Settings
from tests.support.graphql_client import connected
from tests.support.processes import free_port
from tests.support.reference_store import ReferenceStore
from tests.support.serve import serving
from tests.support.small_site import small_inventory

PROBE = "28b8fb2909000003"


@asynccontextmanager
async def client_of(app: ASGIApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(app) as address, httpx2.AsyncClient(base_url=f"http://{address}") as client:
        yield client


def shared() -> Overrides:
    return Overrides(inventory=small_inventory(), store=ReferenceStore(), bus=MemoryBus())


def store_of(parts: Overrides) -> TimeSeriesStore:
    assert parts.store is not None
    return parts.store


async def test_a_reading_pushed_to_one_process_appears_in_another(tmp_path: Path) -> None:
    parts = shared()
    ingest = create_ingest(Settings(data_dir=tmp_path), parts)
    web = create_web(Settings(data_dir=tmp_path), parts)
    async with client_of(ingest) as door, serving(web) as address, connected(address) as socket:
        await socket.subscribe('subscription { readings(sensors: ["fan"]) { snapshot values } }')
        assert (await socket.next())["readings"] == {"snapshot": True, "values": []}
        answer = await door.post("/ingest", json={"sensors": ["fan"], "values": [12.5]})
        assert answer.status_code == 200
        assert (await socket.next())["readings"] == {"snapshot": False, "values": [12.5]}
        await ingest.state.ingest.wait_until_drained()
        async with httpx2.AsyncClient(base_url=f"http://{address}") as page:
            assert (await page.get("/readyz")).status_code == 200
            assert (await page.post("/ingest", json={})).status_code in (404, 405)
        assert (await door.get("/readyz")).json()["spool"] == {"readings_waiting": 0}
        assert (await door.get("/graphql")).status_code == 404
    assert "fan" in await store_of(parts).latest()


async def test_cards_are_answered_while_ingest_is_down_and_their_readings_arrive_later(
    tmp_path: Path,
) -> None:
    parts = shared()
    key, entry = generate_key("cards")
    port = free_port()
    settings = Settings(
        data_dir=tmp_path / "cards", ingest_url=f"http://127.0.0.1:{port}", ingest_key=SecretStr(key)
    )
    cards = create_card_receiver(settings, parts.inventory)
    async with client_of(cards) as client:
        push = [{"sensor": "front1", "v": "21.5"}, {"sensor": "28:b8:fb:29:09:00:00:03", "v": 19}, {"v": 1}]
        answer = await client.post("/temperature/list", json=push)
        assert answer.json() == {"status": "success", "update_count": 2}
        assert (await client.get("/readyz")).json()["spool"] == {"readings_waiting": 2}
        ingest = create_ingest(Settings(data_dir=tmp_path / "ingest", device_keys=entry), parts)
        async with serving(ingest, port=port):
            await asyncio.wait_for(cards.state.ingest.wait_until_drained(), 20)
            await ingest.state.ingest.wait_until_drained()
    latest = await store_of(parts).latest()
    assert {name: r.value for name, r in latest.items()} == {"front1": 21.5, PROBE: 19.0}


async def test_endpoints_require_a_key_once_one_exists(tmp_path: Path) -> None:
    key, entry = generate_key("pdu")
    settings = Settings(data_dir=tmp_path, device_keys=entry, card_networks="10.0.0.0/8")
    body = {"sensors": ["fan"], "values": [1.0]}
    card = [{"sensor": "front1", "v": 20}]
    async with client_of(create_app(settings, shared())) as client:
        for path, push in (("/ingest", body), ("/ingest/cards", body), ("/temperature/list", card)):
            refused = await client.post(path, json=push)
            assert refused.status_code == 401
            assert refused.json()["status"] == "failure"
            headers = {"Authorization": f"Bearer {key}"}
            assert (await client.post(path, json=push, headers=headers)).json()["update_count"] == 1


class AwayStore(ReferenceStore):
    """Not there at first."""

    away = True

    async def open(self) -> None:
        if self.away:
            raise TransientError("no answer")

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags] | None = None) -> WriteResult:
        await self.open()
        return await super().write(readings, tags)


async def test_readings_are_accepted_before_the_store_is_reachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.processes.shared.RETRY_S", 0.01)
    store = AwayStore()
    parts = Overrides(inventory=small_inventory(), store=store, bus=MemoryBus())
    app = create_ingest(Settings(data_dir=tmp_path), parts)
    async with client_of(app) as door:
        answer = await door.post("/ingest", json={"sensors": ["fan"], "values": [1.0]})
        assert answer.status_code == 200
        store.away = False
        await asyncio.wait_for(app.state.ingest.wait_until_drained(), 20)
    assert "fan" in await store.latest()


def test_exclusive_resources_are_refused_to_a_second_process(tmp_path: Path) -> None:
    influx = "influxdb+http://127.0.0.1:8086/seduce"
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "SEDUCE_STORE_URL"),
        ({"store_url": influx}, "SEDUCE_BUS_URL"),
    ]
    for wrong, setting in cases:
        settings = Settings(data_dir=tmp_path, **wrong)
        for make in (create_ingest, run_rollups):
            with pytest.raises(PermanentError, match=setting):
                make(settings)


def test_a_key_is_made_and_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device-key", "pdu"]) == 0
    output = capsys.readouterr().out
    assert "pdu:" in output
    assert main(["device-key", "a b"]) == 1


@pytest.mark.parametrize("wrong", [{"device_keys": "nonsense"}, {"card_networks": "10.0.0"}])
def test_invalid_endpoint_settings_are_reported(tmp_path: Path, wrong: dict[str, Any]) -> None:
    from backend.core.errors import UserError

    with pytest.raises(UserError):
        create_app(Settings(data_dir=tmp_path, **wrong), shared())
