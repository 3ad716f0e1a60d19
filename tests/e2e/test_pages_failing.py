"""Pages report a failing server, and recover with it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, WebSocketRoute, expect

from tests.support.pages import WAIT_MS, settle

pytestmark = pytest.mark.browser


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
    expect(page.locator(".freshness.live")).to_be_visible(timeout=60_000)
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
    alert.get_by_role("button", name="Retry").click()
    settle(page)
    expect(alert).to_have_count(0)
    context.close()
