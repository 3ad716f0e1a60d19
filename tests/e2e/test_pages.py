"""Every page as a reader has it: both widths, both themes."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.support.pages import MOST_SHIFT, WIDTHS, drawn, first_sensor, opened, settle, shift, violations

pytestmark = pytest.mark.browser

PATHS = {
    "overview": "/",
    "energy": "/energy",
    "energy as a tree": "/energy?view=tree",
    "energy as a treemap": "/energy?view=treemap",
    "energy as a treemap, partial": "/energy?view=treemap&show=energy&range=7d",
    "who used most": "/energy?view=ranking&show=energy&range=24h",
    "production": "/energy?tree=production",
    "nodes chosen": "/energy?select=datacenter",
    "measurements, none chosen": "/measurements",
    "measurements": "/measurements?nodes=datacenter,overall_production",
    "racks": "/racks",
    "room": "/room",
    "room by temperature": "/room?show=temperature",
    "sensors": "/sensor",
    "devices": "/devices",
    "events": "/events",
    "account": "/account",
    "continuous queries": "/queries",
    "jobs": "/jobs",
    "a new job": "/jobs/new",
    "tasks": "/tasks",
    "commands": "/commands",
    "users": "/admin/users",
    "device keys": "/admin/keys",
    "audit log": "/admin/audit",
    "no such page": "/nowhere",
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", list(WIDTHS))
@pytest.mark.parametrize("path", list(PATHS.values()), ids=list(PATHS))
def test_every_page_is_quiet_accessible_and_fits(
    browser: Browser, base_url: str, path: str, width: str, theme: Literal["light", "dark"]
) -> None:
    with opened(browser, base_url + path, width, theme) as page:
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
        moved, what = shift(page)
        assert moved <= MOST_SHIFT, what


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", list(WIDTHS))
def test_the_sensor_page_is_quiet_accessible_and_fits(
    browser: Browser, base_url: str, width: str, theme: Literal["light", "dark"]
) -> None:
    with opened(browser, base_url + first_sensor(browser, base_url), width, theme) as page:
        assert drawn(page.locator("canvas").first)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
        moved, what = shift(page)
        assert moved <= MOST_SHIFT, what


@pytest.mark.parametrize("path", ["overview", "energy as a tree", "nodes chosen", "measurements"])
@pytest.mark.parametrize("width", list(WIDTHS))
def test_on_a_slow_device_nothing_moves_either(
    browser: Browser, base_url: str, path: str, width: str
) -> None:
    with opened(browser, base_url + PATHS[path], width, slowed=6) as page:
        page.wait_for_timeout(1_500)
        moved, what = shift(page)
        assert moved <= MOST_SHIFT, what


@pytest.mark.parametrize("width", list(WIDTHS))
def test_the_header_is_as_high_whatever_day_it_is_and_however_old_the_data(
    browser: Browser, base_url: str, width: str
) -> None:
    """Else the page moves down by a line on Wednesdays, once it is live."""
    with opened(browser, base_url, width) as page:
        heights = page.evaluate(
            """([days, ages]) => days.flatMap((day) => ages.map((age) => {
              document.querySelector('main header .title p').textContent = day;
              document.querySelector('main header .freshness').textContent = age;
              return document.querySelector('main header').offsetHeight;
            }))""",
            [
                ["1 May", "Wednesday 30 September"],
                ["", "\u25cf waiting for data"],
            ],
        )
        assert len(set(heights)) == 1, heights


@pytest.mark.parametrize("size", [(800, 700), (1024, 768)], ids=str)
@pytest.mark.parametrize("path", ["/energy?view=treemap", "/energy?view=treemap&show=energy&range=7d"])
def test_between_phone_and_desk_tools_make_way_for_the_name(
    browser: Browser, base_url: str, path: str, size: tuple[int, int]
) -> None:
    with opened(browser, base_url + path) as page:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        expect(page.locator("h1")).to_be_visible()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"


def test_a_phone_has_the_rest_behind_more(browser: Browser, base_url: str) -> None:
    with opened(browser, base_url, "phone") as page:
        bar = page.get_by_role("navigation", name="Pages")
        expect(bar.get_by_role("listitem")).to_have_count(5)
        bar.get_by_role("button", name="More").click()
        sheet = page.get_by_role("dialog", name="More pages")
        expect(sheet.get_by_role("button", name="Theme:")).to_be_visible()
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(sheet).to_be_hidden()
        bar.get_by_role("button", name="More").click()
        sheet.get_by_role("link", name="Room").click()
        expect(page.locator("h1")).to_have_text("Room")
        expect(sheet).to_be_hidden()


def test_a_chosen_theme_stays(browser: Browser, base_url: str) -> None:
    with opened(browser, base_url) as page:
        button = page.get_by_role("button", name="Theme:")
        button.click()
        button.click()
        page.reload()
        settle(page)
        assert page.locator("html").get_attribute("data-theme") == "dark"
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_a_print_has_the_content_and_not_the_frame(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/devices") as page:
        page.emulate_media(media="print")
        expect(page.get_by_role("navigation", name="Pages")).to_be_hidden()
        expect(page.locator("main .tools")).to_be_hidden()
        expect(page.locator("main table").first).to_be_visible()
        left = page.locator("main").evaluate("e => e.getBoundingClientRect().left")
        assert left == 0, "the place of the rail is given to the content"


@pytest.mark.parametrize("path", ["/", "/energy", "/energy?view=treemap"])
def test_less_motion_is_none(browser: Browser, base_url: str, path: str) -> None:
    with opened(browser, base_url + path) as page:
        page.emulate_media(reduced_motion="reduce")
        longest = page.evaluate(
            """() => Math.max(...[...document.querySelectorAll('*')].flatMap((e) => {
              const style = getComputedStyle(e);
              return [style.transitionDuration, style.animationDuration].flatMap((d) => d.split(',').map(parseFloat));
            }))"""
        )
        assert longest == 0
