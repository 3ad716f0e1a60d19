"""Questions of a first-time reader, and the number of clicks from the overview to each answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.pages import opened, settle

pytestmark = pytest.mark.browser

MOST_CLICKS = 3


@contextmanager
def counting(page: Page) -> Iterator[None]:
    """Fails when more was clicked than somebody should have to."""
    page.add_init_script(
        "addEventListener('click', () => sessionStorage.clicks = 1 + Number(sessionStorage.clicks ?? 0), true)"
    )
    page.reload()
    settle(page)
    yield
    assert 0 < int(page.evaluate("sessionStorage.clicks")) <= MOST_CLICKS


def ask(page: Page, base_url: str, query: str, **variables: Any) -> Any:
    return page.request.post(f"{base_url}/graphql", data={"query": query, "variables": variables}).json()[
        "data"
    ]


@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_which_server_drew_the_most_energy_last_week(browser: Browser, base_url: str, width: str) -> None:
    with opened(browser, base_url, width) as page, counting(page):
        page.get_by_role("link", name="Top consumers, 7 days").click()
        settle(page)
        page.get_by_role("group", name="Group").get_by_role("button", name="Servers", exact=True).click()
        first = page.get_by_role("region", name="Ranking").locator("tbody tr").first
        expect(first).to_contain_text("ecotype-")
        name = first.locator("th button").inner_text()
        week_ago = (datetime.now(UTC) - timedelta(days=7)).isoformat()
        tree = "query($from: DateTime!) { energyTreeOver(from: $from) { nodes { id name parent kwh } } }"
        nodes = ask(page, base_url, tree, **{"from": week_ago})["energyTreeOver"]["nodes"]
        racks = {n["id"] for n in nodes if n["parent"] == "servers"}
        servers = sorted((n for n in nodes if n["parent"] in racks), key=lambda n: -n["kwh"])
        # The second may have overtaken the first in between.
        assert name in [n["name"] for n in servers[:2]]


@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_which_probe_is_silent(browser: Browser, base_url: str, width: str) -> None:
    with opened(browser, base_url, width) as page, counting(page):
        problem = page.get_by_role("link", name="has not reported").first
        message = problem.inner_text()
        problem.click()
        page.wait_for_url("**/sensor/*")
        expect(page.locator("h1")).not_to_have_text("Overview")
        settle(page)
        label = page.locator("h1").inner_text()
        assert message.startswith(label)
        probe = unquote(urlsplit(page.url).path.rpartition("/")[2])
        expect(page.locator(".latest")).to_contain_text("silent", ignore_case=True)
        latest = "query($name: ID!) { sensor(name: $name) { type label latest { stale } } }"
        sensor = ask(page, base_url, latest, name=probe)["sensor"]
        assert (sensor["type"], sensor["label"]) == ("temperature", label)
        assert sensor["latest"] is None or sensor["latest"]["stale"]
