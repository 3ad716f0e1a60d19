"""The code that the pages offer to copy runs unchanged: as GraphQL, as Python, by curl."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.async_api import Page, async_playwright

from tests.client.conftest import Served
from tests.conftest import need

PAGES = {
    "/": {"datacenter", "overall_production"},
    "/sensor/a_pdu-1": {"a_pdu-1"},
    "/energy?select=server_a,cooling": {"server_a", "cooling"},
    "/measurements?sensors=sun,fan&nodes=datacenter": {"sun", "fan", "datacenter"},
}


async def snippets(page: Page) -> dict[str, str]:
    """The three forms of a chart's request."""
    await page.get_by_text("Query this data (GraphQL, Python, curl)").click()
    result = {}
    for form in ("GraphQL", "Python", "curl"):
        await page.get_by_role("tab", name=form).click()
        result[form] = await page.get_by_role("tabpanel").inner_text()
    return result


def run(command: list[str], folder: Path, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def named(answer: dict[str, Any]) -> set[str]:
    assert "errors" not in answer, answer
    assert all(len(s["timestamps"]) > 10 for s in answer["data"]["series"])
    return {s["sensor"] or s["node"] for s in answer["data"]["series"]}


@pytest.mark.browser
@pytest.mark.parametrize("path", PAGES)
async def test_a_chart_can_be_taken_along(path: str, site: Served, chromium: str, tmp_path: Path) -> None:
    need("curl", "curl")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium)
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        await page.goto(site.url + path)
        forms = await snippets(page)
        await browser.close()
    async with httpx2.AsyncClient(base_url=site.url) as client:
        answer = (await client.post("/graphql", json={"query": forms["GraphQL"]})).json()
    assert named(answer) == PAGES[path]
    assert named(json.loads(await asyncio.to_thread(run, ["sh"], tmp_path, forms["curl"]))) == PAGES[path]
    more = "\nprint(sorted({n for k in ('sensor', 'node') if k in frame for n in frame[k].dropna()}), len(frame))"
    output = await asyncio.to_thread(
        run, [sys.executable, "-W", "error", "-c", forms["Python"] + more], tmp_path
    )
    names, rows = output.strip().splitlines()[-1].rsplit(" ", 1)
    assert names == str(sorted(PAGES[path]))
    assert int(rows) == sum(len(s["timestamps"]) for s in answer["data"]["series"])
