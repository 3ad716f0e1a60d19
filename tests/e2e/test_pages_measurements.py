"""Charts: what is chosen, how they are driven, and what they are asked with."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.demo import LogIn
from tests.support.pages import chips, drawn, opened, query, query_of, settle, span_of
from tests.support.waiting import DEADLINE_S

pytestmark = pytest.mark.browser


def test_a_rack_is_charted_by_keyboard_and_a_link_keeps_it(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/measurements") as page:
        page.keyboard.press("/")
        box = page.get_by_role("combobox")
        expect(box).to_be_focused()
        box.fill("Z1.1 temperature")
        expect(page.get_by_role("option").first).to_contain_text("Z1.1, all temperature probes")
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
        expect(page.get_by_text("Unknown series: nothing-like-it.")).to_be_visible()
        page.get_by_role("button", name="Remove", exact=True).click()
        expect(page.get_by_text("No series selected")).to_be_visible()
        page.get_by_role("combobox").fill("wattmeter ecotype-37")
        options = page.get_by_role("option").filter(has_text="ecotype-37_pdu")
        expect(options).to_have_count(2)
        options.first.click()
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
        window = page.get_by_role("slider", name="Visible range")
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
        page.get_by_text("Query this data (GraphQL, Python, curl)").click()
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
                ["sh", "-c", command], capture_output=True, text=True, timeout=DEADLINE_S, check=True
            )
            assert json.loads(ran.stdout)["data"]["series"][0]["unit"] == "W"
        with page.expect_download() as saved:
            page.get_by_role("button", name="Download chart data").click()
        assert Path(saved.value.path()).read_text().startswith("time,series,unit,value,min,max,coverage\n")


def test_what_is_charted_can_be_had_as_a_file(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/measurements?sensors=ecotype-37_pdu-Z1.10&range=1h") as page:
        for name, start in (
            ("CSV", b"time,sensor,value"),
            ("Parquet", b"PAR1"),
            ("Arrow", b"\xff\xff\xff\xff"),
        ):
            with page.expect_download() as saved:
                page.get_by_role("link", name=name, exact=True).click()
            assert Path(saved.value.path()).read_bytes().startswith(start), name
