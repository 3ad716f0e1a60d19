"""The pages on a processor slowed four times: frames per second while live, first paint, and memory over time.

python -m benchmarks.bench_pages                  a demo of its own; about three minutes
python -m benchmarks.bench_pages --minutes 30     memory over half an hour
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect, sync_playwright

from tests.support.demo import Demo

SLOWED: Final = 4
MEASURED_S: Final = 15
CHARTED: Final = 10
LOADS: Final = 5

FRAMES = """(ms) => new Promise((done) => {
  const times = [];
  const end = performance.now() + ms;
  const tick = (now) => { times.push(now); now < end ? requestAnimationFrame(tick) : done(times); };
  requestAnimationFrame(tick);
})"""

PAINT = """() => new Promise((done) => {
  const observer = new PerformanceObserver((list) => done(list.getEntries().at(-1).startTime));
  observer.observe({ type: 'largest-contentful-paint', buffered: true });
})"""

SENSORS = '{ sensors(first: 10, type: "wattmeter") { edges { node { name } } } }'


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="minutes over which memory is measured")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        demo = Demo(Path(folder))
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        try:
            measure(browser, demo, args.minutes)
        finally:
            browser.close()
            demo.interrupt()


def measure(browser: Browser, demo: Demo, minutes: float) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    query = "mutation($e: String!, $p: String!) { logIn(email: $e, password: $p) { __typename } }"
    variables = {"e": demo.login.email, "p": demo.login.password}
    context.request.post(f"{demo.url}/graphql", data={"query": query, "variables": variables})
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})

    paints = []
    for _ in range(LOADS):
        devtools.send("Network.clearBrowserCache")
        open_page(page, demo.url)
        paints.append(page.evaluate(PAINT))
    print(f"overview, largest paint         {median(paints):8.0f} ms, of {LOADS} loads without a cache")
    print(f"overview, live                  {frames(page)}")
    open_page(page, f"{demo.url}/sensor")
    print(f"all sensors, live               {frames(page)}")
    open_page(page, f"{demo.url}/energy")
    print(f"energy flow, live               {frames(page)}")
    answer = context.request.post(f"{demo.url}/graphql", data={"query": SENSORS}).json()
    names = ",".join(e["node"]["name"] for e in answer["data"]["sensors"]["edges"][:CHARTED])
    open_page(page, f"{demo.url}/measurements?sensors={names}&range=1h")
    print(f"chart of {CHARTED} sensors, live        {frames(page)}")
    page.close()
    memory(context, demo.url, minutes)


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("main h1")
    expect(page.locator(".bone, [aria-busy=true]")).to_have_count(0, timeout=60_000)
    page.wait_for_timeout(2_000)


def frames(page: Page) -> str:
    times: list[float] = page.evaluate(FRAMES, MEASURED_S * 1000)
    gaps = sorted(b - a for a, b in itertools.pairwise(times))
    rate = 1000 * len(gaps) / (times[-1] - times[0])
    late = sum(gap > 50 for gap in gaps)
    return f"{rate:5.1f} frames/s, median {median(gaps):.1f} ms, longest {gaps[-1]:.0f} ms, {late} over 50 ms"


def memory(context: BrowserContext, url: str, minutes: float) -> None:
    """Print the memory after garbage collection of the three heaviest pages, open side by side, after one minute and at
    the end.
    """
    pages = {}
    for path in ("/", "/sensor", "/energy"):
        page = context.new_page()
        open_page(page, url + path)
        pages[path] = (page, context.new_cdp_session(page))
    first_page, _ = pages["/"]
    first_page.wait_for_timeout(60_000)
    first = {path: heap(devtools) for path, (_, devtools) in pages.items()}
    first_page.wait_for_timeout(minutes * 60_000)
    for path, (_, devtools) in pages.items():
        print(
            f"memory of {path:10}            {first[path]:6.1f} MB, {heap(devtools):6.1f} MB after {minutes:g} min"
        )


def heap(devtools: CDPSession) -> float:
    devtools.send("HeapProfiler.enable")
    devtools.send("HeapProfiler.collectGarbage")
    used: dict[str, Any] = devtools.send("Runtime.getHeapUsage")
    return float(used["usedSize"]) / 1e6


if __name__ == "__main__":
    main()
