"""1,000 subscribers with 10 messages per second each: our server, plain Strawberry and npm's graphql-ws, in one run.

    python -m benchmarks.bench_subscribers [subscribers] [seconds]

Afterwards our server with more and more subscribers, until a core is full. Servers and subscribers share this
machine, so delays mean little under other load. The CPU time of each server is its own.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.bench_peers import cpu_ms
from benchmarks.subscribers import listen

HERE = Path(__file__).resolve().parent
PER_SECOND = 10
SETTLE_S = 2.0
GOAL_P99_MS, GOAL_CORES = 40, 0.3


def servers() -> dict[str, list[str] | None]:
    node = shutil.which("node") or shutil.which("node", path=str(HERE.parent / ".venv" / "node-bin"))
    python = [sys.executable, "-m", "benchmarks.live_server"]
    return {
        "ours": [*python, "ours"],
        "graphql-ws on Node": [node, str(HERE / "live_server.mjs")] if node else None,
        "Strawberry as it comes": [*python, "strawberry"],
    }


@contextmanager
def running(command: list[str]) -> Iterator[tuple[int, int]]:
    """Yield process id and port of a server."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
    assert process.stdout is not None
    try:
        yield process.pid, int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(30)


def measure(name: str, command: list[str], subscribers: int, seconds: float) -> tuple[float, float, float]:
    """Print a line of figures. Return p99 (ms), the share of the due messages that arrived, and the cores used."""
    with running(command) as (pid, port):
        marks: list[float] = []
        delays = np.array(
            asyncio.run(listen(port, subscribers, seconds, SETTLE_S, marks, lambda: cpu_ms(pid))) or [np.nan]
        )
        cpu_ms_spent = marks[1] - marks[0]
    p50, p99 = np.percentile(delays * 1e3, (50, 99))
    arrived = len(delays) / (subscribers * PER_SECOND * seconds)
    print(
        f"{name:26}{subscribers:8,}{len(delays) / seconds:12,.0f}{p50:10.1f}{p99:10.1f}"
        f"{cpu_ms_spent / seconds / 1e3:10.2f}{cpu_ms_spent * 1e3 / max(1, len(delays)):10.1f}",
        flush=True,
    )
    return float(p99), arrived, cpu_ms_spent / seconds / 1e3


def main() -> None:
    subscribers = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 8.0
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"{'':26}{'clients':>8}{'messages/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'cores':>10}{'us each':>10}")
    for name, command in servers().items():
        if command is None:
            print(f"{name}: skipped, Node is not installed (scripts/npm.sh installs it)")
        else:
            measure(name, command, subscribers, seconds)
    print(f"our goal: p99 under {GOAL_P99_MS} ms, under {GOAL_CORES} of a core")
    our_command = servers()["ours"]
    assert our_command is not None
    count = subscribers * 2
    while count <= min(hard - 100, 16 * subscribers):
        p99, arrived, cores = measure("ours, more clients", our_command, count, seconds)
        if arrived < 0.98 or p99 > 1000:
            limit = "one core" if cores > 0.9 else "this machine, including the subscribers,"
            print(f"limit of {limit} reached")
            break
        count += subscribers


if __name__ == "__main__":
    main()
