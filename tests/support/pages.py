"""Looking at the pages as a reader does."""

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
WAIT_MS = 15_000


@contextmanager
def opened(
    browser: Browser,
    url: str,
    width: str = "desktop",
    theme: Literal["light", "dark"] = "light",
    *,
    slowed: int = 1,
) -> Iterator[Page]:
    """A page that shows its data; at the end it must have said nothing on the console.

    `slowed`: by how much the processor is; then the font comes late as well.
    """
    w, h = WIDTHS[width]
    context = browser.new_context(viewport={"width": w, "height": h}, color_scheme=theme)
    context.set_default_timeout(WAIT_MS)
    context.add_init_script(SHIFTS)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: said.append(str(e)))
    if slowed > 1:
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slowed})
        page.route("**/*.woff2", late)
    page.goto(url)
    settle(page)
    try:
        yield page
        assert said == [], said
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
    """How much of the page moved by itself so far, as browsers reckon it, and what moved."""
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
    """The fixed span in the address, in seconds since the epoch."""
    asked = query(page)
    start, end = (datetime.fromisoformat(asked[key][0]).timestamp() for key in ("from", "to"))
    return start, end


def violations(page: Page) -> list[str]:
    """What breaks WCAG AA, with the first place of each."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("rules => axe.run(document, { runOnly: rules })", RULES)
    return [f"{v['id']}: {v['nodes'][0]['html'][:160]}" for v in found["violations"]]


def drawn(canvas: Locator) -> bool:
    """Whether anything is painted on a canvas."""
    canvas.wait_for()
    return bool(
        canvas.evaluate(
            "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v, i) => i % 4 === 3 && v > 0)"
        )
    )


def chips(page: Page) -> Locator:
    return page.locator("section.chart li", has=page.get_by_role("button", name="Remove"))
