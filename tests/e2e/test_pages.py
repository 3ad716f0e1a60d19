"""The pages as a reader has them: both widths, both themes, live, by mouse and by keyboard."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute, expect

from tests.support.demo import LogIn

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "frontend_static/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDTHS = {"desktop": (1440, 900), "phone": (390, 844)}
PATHS = {
    "overview": "/",
    "energy": "/energy",
    "energy as a tree": "/energy?view=tree",
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


def query_of(link: Locator) -> dict[str, list[str]]:
    return parse_qs(urlsplit(link.get_attribute("href") or "").query)


def span_of(page: Page) -> tuple[float, float]:
    """The fixed span in the address, in seconds since the epoch."""
    asked = query(page)
    start, end = (datetime.fromisoformat(asked[key][0]).timestamp() for key in ("from", "to"))
    return start, end


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
    # Beside it the rail asks who sits here; no figure waits for that.
    assert len([body for body in asked if '"Me"' not in body]) == 1, asked
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


def chips(page: Page) -> Locator:
    return page.locator("section.chart li", has=page.get_by_role("button", name="Remove"))


def test_a_rack_is_charted_by_keyboard_and_a_link_keeps_it(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/measurements") as page:
        page.keyboard.press("/")
        box = page.get_by_role("combobox")
        expect(box).to_be_focused()
        box.fill("Z1.1 thermometers")
        expect(page.get_by_role("option").first).to_contain_text("Z1.1, all thermometers")
        page.keyboard.press("Enter")
        expect(page.get_by_role("option", selected=True).first).to_be_visible()
        probes = len(query(page)["sensors"][0].split(","))
        assert probes > 10
        box.fill("datacenter")
        page.get_by_role("option").filter(has_text="Data centre").first.click()
        page.keyboard.press("Escape")
        expect(page.locator("section.chart")).to_have_count(2)
        expect(chips(page)).to_have_count(probes + 1)
        for chart in page.locator("section.chart").all():
            assert drawn(chart.locator("canvas"))
        page.reload()
        settle(page)
        expect(chips(page)).to_have_count(probes + 1)
        chips(page).first.get_by_role("button").click()
        expect(chips(page)).to_have_count(probes)


def test_sensors_are_found_by_the_server_and_unknown_ones_are_said(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/measurements?sensors=nothing-like-it") as page:
        expect(page.get_by_text("Not in the description: nothing-like-it.")).to_be_visible()
        page.get_by_role("button", name="Take them away").click()
        expect(page.get_by_text("Nothing is charted yet")).to_be_visible()
        page.get_by_role("combobox").fill("wattmeter ecotype-37")
        found = page.get_by_role("option").filter(has_text="ecotype-37_pdu")
        expect(found).to_have_count(2)
        found.first.click()
        expect(chips(page)).to_have_count(1)
        expect(chips(page).locator("b")).to_contain_text("W")
        assert query(page)["sensors"] == ["ecotype-37_pdu-Z1.10"]


def test_charts_of_one_view_share_their_cursor_but_not_their_drags(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/racks") as page:
        probe = query_of(page.locator("a[data-row='Z1.1 30']"))["sensors"][0].split(",")[0]
        page.goto(f"{base_url}/measurements?sensors={probe}&nodes=datacenter")
        settle(page)
        charts = page.locator(".u-over")
        expect(charts).to_have_count(2)
        box = charts.first.bounding_box()
        assert box
        page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 50)
        other = page.locator(".u-over .u-cursor-x").nth(1)
        expect(other).not_to_have_css("transform", "none")
        expect(other).not_to_have_css("transform", re.compile(r"matrix\(1, 0, 0, 1, -10, 0\)"))
        before = page.evaluate("history.length")
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60, steps=5)
        page.mouse.up()
        page.wait_for_url(re.compile(r"from=.*to="))
        assert page.evaluate("history.length") == before + 1
        # Shift and drag pans: as long a span, further back.
        first = span_of(page)
        zoomed = page.url
        page.keyboard.down("Shift")
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 60, steps=5)
        page.mouse.up()
        page.keyboard.up("Shift")
        page.wait_for_url(lambda url: url != zoomed)
        second = span_of(page)
        assert second[0] < first[0]
        assert abs((second[1] - second[0]) - (first[1] - first[0])) <= 2


def test_the_navigator_moves_the_span_and_comes_back_to_now(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/measurements?nodes=datacenter&range=1h") as page:
        window = page.get_by_role("slider", name="The span that is shown")
        window.focus()
        page.keyboard.press("ArrowLeft")
        page.wait_for_url(re.compile(r"from=.*to="))
        assert abs(span_of(page)[1] - span_of(page)[0] - 3600) <= 1
        box = window.bounding_box()
        assert box
        middle = box["x"] + box["width"] / 2
        page.mouse.move(middle, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(middle + 2_000, box["y"] + 20, steps=4)
        page.mouse.up()
        page.wait_for_url(lambda url: "from=" not in url)


def test_the_request_of_a_chart_runs_as_it_stands(
    browser: Browser, base_url: str, login: LogIn, tmp_path: Path
) -> None:
    with opened(browser, f"{base_url}/measurements?nodes=datacenter&range=1h") as page:
        page.get_by_text("As query, Python, curl").click()
        text = page.get_by_role("tabpanel")
        ask = {"query": text.inner_text()}
        series = page.request.post(f"{base_url}/graphql", data=ask).json()["data"]["series"]
        assert series[0]["node"] == "datacenter"
        assert len(series[0]["values"]) > 10
        page.get_by_role("tab", name="Python").click()
        token = login.token(base_url)
        ran = subprocess.run(
            [sys.executable, "-c", text.inner_text()],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            env=os.environ | {"SEDUCE_TOKEN": token},
        )
        assert "datacenter" in ran.stdout
        assert re.search(r"\[\d+ rows x 6 columns\]", ran.stdout)
        page.get_by_role("tab", name="Python").press("ArrowRight")
        expect(page.get_by_role("tab", name="curl")).to_be_focused()
        expect(text).to_contain_text("--data-binary")
        if shutil.which("curl"):
            head = tmp_path / "head"
            head.write_text(f"Authorization: Bearer {token}\n")
            command = text.inner_text().replace("curl -sS", f"curl -sS -H @{head}")
            ran = subprocess.run(
                ["sh", "-c", command], capture_output=True, text=True, timeout=30, check=True
            )
            assert json.loads(ran.stdout)["data"]["series"][0]["unit"] == "W"
        with page.expect_download() as saved:
            page.get_by_role("button", name="Save as CSV").click()
        assert Path(saved.value.path()).read_text().startswith("time,series,unit,value,min,max,coverage\n")


def test_a_row_of_a_rack_tells_its_pair_and_opens_it(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/racks") as page:
        row = page.locator("a[data-row='Z1.1 30']")
        row.hover()
        expect(page.locator(".told")).to_contain_text("Z1.1, U30")
        expect(page.locator(".told")).to_contain_text(re.compile(r"Difference\s*\+\d+\.\d K"))
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
        expect(page.locator(".told")).to_contain_text("Z1.1, U30")
        page.get_by_role("link", name="Chart both").click()
        expect(page.locator("h1")).to_have_text("Measurements")


def test_plan_and_list_are_in_step(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/room") as page:
        rows = page.get_by_role("list", name="Rows of equipment").get_by_role("listitem")
        rows.nth(1).get_by_role("link").first.focus()
        name = rows.nth(1).locator(".name").inner_text()
        expect(page.locator(".plan .pointed .name")).to_have_text(name)
        marks = page.locator(".plan .place.told")
        marks.first.hover()
        expect(page.locator("li.pointed")).to_have_count(1)
        page.get_by_role("button", name="Temperature").click()
        expect(page.locator(".plan .heat").first).to_be_visible()
        marks.first.click()
        expect(page.locator("h1")).to_have_text("Sensors")
        settle(page)
        shown = int(page.locator("table").get_attribute("aria-rowcount") or 0) - 1
        assert 0 < shown < 100
        assert "array" in query(page)


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


@pytest.mark.parametrize("path", ["/measurements?nodes=datacenter", "/racks", "/room"])
def test_the_newer_pages_say_what_failed_and_try_again(browser: Browser, base_url: str, path: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.route("**/graphql", lambda route: route.abort())
    page.goto(base_url + path)
    alert = page.get_by_role("alert").first
    expect(alert).to_contain_text("The server cannot be reached.")
    page.unroute("**/graphql")
    while page.get_by_role("alert").count() > 0:
        page.get_by_role("alert").first.get_by_role("button").click()
        page.wait_for_timeout(300)
    settle(page)
    context.close()


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
