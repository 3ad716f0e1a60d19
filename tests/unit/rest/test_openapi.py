"""The OpenAPI document: valid, complete, and equal to the served routes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from playwright.async_api import async_playwright
from starlette.routing import Mount, Route

from backend.formats.file_formats import Format
from backend.processes.application import Application
from backend.processes.one_process import create_app
from backend.processes.shared import Overrides
from backend.processes.web import create_web
from backend.queries.rollup_export import STATISTICS
from backend.rest.export_address import PARAMETERS
from backend.rest.openapi import document
from backend.settings import Settings
from tests.support.serve import serving
from tests.support.small_site import small_inventory

ENDPOINTS = ("/ingest", "/ingest/cards", "/ingest/health", "/temperature/list")
NOT_PLAIN = {
    *("/graphql", "/schema.graphql", "/explorer", "/explorer/", "/openapi.json"),
    *("/api", "/api/docs", "/api/{path}", ""),
}
"""GraphQL and pages describe themselves; the last one is the page's."""


def app(folder: Path, **settings: Any) -> Any:
    return create_app(Settings(data_dir=folder, **settings), Overrides(inventory=small_inventory()))


def served(app: Application) -> set[str]:
    """Return the paths of push endpoints and plain routes; the reads at the top are those below `/api`."""
    paths = set(app.push_endpoints)
    for route in app.routes:
        if isinstance(route, (Route, Mount)):
            paths.add(re.sub(r":name}", "}", route.path))
    return paths - NOT_PLAIN - {path.removeprefix("/api") for path in paths if path.startswith("/api/")}


def test_every_plain_route_is_in_the_document(tmp_path: Path) -> None:
    assert served(app(tmp_path)) == set(document(ENDPOINTS)["paths"])


def test_the_document_omits_push_routes_that_are_not_served(tmp_path: Path) -> None:
    web = create_web(Settings(data_dir=tmp_path), Overrides(inventory=small_inventory()))
    assert served(web) == set(document(web.push_endpoints)["paths"])


def test_the_document_is_valid_openapi() -> None:
    schema = schemathesis.openapi.from_dict(document(ENDPOINTS))
    schema.validate()
    assert schema.specification.version.startswith("3.1")


def test_the_parameters_of_the_export_are_those_it_takes() -> None:
    parameters = {
        p["name"]: p["schema"] for p in document(ENDPOINTS)["paths"]["/export"]["get"]["parameters"]
    }
    assert list(parameters) == list(PARAMETERS)
    assert set(parameters["format"]["enum"]) == {f.value for f in Format}
    assert tuple(parameters["statistics"]["items"]["enum"]) == STATISTICS


async def test_the_document_is_served_and_its_page_can_be_hidden(tmp_path: Path) -> None:
    async with (
        serving(app(tmp_path, explorer=False)) as address,
        httpx2.AsyncClient(base_url=f"http://{address}") as client,
    ):
        assert (await client.get("/openapi.json")).json() == document(ENDPOINTS)
        assert (await client.get("/api/docs")).status_code == 404


FUZZ = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)


@pytest.mark.slow
async def test_a_fuzzer_finds_no_server_error_and_no_answer_that_is_not_described(tmp_path: Path) -> None:
    """The same for longer: docs/rest.md says how."""
    import asyncio

    async with serving(app(tmp_path / "var")) as address:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://{address}/openapi.json"]
        command += ["--checks", ",".join(FUZZ), "--max-examples", "15", "--seed", "1", "--no-color"]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.browser
async def test_the_page_runs_a_read_without_errors(tmp_path: Path, chromium: str) -> None:
    """Under the content policy, which allows nothing from elsewhere."""
    complaints: list[str] = []
    urls: list[str] = []
    async with serving(app(tmp_path)) as address, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium)
        page = await browser.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on("request", lambda r: urls.append(r.url))
        await page.goto(f"http://{address}/api/docs")
        await page.locator("#operations-reads-sensorTypes").get_by_role("button").first.click()
        await page.get_by_role("button", name="Execute").click()
        answer = page.locator(".live-responses-table .response-col_description code").first
        await answer.wait_for()
        assert json.loads(await answer.inner_text()) == {"sensor_types": ["temperature", "wattmeter"]}
        await browser.close()
    assert complaints == []
    assert all(url.startswith((f"http://{address}/", "data:", "blob:")) for url in urls), urls
