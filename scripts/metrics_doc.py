"""Write docs/metrics.md from backend/metrics, so that the page cannot lie."""

from __future__ import annotations

from pathlib import Path

from backend.metrics import operations, readings
from backend.metrics.exposition import SOURCE_UP, Family

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
HEAD = """# Metrics

`GET /metrics` answers in Prometheus' text format. It needs no log-in and is answered on loopback only, and not through a proxy:
let a Prometheus on the same machine, or its agent, read it.

    scrape_configs:
      - job_name: seduce
        static_configs: [{targets: ["127.0.0.1:8081"]}]

A process tells of what it does itself. `seduce serve` has all of the metrics below; with a process for each part, the ingest
door and the cards' receiver have those of readings, spool and store and of the process, and the web process the others, those
of tasks included, in whatever process they run. Device names, and what a crawler is called, come from the description and the
command line.

Worth an alarm: `seduce_device_up == 0` for minutes, `seduce_spool_readings` growing, `seduce_rollup_lag_seconds{window="30s"}`
over a minute, `time() - seduce_task_last_success_timestamp_seconds{task="roll_up"}` over two minutes,
`seduce_ingest_readings_set_aside_total` or `seduce_crawler_dropped_readings_total` moving at all.

This page is written from the code by `python -m scripts.metrics_doc`.

| metric | kind | labels | meaning |
|---|---|---|---|
"""


def families() -> list[Family]:
    """All metrics of all processes, in the order of the code."""
    found = [f for m in (readings, operations) for f in vars(m).values() if isinstance(f, Family)]
    return [*found, SOURCE_UP]


def page() -> str:
    rows = [f"| `{f.name}` | {f.kind} | {', '.join(f.labels)} | {f.help} |" for f in families()]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
