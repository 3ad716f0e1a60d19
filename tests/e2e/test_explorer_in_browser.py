"""GraphiQL works under the content policy it is served with, and asks nobody but us."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from backend.processes.one_process import create_app
from backend.processes.shared import Overrides
from backend.settings import Settings
from tests.support.serve import serving
from tests.support.small_site import small_inventory
from tests.support.waiting import DEADLINE_S


async def answered(page: Page, word: str) -> None:
    """Runs what the tab has until the answer has the word: what it has is known a moment after the tab is there."""
    run, answer = page.get_by_role("button", name="Execute query"), page.locator(".result-window")
    async with asyncio.timeout(DEADLINE_S):
        while word not in (await answer.text_content() or ""):
            if await run.is_visible():
                await run.click()
            await asyncio.sleep(1)


@pytest.mark.browser
async def test_a_query_and_a_subscription_run_without_a_complaint(tmp_path: Path, chromium: str) -> None:
    app = create_app(Settings(data_dir=tmp_path), Overrides(inventory=small_inventory()))
    complaints: list[str] = []
    elsewhere: list[str] = []
    async with serving(app) as address, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium)
        page = await browser.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on("request", lambda r: elsewhere.append(r.url) if address not in r.url else None)
        await page.goto(f"http://{address}/graphql")
        await answered(page, "consumption")
        await page.get_by_role("tab", name="Readings").click()
        await answered(page, "snapshot")
        await page.get_by_role("button", name="Stop").click()
        await page.get_by_role("button", name="Documentation Explorer").first.click()
        await page.get_by_role("link", name="Query", exact=True).click()
        await expect(page.get_by_text("All racks with their last values.")).to_be_visible(timeout=60_000)
        await page.screenshot(path=tmp_path / "explorer.png")
        await browser.close()
    assert complaints == []
    assert [url for url in elsewhere if not url.startswith(("blob:", "data:"))] == []
