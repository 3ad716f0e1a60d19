"""A real browser on a running dashboard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = os.environ.get("SEDUCE_CHROMIUM", "/usr/bin/chromium")


@pytest.fixture(scope="session")
def base_url() -> str:
    """Where the dashboard runs, without a slash at the end."""
    url = os.environ.get("SEDUCE_E2E_URL")
    if not url:
        pytest.skip("no dashboard to look at: set SEDUCE_E2E_URL")
    return url.rstrip("/")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no browser at {CHROMIUM}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM)
        yield chromium
        chromium.close()
