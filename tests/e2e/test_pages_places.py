"""Sensors, racks and the room, by mouse, by keyboard and by touch."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.support.pages import chips, opened, query, settle

pytestmark = pytest.mark.browser


def test_the_table_is_searched_and_walked_by_keyboard(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/sensor") as page:
        rows = page.locator("tbody tr[data-row]")
        name = rows.first.get_by_role("link").inner_text()
        page.keyboard.press("/")
        page.keyboard.type(name)
        expect(rows.first.get_by_role("link")).to_have_text(name)
        assert query(page)["q"] == [name]
        page.get_by_role("searchbox").fill("")
        page.locator("tbody tr[data-row='0'] a").focus()
        page.keyboard.press("End")
        total = int(page.locator("table").get_attribute("aria-rowcount") or 0) - 1
        expect(page.locator(f"tr[data-row='{total - 1}'] a")).to_be_focused()
        assert rows.count() < 80, "rows out of sight stay out of the document"
        last = page.locator(f"tr[data-row='{total - 1}'] a").inner_text()
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text(last)


def test_a_row_of_a_rack_tells_its_pair_and_opens_it(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/racks") as page:
        row = page.locator("a[data-row='Z1.1 30']")
        row.hover()
        expect(page.locator(".selected-row")).to_contain_text("Z1.1, U30")
        expect(page.locator(".selected-row")).to_contain_text(re.compile(r"Difference\s*\+\d+\.\d K"))
        cell = row.locator(".back")
        assert (cell.evaluate("e => getComputedStyle(e).backgroundColor")).startswith("rgb(")
        row.focus()
        page.keyboard.press("ArrowDown")
        expect(page.locator("a[data-row='Z1.1 28']")).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(page.locator("a[data-row='Z1.2 28']")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("Measurements")
        assert len(query(page)["sensors"][0].split(",")) == 2
        expect(chips(page)).to_have_count(2)


def test_on_a_phone_a_touch_tells_before_it_goes(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/racks", "phone") as page:
        page.locator("a[data-row='Z1.1 30']").click()
        expect(page.locator(".selected-row")).to_contain_text("Z1.1, U30")
        page.get_by_role("link", name="Chart both").click()
        expect(page.locator("h1")).to_have_text("Measurements")


def test_plan_and_list_are_in_step(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/room") as page:
        rows = page.get_by_role("list", name="Equipment groups").get_by_role("listitem")
        rows.nth(1).get_by_role("link").first.focus()
        name = rows.nth(1).locator(".name").inner_text()
        expect(page.locator(".plan .highlighted .name")).to_have_text(name)
        marks = page.locator(".plan .place.has-sensors")
        marks.first.hover()
        expect(page.locator("li.highlighted")).to_have_count(1)
        page.get_by_role("button", name="Temperature").click()
        expect(page.locator(".plan .heat").first).to_be_visible()
        marks.first.click()
        expect(page.locator("h1")).to_have_text("Sensors")
        settle(page)
        row_count = int(page.locator("table").get_attribute("aria-rowcount") or 0) - 1
        assert 0 < row_count < 100
        assert "array" in query(page)
