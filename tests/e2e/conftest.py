"""A real browser on a running dashboard."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.demo import Demo, LogIn

# How long a page may take is measured elsewhere; here a busy machine must not fail what is right in the end.
expect.set_options(timeout=60_000)

DIST = Path(__file__).resolve().parents[2] / "frontend_static" / "dist"


STARTS = 3


def start_demo(folders: pytest.TempPathFactory) -> Demo:
    """Return a running demo. A start that fails is repeated, because one failure would fail every test of the session."""
    for attempt in range(1, STARTS + 1):
        try:
            return Demo(folders.mktemp("demo"))
        except (AssertionError, queue.Empty) as failure:
            if attempt == STARTS:
                raise
            print(f"start {attempt} of the demo failed, trying again: {failure}")
    raise AssertionError("unreachable")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, LogIn]]:
    """Yield the URL of a dashboard, without a slash at the end, and its log-in.

    It is a demo that this fixture starts, or the dashboard that SEDUCE_E2E_URL names, with SEDUCE_E2E_PASSWORD.
    """
    if url := os.environ.get("SEDUCE_E2E_URL"):
        yield url.rstrip("/"), LogIn("admin@example.org", os.environ.get("SEDUCE_E2E_PASSWORD", ""))
        return
    if not (DIST / "index.html").exists():
        pytest.fail("the page is not built: make frontend_static/dist/index.html")
    demo = start_demo(tmp_path_factory)
    yield demo.url, demo.login
    assert demo.interrupt() == 0, "".join(demo.log)


@pytest.fixture(scope="session")
def base_url(running: tuple[str, LogIn]) -> str:
    return running[0]


@pytest.fixture(scope="session")
def login(running: tuple[str, LogIn]) -> LogIn:
    return running[1]


@pytest.fixture(scope="session")
def storage_state() -> dict[str, Any]:
    """Return the storage state of the browser after its log-in. All modules share one log-in."""
    return {}


# Per module: while a browser is driven synchronously, no asynchronous test can run in this process.
@pytest.fixture(scope="module")
def anonymous_browser(chromium: str) -> Iterator[Browser]:
    """A browser without a session."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=os.environ.get("SEDUCE_CHROMIUM", chromium))
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def browser(
    anonymous_browser: Browser,
    base_url: str,
    login: LogIn,
    storage_state: dict[str, Any],
    monkeypatch_module: Any,
) -> Browser:
    """Return the same browser, logged in as an administrator through the page."""
    if not storage_state:
        context = anonymous_browser.new_context()
        page = context.new_page()
        page.goto(base_url)
        page.get_by_label("E-mail address").fill(login.email)
        page.get_by_label("Password", exact=True).fill(login.password)
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("h1")).to_have_text("Overview")
        storage_state.update(context.storage_state())
        context.close()
    whole = anonymous_browser.new_context
    monkeypatch_module.setattr(
        anonymous_browser,
        "new_context",
        lambda **options: whole(**{"storage_state": storage_state, **options}),
    )
    return anonymous_browser


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch
