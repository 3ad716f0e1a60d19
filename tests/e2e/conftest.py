"""A real browser on a running dashboard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.demo import Demo

DIST = Path(__file__).resolve().parents[2] / "frontend_static" / "dist"


@pytest.fixture(scope="session")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the dashboard runs, without a slash at the end: a demo of our own, or the one SEDUCE_E2E_URL names."""
    if url := os.environ.get("SEDUCE_E2E_URL"):
        yield url.rstrip("/")
        return
    if not (DIST / "index.html").exists():
        pytest.fail("the page is not built: make frontend_static/dist/index.html")
    demo = Demo(tmp_path_factory.mktemp("demo"))
    yield demo.url
    assert demo.interrupt() == 0, "".join(demo.log)


# Per module: while a browser is driven synchronously, no asynchronous test can run in this process.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=os.environ.get("SEDUCE_CHROMIUM", chromium))
        yield launched
        launched.close()
