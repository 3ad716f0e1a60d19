"""The page shows the viewer's time and says its zone, also where an hour comes twice."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

SENSOR = "ecotype-1_pdu-Z1.50"
# In Paris the clock goes from 03:00 back to 02:00 on 2026-10-25 at 01:00 UTC.
START, END = 1_792_886_400, 1_792_893_600  # 2026-10-25, 00:00 to 02:00 UTC: from 02:00 to 03:00, twice


@pytest.fixture(scope="module")
def readings(base_url: str) -> None:
    times = list(range(START, END, 10))
    body = {
        "sensors": [SENSOR] * len(times),
        "times": [t * 10**9 for t in times],
        "values": [100.0] * len(times),
    }
    assert httpx.post(f"{base_url}/ingest", json=body, timeout=30).json()["update_count"] == len(times)


@pytest.fixture
def paris(browser: Browser, readings: None) -> Iterator[Page]:
    context = browser.new_context(timezone_id="Europe/Paris", viewport={"width": 1200, "height": 800})
    page = context.new_page()
    yield page
    context.close()


def test_the_hour_that_comes_twice_has_two_zones(paris: Page, base_url: str) -> None:
    query = f"from=2026-10-25T00:00:00Z&to=2026-10-25T02:00:00Z&sensors={SENSOR}"
    paris.goto(f"{base_url}/measurements?{query}")
    when = paris.locator(".when").first
    expect(when).to_contain_text("UTC+2 to UTC+1")
    expect(when).to_contain_text(re.compile(r"25 Oct, 02:00 – 03:00"))
    chart = paris.locator(".u-over").first
    expect(chart).to_be_visible()
    box = chart.bounding_box()
    assert box is not None
    for share, zone in ((0.25, "UTC+2"), (0.75, "UTC+1")):
        paris.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        expect(when).to_contain_text(re.compile(r"25 Oct 02:(29|30|31)"))
        expect(when).to_contain_text(zone)
        expect(when).not_to_contain_text("to")
