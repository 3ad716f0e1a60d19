"""The explorer works under the content policy it is served with."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from backend.app import Parts, create_app
from backend.settings import Settings
from tests.support.serve import serving
from tests.support.small_site import small_inventory


@pytest.mark.browser
async def test_a_query_and_a_subscription_run_without_a_complaint(tmp_path: Path, chromium: str) -> None:
    app = create_app(Settings(data_dir=tmp_path), Parts(inventory=small_inventory()))
    complaints: list[str] = []
    async with serving(app) as address, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium)
        page = await browser.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        await page.goto(f"http://{address}/graphql")
        await page.get_by_text("type Query").first.wait_for()
        await page.get_by_role("button", name="Run").click()
        await page.locator("#answer", has_text='"consumption"').wait_for()
        await page.get_by_label("Example").select_option("Live readings")
        await page.get_by_role("button", name="Run").click()
        await page.locator("#answer", has_text='"snapshot": true').wait_for()
        await browser.close()
    assert complaints == []
