"""A person's way from sign-up to a first chart, by a real browser and a real mail server; and out again."""

from __future__ import annotations

import asyncio
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from backend.accounts.log import OPERATOR
from backend.core.reading import Readings
from backend.processes.one_process import create_app
from backend.processes.shared import Overrides
from backend.settings import Settings
from tests.e2e.conftest import DIST
from tests.support.processes import free_port
from tests.support.serve import serving
from tests.support.small_site import small_inventory
from tests.support.smtp import Inbox, smtp_server
from tests.support.waiting import DEADLINE_S

pytestmark = pytest.mark.browser

ADMIN = "admin@example.org"
READER = "reader@example.org"
ANNA = "anna@example.org"
PASSWORD = "otter-lamp-quarry-9"
NEW_PASSWORD = "violet.tractor.moth.4"
AXE = Path(__file__).parents[2] / "frontend_static/node_modules/axe-core/axe.min.js"
WAIT_MS = 45_000
"""Mails go out every 10 s."""


@dataclass
class Town:
    url: str
    inbox: Inbox


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A dashboard with an administrator, and the mail server of everybody."""
    if not (DIST / "index.html").exists():
        pytest.fail("the page is not built: make frontend_static/dist/index.html")
    inbox, folder, port = Inbox(), tmp_path_factory.mktemp("town"), free_port()
    with smtp_server(inbox) as mail_port:
        settings = Settings(
            data_dir=folder, port=port, public_read=False, mail_url=f"smtp://127.0.0.1:{mail_port}"
        )
        with _running(settings) as url:
            yield Town(url, inbox)


@contextmanager
def _running(settings: Settings) -> Iterator[str]:
    """In a thread of its own, since the browser is driven synchronously."""
    app = create_app(settings, Overrides(inventory=small_inventory()))
    up, down = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    failed: list[BaseException] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with serving(app, settings.port):
            services = app.state.services
            await services.accounts.users.add(ADMIN, PASSWORD, admin=True, actor=OPERATOR)
            await services.accounts.users.add(READER, PASSWORD, admin=False, actor=OPERATOR)
            now = services.clock.now_ns()
            times = [now - s * 10**9 for s in range(600)]
            await services.ingest.import_history(Readings.from_rows(["fan"] * 600, times, [12.5] * 600))
            up.set()
            await down.wait()

    def work() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failed.append(error)
            up.set()

    thread = threading.Thread(target=work)
    thread.start()
    up.wait(60)
    assert not failed, failed
    try:
        yield settings.address
    finally:
        loops[0].call_soon_threadsafe(down.set)
        thread.join(30)


@contextmanager
def page_of(anonymous_browser: Browser) -> Iterator[Page]:
    """Somebody's browser, which must have said nothing on the console at the end."""
    context = anonymous_browser.new_context()
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    console_messages: list[str] = []
    page.on("console", lambda m: console_messages.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: console_messages.append(str(e)))
    yield page
    assert console_messages == []
    context.close()


def link_in_mail(town: Town, to: str, page: str) -> str:
    """The newest link of that kind; waits for the mail."""
    for _ in range(round(DEADLINE_S / 0.1)):
        for mail in reversed(town.inbox.to(to)):
            text = mail.get_body(("plain",))
            assert text is not None
            if result := re.search(rf"(http://\S+/{page}#\S+)", text.get_content()):
                return result[1]
        time.sleep(0.1)
    raise AssertionError(f"no mail to {to} with a link to {page}: {[m['subject'] for m in town.inbox.mails]}")


def is_accessible(page: Page) -> None:
    page.evaluate(AXE.read_text())
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    result = page.evaluate("rules => axe.run(document, {runOnly: rules})", rules)
    assert [v["id"] for v in result["violations"]] == []


def log_in(page: Page, email: str, password: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in").click()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_from_sign_up_to_a_first_chart(anonymous_browser: Browser, town: Town) -> None:
    with page_of(anonymous_browser) as anna, page_of(anonymous_browser) as admin:
        # Who is not known is asked who it is, and can sign up.
        anna.goto(f"{town.url}/sensor/fan")
        expect(anna.locator("h1")).to_have_text("Log in")
        anna.get_by_role("link", name="Sign up").click()
        anna.get_by_label("First name").fill("Anna")
        anna.get_by_label("Last name").fill("Lind")
        anna.get_by_label("E-mail address").fill(ANNA)
        anna.get_by_label("Password", exact=True).fill("short")
        anna.get_by_role("button", name="Sign up").click()
        expect(anna.get_by_text("at least 12 characters").first).to_be_visible()
        expect(anna.get_by_label("Password", exact=True)).to_have_attribute("aria-invalid", "true")
        anna.get_by_label("Password", exact=True).fill(PASSWORD)
        anna.get_by_role("button", name="Sign up").click()
        expect(anna.locator("h1")).to_have_text("Check your inbox")

        # The link asks before it acts: looking at it, as a mail scanner does, uses nothing up.
        confirm = link_in_mail(town, ANNA, "confirm")
        for _ in range(2):
            anna.goto("about:blank")
            anna.goto(confirm)
            expect(anna.get_by_text(ANNA)).to_be_visible()
        anna.get_by_label("Password", exact=True).fill(PASSWORD)
        anna.get_by_role("button", name="Confirm").click()
        expect(anna.locator("h1")).to_have_text("E-mail address confirmed")

        # Not yet.
        anna.goto(f"{town.url}/log-in")
        log_in(anna, ANNA, PASSWORD)
        expect(anna.get_by_role("alert")).to_contain_text("awaiting approval")

        # An administrator approves by mail, without a log-in.
        approve = link_in_mail(town, ADMIN, "approve")
        admin.goto(approve)
        expect(admin.get_by_text("Anna Lind")).to_be_visible()
        admin.get_by_role("button", name="Approve").click()
        expect(admin.locator("h1")).to_have_text("Approved")
        admin.goto("about:blank")
        admin.goto(approve)
        expect(admin.get_by_role("alert")).to_contain_text("has expired or was already used")

        # The mail about it leads to the log-in, and that to where the way led at first.
        assert link_free_mail(town, ANNA, "Your SeDuCe account is approved").endswith("/log-in")
        anna.goto(f"{town.url}/sensor/fan")
        expect(anna.locator("h1")).to_have_text("Log in")
        log_in(anna, ANNA, PASSWORD)
        expect(anna.locator("h1")).to_have_text("fan")
        expect(anna.locator("main canvas").first).to_be_visible()
        expect(anna.locator(".freshness.live, .freshness")).to_be_visible()

        # Places of administrators are not hers.
        rail = anna.get_by_role("navigation", name="Pages")
        expect(rail.get_by_role("link", name="Sensors")).to_be_visible()
        expect(rail.get_by_role("link", name="Admin")).to_have_count(0)
        anna.goto(f"{town.url}/admin/users")
        expect(anna.get_by_role("alert")).to_contain_text("administrator")
        anna.goto(f"{town.url}/sensor/fan")

        # A stolen cookie is worth nothing after the log-out.
        cookies = anna.context.cookies()
        [session] = [c for c in cookies if c["name"] == "seduce"]
        assert session["httpOnly"]
        assert session["sameSite"] == "Lax"
        anna.get_by_role("link", name="Account").click()
        anna.get_by_role("link", name="Log out").click()
        anna.get_by_role("button", name="Log out").click()
        expect(anna.locator("h1")).to_have_text("Log in")
        anna.context.add_cookies(cookies)  # type: ignore[arg-type]  # Playwright types the two directions apart
        anna.goto(f"{town.url}/sensor/fan")
        expect(anna.locator("h1")).to_have_text("Log in")


def link_free_mail(town: Town, to: str, subject: str) -> str:
    """The address in a mail of that subject; waits for it."""
    for _ in range(round(DEADLINE_S / 0.1)):
        for mail in town.inbox.to(to):
            if str(mail["subject"]).startswith(subject):
                text = mail.get_body(("plain",))
                assert text is not None
                result = re.search(r"http://\S+", text.get_content())
                assert result
                return result[0]
        time.sleep(0.1)
    raise AssertionError(f"no mail to {to} about {subject}")


@pytest.mark.slow
def test_a_forgotten_password(anonymous_browser: Browser, town: Town) -> None:
    with page_of(anonymous_browser) as page:
        page.goto(f"{town.url}/log-in")
        log_in(page, ADMIN, NEW_PASSWORD)
        expect(page.get_by_role("alert")).to_contain_text("wrong")
        page.get_by_role("link", name="Forgot your password?").click()
        expect(page.locator("h1")).to_have_text("Reset your password")
        # The address goes along: it was typed on the card before.
        expect(page.get_by_label("E-mail address")).to_have_value(ADMIN)
        page.get_by_role("button", name="Send link").click()
        expect(page.get_by_role("status")).to_contain_text("If there is an account")
        page.goto(link_in_mail(town, ADMIN, "reset"))
        page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
        page.get_by_role("button", name="Change password").click()
        expect(page.locator("h1")).to_have_text("Password changed")
        page.get_by_role("link", name="Log in").first.click()
        log_in(page, ADMIN, NEW_PASSWORD)
        expect(page.locator("h1")).to_have_text("Overview")


def test_an_address_typed_while_the_next_card_loads_is_not_lost(
    anonymous_browser: Browser, town: Town
) -> None:
    with page_of(anonymous_browser) as page:
        held: list[Route] = []
        page.route("**/assets/Forgotten-*.js", lambda route: held.append(route))
        page.goto(f"{town.url}/log-in")
        with page.expect_request("**/assets/Forgotten-*.js"):
            page.get_by_role("link", name="Forgot your password?").click()
        page.get_by_label("E-mail address").fill(ANNA)
        expect(page.locator("h1")).to_have_text("Log in")
        for route in held:
            route.continue_()
        expect(page.locator("h1")).to_have_text("Reset your password")
        expect(page.get_by_label("E-mail address")).to_have_value(ANNA)


def test_a_password_can_be_shown(anonymous_browser: Browser, town: Town) -> None:
    with page_of(anonymous_browser) as page:
        page.goto(f"{town.url}/log-in")
        field = page.get_by_label("Password", exact=True)
        field.fill(PASSWORD)
        expect(field).to_have_attribute("type", "password")
        expect(field).to_have_attribute("autocomplete", "current-password")
        page.get_by_role("button", name="Show password").click()
        expect(field).to_have_attribute("type", "text")
        expect(field).to_have_value(PASSWORD)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_cards_are_accessible_and_fit(
    anonymous_browser: Browser, town: Town, theme: Literal["light", "dark"], width: int
) -> None:
    context = anonymous_browser.new_context(viewport={"width": width, "height": 844}, color_scheme=theme)
    page = context.new_page()
    for path in (
        "/log-in",
        "/sign-up",
        "/forgotten",
        "/confirm",
        f"/reset#{secrets.token_urlsafe(32)}",
        "/approve",
        "/log-out",
    ):
        page.goto("about:blank")
        page.goto(town.url + path)
        page.wait_for_selector("main h1")
        expect(page.get_by_text("Loading")).to_have_count(0)
        is_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.evaluate("document.querySelectorAll('main').length") == 1
    context.close()


@pytest.mark.parametrize(
    "away", ["https://evil.example/", "//evil.example/", "/%5Cevil.example/", "javascript:alert(1)"]
)
def test_a_log_in_leads_nowhere_else(anonymous_browser: Browser, town: Town, away: str) -> None:
    with page_of(anonymous_browser) as page:
        page.goto(f"{town.url}/log-in?to={away}")
        log_in(page, READER, PASSWORD)
        expect(page.locator("h1")).to_have_text("Overview")
        assert page.url == f"{town.url}/"
