"""The pages as a reader has them: both widths, both themes, live, by mouse and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute, expect

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "frontend_static/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDTHS = {"desktop": (1440, 900), "phone": (390, 844)}
PATHS = {
    "overview": "/",
    "energy": "/energy",
    "energy as a tree": "/energy?view=tree",
    "production": "/energy?tree=production",
    "nodes chosen": "/energy?select=datacenter",
    "sensors": "/sensor",
    "no such page": "/nowhere",
}
WAIT_MS = 15_000


@contextmanager
def opened(browser: Browser, url: str, width: str = "desktop", theme: str = "light") -> Iterator[Page]:
    """A page that shows its data; at the end it must have said nothing on the console."""
    w, h = WIDTHS[width]
    context = browser.new_context(viewport={"width": w, "height": h}, color_scheme=theme)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: said.append(str(e)))
    page.goto(url)
    settle(page)
    try:
        yield page
        assert said == []
    finally:
        context.close()


def settle(page: Page) -> None:
    page.wait_for_selector("main h1")
    expect(page.locator(".bone, [aria-busy=true]")).to_have_count(0, timeout=WAIT_MS)


def first_sensor(browser: Browser, base_url: str) -> str:
    with opened(browser, f"{base_url}/sensor") as page:
        href = page.locator("main a[href^='/sensor/']").first.get_attribute("href")
        assert href
        return href


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def violations(page: Page) -> list[str]:
    """What breaks WCAG AA, with the first place of each."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("rules => axe.run(document, { runOnly: rules })", RULES)
    return [f"{v['id']}: {v['nodes'][0]['html'][:160]}" for v in found["violations"]]


def drawn(canvas: Locator) -> bool:
    """Whether anything is painted on a canvas."""
    canvas.wait_for()
    return bool(
        canvas.evaluate(
            "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v, i) => i % 4 === 3 && v > 0)"
        )
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", list(WIDTHS))
@pytest.mark.parametrize("path", list(PATHS.values()), ids=list(PATHS))
def test_every_page_is_quiet_accessible_and_fits(
    browser: Browser, base_url: str, path: str, width: str, theme: str
) -> None:
    with opened(browser, base_url + path, width, theme) as page:
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", list(WIDTHS))
def test_the_sensor_page_is_quiet_accessible_and_fits(
    browser: Browser, base_url: str, width: str, theme: str
) -> None:
    with opened(browser, base_url + first_sensor(browser, base_url), width, theme) as page:
        assert drawn(page.locator("canvas").first)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"


def test_the_overview_comes_in_one_round_trip(browser: Browser, base_url: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.post_data or "") if r.url.endswith("/graphql") else None)
    page.goto(base_url)
    settle(page)
    assert drawn(page.locator("canvas").first)
    assert len(asked) == 1, asked
    context.close()


def test_figures_move(browser: Browser, base_url: str) -> None:
    with opened(browser, base_url) as page:
        value = page.locator("section[aria-label=Consumption] .value")
        before = value.get_attribute("title")
        assert before
        expect(value).not_to_have_attribute("title", before, timeout=10_000)
        expect(page.locator(".freshness.live")).to_be_visible()


def test_choosing_nodes_charts_them_and_a_link_keeps_the_choice(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/energy") as page:
        faces = page.locator(".flow button.face[aria-pressed]")
        faces.nth(0).click()
        faces.nth(1).click()
        chips = page.get_by_role("complementary", name="Chosen nodes").get_by_role("listitem")
        expect(chips).to_have_count(2)
        assert drawn(page.locator("aside canvas"))
        chosen = query(page)["select"][0].split(",")
        assert len(chosen) == 2
        page.reload()
        settle(page)
        expect(chips).to_have_count(2)
        chips.first.get_by_role("button").click()
        expect(chips).to_have_count(1)
        assert query(page)["select"] == chosen[1:]
        page.get_by_role("button", name="Tree", exact=True).click()
        expect(page.locator("tr.chosen")).to_have_count(1)


def test_a_node_opens_and_closes(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/energy") as page:
        closed = page.locator(".flow .toggle[aria-expanded=false]")
        before = page.locator(".flow li").count()
        closed.first.click()
        expect(page.locator(".flow li")).not_to_have_count(before)
        assert "open" in query(page)
        page.get_by_role("button", name="Fit").click()
        expect(page.locator(".flow li")).to_have_count(before)


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


def test_a_chosen_theme_stays(browser: Browser, base_url: str) -> None:
    with opened(browser, base_url) as page:
        button = page.get_by_role("button", name="Theme:")
        button.click()
        button.click()
        page.reload()
        settle(page)
        assert page.locator("html").get_attribute("data-theme") == "dark"
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_a_lost_line_is_said_and_comes_back_by_itself(browser: Browser, base_url: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    lines: list[WebSocketRoute] = []
    refuse = [False]

    def through(line: WebSocketRoute) -> None:
        if refuse[0]:
            line.close(code=1012)
            return
        line.connect_to_server()
        lines.append(line)

    page.route_web_socket(re.compile(r".*/graphql$"), through)
    page.goto(base_url)
    settle(page)
    expect(page.locator(".freshness.live")).to_be_visible(timeout=WAIT_MS)
    refuse[0] = True
    for line in lines:
        line.close(code=1012)
    expect(page.locator(".freshness.lost")).to_be_visible(timeout=WAIT_MS)
    refuse[0] = False
    expect(page.locator(".freshness.live")).to_be_visible(timeout=30_000)
    context.close()


def test_a_failure_says_what_and_offers_to_try_again(browser: Browser, base_url: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    answer = {"data": None, "errors": [{"message": "The store does not answer."}]}
    page.route("**/graphql", lambda route: route.fulfill(json=answer))
    page.goto(base_url)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The store does not answer.")
    page.unroute("**/graphql")
    alert.get_by_role("button", name="Try again").click()
    settle(page)
    expect(alert).to_have_count(0)
    context.close()
