"""The energy tree as flow, tree, treemap and ranking."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.support.pages import drawn, opened, query, settle

pytestmark = pytest.mark.browser


def test_choosing_nodes_charts_them_and_a_link_keeps_the_choice(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/energy") as page:
        faces = page.locator(".flow button.face[aria-pressed]")
        faces.nth(0).click()
        faces.nth(1).click()
        chips = page.get_by_role("complementary", name="Selected nodes").get_by_role("listitem")
        expect(chips).to_have_count(2)
        assert drawn(page.locator("aside canvas"))
        selected_nodes = query(page)["select"][0].split(",")
        assert len(selected_nodes) == 2
        page.reload()
        settle(page)
        expect(chips).to_have_count(2)
        chips.first.get_by_role("button").click()
        expect(chips).to_have_count(1)
        assert query(page)["select"] == selected_nodes[1:]
        page.get_by_role("button", name="Tree", exact=True).click()
        expect(page.locator("tr.selected")).to_have_count(1)


def test_a_node_opens_and_closes(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/energy") as page:
        closed = page.locator(".flow .toggle[aria-expanded=false]")
        before = page.locator(".flow li").count()
        closed.first.click()
        expect(page.locator(".flow li")).not_to_have_count(before)
        assert "open" in query(page)
        page.get_by_role("button", name="Reset view").click()
        expect(page.locator(".flow li")).to_have_count(before)


def test_a_treemap_keeps_what_is_chosen_and_opens_tiles(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/energy?select=servers") as page:
        page.get_by_role("button", name="Treemap").click()
        tiles = page.locator(".map .tile")
        expect(page.locator(".map .tile.selected")).to_have_count(1)
        box = page.locator(".map .tile.selected").bounding_box()
        whole = page.locator(".map").bounding_box()
        assert box
        assert whole
        assert 0.2 < box["width"] * box["height"] / (whole["width"] * whole["height"]) < 0.95
        before = tiles.count()
        page.get_by_role("button", name="Collapse Servers", exact=True).click()
        expect(tiles).not_to_have_count(before)
        page.get_by_role("button", name="Flow", exact=True).click()
        expect(page.locator(".flow li.selected")).to_have_count(1)


def test_a_moment_of_the_past_stands_still_and_a_link_keeps_it(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/energy?view=tree") as page:
        page.get_by_role("group", name="Time").get_by_role("button", name="Point in time").click()
        page.wait_for_url(re.compile("at="))
        settle(page)
        at = query(page)["at"]
        watts = page.locator("tbody td .value").first
        first = watts.get_attribute("title")
        assert first
        page.reload()
        settle(page)
        assert query(page)["at"] == at
        expect(watts).to_have_attribute("title", first)
        document = "query($at: DateTime!) { energyTree(at: $at) { nodes { id watts } } }"
        answer = page.request.post(
            f"{base_url}/graphql", data={"query": document, "variables": {"at": at[0]}}
        )
        known = answer.json()["data"]["energyTree"]["nodes"][0]["watts"]
        assert abs(float(first.removesuffix(" W").replace(",", "")) - known) < 0.01
        page.get_by_role("button", name="1 hour earlier").click()
        page.wait_for_url(lambda url: parse_qs(urlsplit(url).query)["at"] != at)


def test_energy_over_a_range_is_what_the_server_says(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/energy?view=tree") as page:
        page.get_by_role("group", name="Time").get_by_role("button", name="Range (kWh)").click()
        page.wait_for_url(re.compile("show=energy"))
        end = datetime.now(UTC) - timedelta(minutes=10)
        start = end - timedelta(hours=1)
        span = [t.isoformat(timespec="seconds").replace("+00:00", "Z") for t in (start, end)]
        page.goto(f"{base_url}/energy?view=tree&show=energy&from={span[0]}&to={span[1]}")
        settle(page)
        title = page.locator("tbody td .value").first.get_attribute("title") or ""
        document = "query($from: DateTime!, $to: DateTime!) { energyTreeOver(from: $from, to: $to) { nodes { kwh } } }"
        variables = {"from": span[0], "to": span[1]}
        answer = page.request.post(f"{base_url}/graphql", data={"query": document, "variables": variables})
        kwh = answer.json()["data"]["energyTreeOver"]["nodes"][0]["kwh"]
        assert abs(float(title.removesuffix(" Wh").replace(",", "")) / 1000 - kwh) < 1e-3
