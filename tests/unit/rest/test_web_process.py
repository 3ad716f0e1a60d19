"""The whole process over its own store, spool and database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from backend.core.errors import PermanentError, UserError
from backend.processes.one_process import Services, create_app
from backend.processes.shared import Overrides
from backend.settings import Settings
from tests.support.serve import serving
from tests.support.small_site import small_inventory


def page(folder: Path) -> Path:
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>page</title>")
    (folder / "assets" / "main-1a2b.js").write_text("1")
    return folder


@asynccontextmanager
async def process(folder: Path, **settings: object) -> AsyncIterator[tuple[httpx2.AsyncClient, str]]:
    all_settings = Settings(data_dir=folder / "var", **settings)  # type: ignore[arg-type]
    parts = Overrides(inventory=small_inventory(), page=folder / "dist")
    async with (
        serving(create_app(all_settings, parts)) as address,
        httpx2.AsyncClient(base_url=f"http://{address}") as client,
    ):
        yield client, address


async def test_what_was_accepted_is_there_after_a_restart(tmp_path: Path) -> None:
    body = {"sensors": ["fan"], "values": [12.5]}
    async with process(tmp_path) as (client, _):
        assert (await client.post("/ingest", json=body)).status_code == 200
    async with process(tmp_path) as (client, _):
        query = {"query": '{ sensor(name: "fan") { latest { value } } }'}
        while True:
            latest = (await client.post("/graphql", json=query)).json()["data"]["sensor"]["latest"]
            if latest is not None:  # the spool is drained as soon as the process is up
                break
            await asyncio.sleep(0.01)
        assert latest == {"value": 12.5}


async def test_the_page_and_its_files(tmp_path: Path) -> None:
    page(tmp_path / "dist")
    async with process(tmp_path) as (client, _):
        for path in ("/", "/racks/Z1.1", "/index.html"):
            response = await client.get(path)
            assert response.status_code == 200
            assert "<title>page" in response.text
            assert response.headers["cache-control"] == "no-cache"
        hashed = await client.get("/assets/main-1a2b.js")
        assert "immutable" in hashed.headers["cache-control"]
        assert (await client.get("/assets/gone.js")).status_code == 404
        assert (await client.post("/racks")).status_code == 405


async def test_without_a_page_it_says_how_to_build_it(tmp_path: Path) -> None:
    async with process(tmp_path) as (client, _):
        response = await client.get("/")
        assert response.status_code == 503
        assert "make " in response.text


async def test_headers_keep_browsers_in_check(tmp_path: Path) -> None:
    page(tmp_path / "dist")
    async with process(tmp_path) as (client, _):
        for path in ("/", "/healthz", "/assets/gone.js"):
            headers = (await client.get(path)).headers
            assert "default-src 'self'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in headers
        assert (await client.get("/healthz", headers={"host": "rebound.example"})).status_code == 400


async def test_bodies_have_a_limit(tmp_path: Path) -> None:
    async with process(tmp_path) as (client, _):
        query = {"query": "{ sensorTypes { name } }", "variables": {"x": "y" * 3_000_000}}
        assert (await client.post("/graphql", json=query)).status_code == 413


async def test_health(tmp_path: Path) -> None:
    async with process(tmp_path) as (client, _):
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["status"] == "ready"


async def test_a_lifespan_extension_runs_as_long_as_the_process(tmp_path: Path) -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def companion(services: Services) -> AsyncIterator[None]:
        assert services.last_values.ready.is_set()
        steps.append("in")
        yield
        await services.store.latest()  # still open
        steps.append("out")

    settings = Settings(data_dir=tmp_path / "var")
    app = create_app(settings, Overrides(inventory=small_inventory()), extension=companion)
    async with serving(app):
        assert steps == ["in"]
        assert app.state.services.settings is settings
    assert steps == ["in", "out"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"store_url": "mysql://x"},
        {"bus_url": "carrier-pigeon://"},
        {"mail_url": "smtp://mail.example.org"},
        {"mail_url": "smtps://user:secret@mail.example.org"},
        {"mail_url": "smtps://mail.example.org", "mail_password_file": "/nowhere"},
        {"mail_url": "smtps://mail.example.org", "mail_ca_file": "/nowhere"},
    ],
)
def test_invalid_settings_are_reported(tmp_path: Path, wrong: dict[str, object]) -> None:
    settings = Settings(data_dir=tmp_path, **wrong)  # type: ignore[arg-type]
    with pytest.raises((PermanentError, UserError), match="SEDUCE_") as refused:
        create_app(settings, Overrides(inventory=small_inventory()))
    assert "secret" not in str(refused.value)


async def test_the_explorer_is_served_by_this_server(tmp_path: Path) -> None:
    async with process(tmp_path) as (client, _):
        missing = await client.get("/graphql", headers={"accept": "text/html"}, follow_redirects=True)
        assert (missing.status_code, "make frontend_static" in missing.text) == (503, True)
        page(tmp_path / "dist")
        (tmp_path / "dist" / "explorer.html").write_text("<title>explorer")
        response = await client.get("/graphql", headers={"accept": "text/html"}, follow_redirects=True)
        assert (response.status_code, response.text) == (200, "<title>explorer")
        assert str(response.url).endswith("/explorer/")
        (policy,) = response.headers.get_list("content-security-policy")
        assert "default-src 'self'" in policy
        assert "script-src" not in policy
        assert "unsafe-inline" not in (await client.get("/")).headers["content-security-policy"].replace(
            "style-src-attr 'unsafe-inline'", ""
        )


async def test_a_current_schema_is_answered_with_304(tmp_path: Path) -> None:
    async with process(tmp_path) as (client, _):
        first = await client.get("/schema.graphql")
        assert "type Query" in first.text
        second = await client.get("/schema.graphql", headers={"if-none-match": first.headers["etag"]})
        assert (second.status_code, second.content) == (304, b"")


async def test_the_explorer_and_the_schema_can_be_hidden(tmp_path: Path) -> None:
    page(tmp_path / "dist")
    async with process(tmp_path, explorer=False, introspection=False) as (client, _):
        assert (await client.get("/graphql", headers={"accept": "text/html"})).status_code == 404
        assert "type Query" not in (await client.get("/schema.graphql")).text
        assert "<title>page" in (await client.get("/explorer/")).text
