"""Photograph every page at both widths and in both themes; fail when a picture is blank.

python scripts/screenshots.py http://127.0.0.1:8081 build/screenshots
python scripts/screenshots.py http://127.0.0.1:8081 docs/pictures --small    as the documentation has them
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect, sync_playwright

PAGES = {
    "overview": "/",
    "energy": "/energy",
    "energy-production": "/energy?tree=production",
    "energy-tree": "/energy?view=tree",
    "energy-treemap": "/energy?view=treemap",
    "energy-ranking": "/energy?view=ranking&show=energy&range=7d",
    "energy-chosen": "/energy?select=datacenter,hardware_cluster",
    "measurements": "/measurements?nodes=datacenter,overall_production&range=24h",
    "measurements-none": "/measurements",
    "racks": "/racks",
    "room": "/room",
    "room-temperature": "/room?show=temperature",
    "sensors": "/sensor",
    "devices": "/devices",
    "events": "/events",
    "queries": "/queries",
    "jobs": "/jobs",
    "job-new": "/jobs/new",
    "tasks": "/tasks",
    "commands": "/commands",
    "users": "/admin/users",
    "keys": "/admin/keys",
    "audit": "/admin/audit",
    "account": "/account",
}
ENTRANCE = {"log-in": "/log-in", "sign-up": "/sign-up", "forgotten": "/forgotten"}
"""Pages of those who are not logged in."""
WIDTHS = {"desktop": (1440, 900), "phone": (390, 844)}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TALLEST = 2_000
QUALITY = 0.72
"""Of the small pictures, 0 to 1."""
FEWEST_COLOURS = 24
"""A drawn page has hundreds of colours by its smoothed text alone; an empty one has a handful."""

LOOK = """async ([data, quality]) => {
  const image = new Image();
  image.src = 'data:image/png;base64,' + data;
  await image.decode();
  const paper = new OffscreenCanvas(image.width, image.height);
  const canvas = paper.getContext('2d');
  canvas.drawImage(image, 0, 0);
  const pixels = new Uint32Array(canvas.getImageData(0, 0, image.width, image.height).data.buffer);
  const colours = new Set(pixels).size;
  const bytes = new Uint8Array(await (await paper.convertToBlob({ type: 'image/webp', quality })).arrayBuffer());
  return [colours, bytes.reduce((text, b) => text + String.fromCharCode(b), '')];
}"""
"""How many colours a picture has, and the picture as WebP, a character a byte."""


def settle(page: Page) -> None:
    """Wait until the page shows what it has: no skeleton, fonts there, charts drawn."""
    page.wait_for_selector("main h1")
    expect(page.locator(".bone, [aria-busy=true]")).to_have_count(0, timeout=15_000)
    page.evaluate("document.fonts.ready.then(() => undefined)")
    page.wait_for_timeout(1_200)


def unroll(page: Page, width: int, height: int) -> None:
    """Make the window as tall as the page, so that the bar at its foot stands at the foot of the picture."""
    full = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": min(TALLEST, max(height, full))})
    page.wait_for_timeout(400)


def log_in(browser: Browser, base: str, file: Path) -> StorageState | None:
    """What the browser holds after a log-in with what the demo keeps in `file`; None where there is no such file."""
    if not file.exists():
        return None
    known = json.loads(file.read_text())
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{base}/log-in")
    page.get_by_label("E-mail address").fill(known["email"])
    page.get_by_label("Password", exact=True).fill(known["password"])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{base}/")
    state = context.storage_state()
    context.close()
    return state


def first_sensor(context: BrowserContext, base: str) -> str | None:
    page = context.new_page()
    page.goto(f"{base}/sensor")
    settle(page)
    link = page.query_selector("main a[href^='/sensor/']")
    href = link.get_attribute("href") if link else None
    page.close()
    return href


def take(page: Page, url: str, width: int, height: int, *, unrolled: bool) -> bytes:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(url)
    settle(page)
    if urlsplit(page.url).path != urlsplit(url).path:
        raise SystemExit(f"{url} leads to {page.url}: name the file with the log-in, --login")
    if unrolled:
        unroll(page, width, height)
    return page.screenshot()


def keep(judge: Page, picture: bytes, file: Path, small: bool) -> bool:
    """Write the picture; false if it is blank."""
    colours, webp = judge.evaluate(LOOK, [base64.b64encode(picture).decode(), QUALITY])
    if small:
        file.with_suffix(".webp").write_bytes(webp.encode("latin-1"))
    else:
        file.with_suffix(".png").write_bytes(picture)
    return bool(colours >= FEWEST_COLOURS)


def photograph(base: str, out: Path, login: Path, small: bool) -> list[str]:
    """Take all pictures; the names of the blank ones."""
    blank: list[str] = []
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        executable = os.environ.get("SEDUCE_CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=executable)
        judge = browser.new_page()
        pages = dict(PAGES)
        state = log_in(browser, base, login)
        if sensor := first_sensor(browser.new_context(storage_state=state), base):
            pages["sensor"] = sensor
        for width, (w, h) in WIDTHS.items():
            for theme in THEMES:
                if small and (width, theme) == ("phone", "dark"):
                    continue
                for some, who in ((pages, state), (ENTRANCE, None)):
                    context = browser.new_context(
                        viewport={"width": w, "height": h},
                        color_scheme=theme,
                        device_scale_factor=1,
                        storage_state=who,
                    )
                    page = context.new_page()
                    for name, path in some.items():
                        file = out / f"{name}-{width}-{theme}"
                        picture = take(page, base + path, w, h, unrolled=width == "phone")
                        if not keep(judge, picture, file, small):
                            blank.append(file.name)
                    context.close()
        browser.close()
    return blank


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="where the dashboard runs")
    parser.add_argument("out", type=Path, help="directory for the pictures")
    parser.add_argument(
        "--login", type=Path, default=Path("var/demo/login.json"), help="where the demo keeps its log-in"
    )
    parser.add_argument(
        "--small", action="store_true", help="WebP instead of PNG, and a phone in light colours alone"
    )
    args = parser.parse_args()
    blank = photograph(args.url.rstrip("/"), args.out, args.login, args.small)
    for name in blank:
        print(f"blank: {name}", file=sys.stderr)
    print(f"pictures in {args.out}")
    return 1 if blank else 0


if __name__ == "__main__":
    raise SystemExit(main())
