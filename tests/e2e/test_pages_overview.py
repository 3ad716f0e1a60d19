"""The first page: one round trip, little script, live figures."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.support.pages import drawn, opened, query, settle

pytestmark = pytest.mark.browser

DIST = Path(__file__).parents[2] / "frontend_static/dist"
MOST_SCRIPT = 90_000
"""Bytes."""


def test_the_overview_comes_in_one_round_trip(browser: Browser, base_url: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda r: requests.append(r.post_data or "") if r.url.endswith("/graphql") else None)
    page.goto(base_url)
    settle(page)
    assert drawn(page.locator("canvas").first)
    assert len(requests) == 1, requests
    context.close()


def test_little_script_is_loaded(browser: Browser, base_url: str) -> None:
    """As it goes over the line: compressed as nginx does it by default, less than most proxies."""
    loaded: set[str] = set()
    with opened(browser, f"{base_url}/account") as page:
        page.on(
            "request", lambda r: loaded.add(urlsplit(r.url).path) if r.resource_type == "script" else None
        )
        page.goto(base_url)
        settle(page)
        page.wait_for_load_state("networkidle")
    sizes = {path: len(gzip.compress((DIST / path.lstrip("/")).read_bytes(), 6)) for path in loaded}
    assert sizes
    assert sum(sizes.values()) <= MOST_SCRIPT, sizes


def test_figures_move(browser: Browser, base_url: str) -> None:
    with opened(browser, base_url) as page:
        value = page.locator("section[aria-label=Consumption] .value")
        before = value.get_attribute("title")
        assert before
        expect(value).not_to_have_attribute("title", before, timeout=60_000)
        expect(page.locator(".freshness.live")).to_be_visible()


def test_zooming_changes_the_range_in_the_address(browser: Browser, base_url: str) -> None:
    with opened(browser, base_url) as page:
        canvas = page.locator(".u-over").first
        box = canvas.bounding_box()
        assert box
        page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60, steps=6)
        page.mouse.up()
        page.wait_for_url(re.compile(r"from=.*to="))
        first = query(page)
        page.locator(".canvas").first.focus()
        page.keyboard.press("+")
        page.wait_for_url(lambda url: parse_qs(urlsplit(url).query).get("from") != first["from"])
        page.get_by_role("button", name="1h").click()
        assert query(page) == {"range": ["1h"]}
        page.go_back()
        assert "from" in query(page)
