"""Helpers that open, inspect and check pages in a browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Locator, Page, Route, expect

AXE = Path(__file__).parents[2] / "frontend_static/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDTHS = {"desktop": (1440, 900), "phone": (390, 844)}
WAIT_MS = 60_000
"""The longest wait for a page, in ms. A busy machine is no fault."""


@contextmanager
def opened(
    browser: Browser,
    url: str,
    width: str = "desktop",
    theme: Literal["light", "dark"] = "light",
    *,
    slowed: int = 1,
) -> Iterator[Page]:
    """Yield a page that shows its data. At the end its console must hold no warning and no error.

    `slowed` is the factor by which the processor is throttled. Above 1 the font arrives late as well.
    """
    w, h = WIDTHS[width]
    context = browser.new_context(viewport={"width": w, "height": h}, color_scheme=theme)
    context.set_default_timeout(WAIT_MS)
    context.add_init_script(SHIFTS)
    page = context.new_page()
    console_messages: list[str] = []
    page.on("console", lambda m: console_messages.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: console_messages.append(str(e)))
    if slowed > 1:
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slowed})
        page.route("**/*.woff2", late)
    page.goto(url)
    settle(page)
    try:
        yield page
        assert console_messages == [], console_messages
    finally:
        context.close()


def late(route: Route) -> None:
    time.sleep(0.5)
    route.continue_()


SHIFTS = """
  window.shifted = [];
  new PerformanceObserver((list) => {
    for (const e of list.getEntries()) {
      const what = e.sources.map((s) => s.node?.className ?? s.node?.nodeName).join(' ');
      if (!e.hadRecentInput) window.shifted.push([e.value, what]);
    }
  }).observe({ type: 'layout-shift', buffered: true });
"""
MOST_SHIFT = 0.02


def shift(page: Page) -> tuple[float, list[str]]:
    """Return the cumulative layout shift of the page so far, and the elements that moved."""
    moved = page.evaluate("window.shifted")
    return sum(value for value, _ in moved), [f"{value:.3f} {what}" for value, what in moved]


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
    """Return the fixed range in the page's URL, in seconds since the epoch."""
    parameters = query(page)
    start, end = (datetime.fromisoformat(parameters[key][0]).timestamp() for key in ("from", "to"))
    return start, end


def violations(page: Page) -> list[str]:
    """Return the violations of WCAG AA, each with its first element."""
    page.evaluate(AXE.read_text())
    report = page.evaluate("rules => axe.run(document, { runOnly: rules })", RULES)
    return [f"{v['id']}: {v['nodes'][0]['html'][:160]}" for v in report["violations"]]


def drawn(canvas: Locator) -> bool:
    """Return True if anything is painted on the canvas."""
    canvas.wait_for()
    return bool(
        canvas.evaluate(
            "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v, i) => i % 4 === 3 && v > 0)"
        )
    )


def chips(page: Page) -> Locator:
    return page.locator("section.chart li", has=page.get_by_role("button", name="Remove"))
