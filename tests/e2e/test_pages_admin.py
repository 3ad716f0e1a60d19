"""The pages that change something: what they ask before, what they say after, and that it is so."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.pages import opened, settle, violations

pytestmark = pytest.mark.browser


def ask(page: Page, query: str) -> Any:
    answer = page.request.post(f"{page.evaluate('location.origin')}/graphql", data={"query": query})
    return answer.json()["data"]


def test_a_job_says_what_it_takes_then_runs_to_its_end(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/jobs/new") as page:
        before = ask(page, "{ jobs { totalCount } }")
        page.get_by_role("button", name="1 h", exact=True).click()
        start = datetime.now(UTC) - timedelta(hours=4)
        page.get_by_label("From").fill(start.strftime("%Y-%m-%dT%H:%M"))
        page.get_by_role("button", name="Estimate").click()
        plan = page.get_by_role("status").filter(has_text="job")
        expect(plan).to_contain_text(re.compile(r"\d+ jobs? over \d+ windows?"))
        assert ask(page, "{ jobs { totalCount } }") == before, "looking makes nothing"
        page.get_by_role("group", name="Windows").get_by_role("button", name="1 min").click()
        expect(plan).to_have_count(0)
        page.get_by_role("group", name="Queries").get_by_role("button", name="All sensor types").click()
        page.get_by_role("button", name="Estimate").click()
        page.get_by_role("button", name="Recompute").click()
        expect(page.locator("h1")).to_have_text("Jobs")
        assert violations(page) == []
        job_names = [
            e["node"]["cqName"]
            for e in ask(page, "{ jobs(first: 2) { edges { node { cqName } } } }")["jobs"]["edges"]
        ]
        assert set(job_names) == {"measurement_downsample_all_1m", "measurement_downsample_all_1h"}
        rows = page.get_by_role("region", name="Jobs").locator("tbody tr")
        # Two periods of the task that prepares jobs, and two of the one that ends them.
        for name in job_names:
            row = rows.filter(has_text=name).first
            expect(row).to_contain_text("Finished", timeout=90_000)
            expect(row.get_by_role("progressbar")).to_have_attribute("value", "1")


def test_a_command_asks_first_and_reads_the_state_back(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/commands") as page:
        network = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Solar network 3"))
        expect(network).to_contain_text("active")
        network.get_by_role("button", name="Deactivate").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Solar network 3")
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        network.get_by_role("button", name="Deactivate").click()
        dialog.get_by_role("button", name="Deactivate").click()
        expect(page.get_by_role("status").filter(has_text="confirmed by the device")).to_be_visible()
        expect(network).to_contain_text("inactive")
        expect(page.get_by_role("region", name="Audit log").locator("tbody tr").first).to_contain_text(
            "admin@"
        )
        network.get_by_role("button", name="Activate", exact=False).first.click()
        dialog.get_by_role("button", name="Activate").click()
        expect(network.get_by_text("active", exact=True)).to_be_visible()


def test_a_key_is_shown_once_and_goes_by_its_name(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/admin/keys") as page:
        page.get_by_label("Name").fill("crawler-of-a-test")
        page.get_by_role("button", name="Create key").click()
        secret = page.locator(".secret code")
        expect(secret).to_have_text(re.compile(r"\S{20,}"))
        text = secret.inner_text()
        assert violations(page) == []
        page.reload()
        settle(page)
        assert text not in page.content()
        page.get_by_role("button", name="Delete: crawler-of-a-test").click()
        dialog = page.get_by_role("dialog")
        delete_button = dialog.get_by_role("button", name="Delete key")
        expect(delete_button).to_be_disabled()
        dialog.get_by_label("Type crawler-of-a-test").fill("crawler-of-a-test")
        delete_button.click()
        expect(page.get_by_role("rowheader", name="crawler-of-a-test")).to_have_count(0)


def test_a_token_works_until_it_is_deleted(
    browser: Browser, anonymous_browser: Browser, base_url: str
) -> None:
    with opened(browser, f"{base_url}/account") as page:
        page.get_by_label("Token name").fill("notebook of a test")
        page.get_by_role("button", name="Create token").click()
        secret = page.locator(".secret code").inner_text()
        request: dict[str, Any] = {
            "data": {"query": "{ sensorTypes { name } }"},
            "headers": {"Authorization": f"Bearer {secret}"},
        }
        outside = page.context.browser
        assert outside is not None
        fresh = outside.new_context(storage_state={"cookies": [], "origins": []})
        assert "data" in fresh.request.post(f"{base_url}/graphql", **request).json()
        page.get_by_role("button", name="Delete: notebook of a test").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete token").click()
        expect(page.get_by_role("rowheader", name="notebook of a test")).to_have_count(0)
        assert fresh.request.post(f"{base_url}/graphql", **request).json().get("data") is None
        fresh.close()


def test_somebody_is_let_in_and_deleted_by_name(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/admin/users") as page:
        row = page.get_by_role("row").filter(has_text="admin@example.org")
        expect(row).to_contain_text("Authorized")
        row.get_by_role("button", name="Delete").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Type admin@example.org").fill("admin@example.com")
        expect(dialog.get_by_role("button", name="Delete user")).to_be_disabled()
        dialog.get_by_label("Type admin@example.org").fill("admin@example.org")
        dialog.get_by_role("button", name="Delete user").click()
        # The last administrator cannot go; the server says so, and the page says it on.
        expect(page.get_by_role("alert")).to_contain_text("administrator")
        expect(row).to_contain_text("Authorized")


def test_admin_places_are_for_administrators(browser: Browser, base_url: str) -> None:
    with opened(browser, f"{base_url}/devices") as page:
        rail = page.get_by_role("navigation", name="Pages")
        for place in ("Roll-ups", "Commands", "Admin"):
            expect(rail.get_by_role("link", name=place)).to_be_visible()
