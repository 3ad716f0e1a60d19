"""Time from request to data frame for a notebook: JSON columns through GraphQL, and an Arrow stream.

    python -m benchmarks.bench_client [runs]

Cases: one sensor at 1 Hz, and minutes of ten sensors. The server is a separate process on loopback; the client is
seduce_client.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from backend.inventory.loader import load
from benchmarks.bench_graphql import DAY_S, NOW_S, ROOT, iso
from benchmarks.bench_peers import running_server
from seduce_client import connect, frames
from seduce_client.times import SECONDS

CASES = (
    ("raw, 1 sensor, half an hour", "raw", 1, 1800),
    ("raw, 1 sensor, 6 hours", "raw", 1, DAY_S // 4),
    ("raw, 1 sensor, a day", "raw", 1, DAY_S),
    ("1m, 10 sensors, 3 hours", "1m", 10, 3 * 3600),
    ("1m, 10 sensors, a day", "1m", 10, DAY_S),
    ("1m, 10 sensors, 7 days", "1m", 10, 7 * DAY_S),
)
QUERY = """query ($s: [ID!], $from: DateTime!, $to: DateTime, $w: Window, $n: Int) {
  series(sensors: $s, from: $from, to: $to, window: $w, maxPoints: $n) { sensor timestamps values coverage } }"""
WINDOWS = {"raw": "RAW", "1m": "M1"}


def median_ms(act: Callable[[], Any], runs: int) -> tuple[float, int]:
    durations_ms, rows = [], 0
    for _ in range(runs + 1):
        start = time.perf_counter()
        rows = len(act())
        durations_ms.append((time.perf_counter() - start) * 1e3)
    return statistics.median(durations_ms[1:]), rows


def by_json(seduce: Any, names: list[str], window: str, start: str, end: str, points: int) -> Any:
    pd = frames.require_library("pandas")
    variables = {"s": names, "from": start, "to": end, "w": WINDOWS[window], "n": points}
    return pd.concat(
        pd.DataFrame(
            {
                "time": pd.to_datetime(s["timestamps"], unit="ms", utc=True),
                "sensor": s["sensor"],
                "value": s["values"],
            }
        )
        for s in seduce.query(QUERY, variables)["series"]
    )


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    every = list(load(ROOT / "examples" / "datacenter").sensors)
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as (_, port):
        print(
            f"{f'ms to a data frame, median of {runs} runs':44}{'rows':>9}{'JSON':>9}{'Arrow':>9}{'Polars':>9}"
        )
        with connect(f"http://127.0.0.1:{port}") as seduce:
            for title, window, count, seconds in CASES:
                points = seconds // SECONDS[window] + 1
                names, start, end = every[:count], iso(NOW_S - seconds), iso(NOW_S)
                columns, rows = median_ms(partial(by_json, seduce, names, window, start, end, points), runs)
                figures = [columns]
                for library in ("pandas", "polars"):
                    ask = lambda n=names, w=window, a=start, b=end, f=library: seduce.series(  # noqa: E731
                        n, start=a, end=b, window=w, frame=f, progress=False
                    )
                    ms, row_count = median_ms(ask, runs)
                    assert row_count == rows, (row_count, rows)
                    figures.append(ms)
                print(f"{title:44}{rows:9,}{''.join(f'{ms:9.1f}' for ms in figures)}")


if __name__ == "__main__":
    main()
