"""A day of one sensor from our server and from VictoriaMetrics, on one machine in one run, and our server's memory.

    python -m benchmarks.bench_peers [runs]

Both hold the same 86,400 readings. Ours are read as GraphQL columns and as an Arrow stream of /export, theirs by
/api/v1/export, over HTTP on loopback. Each server is a process of its own. Ours holds the example data centre: a day
of readings of 50 sensors, seven days of roll-ups of all. VictoriaMetrics is Debian's package; without it the
comparison is skipped with a message.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import multiprocessing
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pyarrow as pa

from backend.core.bucket import SeriesKind
from backend.core.windows import NS_PER_SECOND, Window
from backend.inventory.loader import load
from backend.processes.one_process import create_app
from backend.processes.server import run, tune_gc
from backend.processes.shared import Overrides
from backend.settings import Settings
from benchmarks.bench_graphql import DAY_S, NOW_S, RAW_SENSORS, ROOT, iso, questions, raw_day, week_of
from tests.support.manual_clock import ManualClock
from tests.support.serve import serving

PROGRAM = "victoria-metrics"
DAY_TITLE = "86,400 raw points of one sensor"
WEEK_TITLES = ("10 sensors x 7 days, 168 points each", "10 sensors x 7 days, maxPoints 2,000")
RSS_GOAL_MB = 400
CLOCK_NS = (NOW_S + 10) * NS_PER_SECOND
"""A little after the last window, so that it counts as complete."""


# -- ours --------------------------------------------------------------------------------------------------------


async def fill(folder: Path) -> None:
    """Write the server's data, sorted as after a night of maintenance."""
    inventory = load(ROOT / "examples" / "datacenter")
    app = create_app(
        Settings(public_read=True, data_dir=folder),
        Overrides(clock=ManualClock(CLOCK_NS), inventory=inventory),
    )
    names = list(inventory.sensors)
    async with serving(app):
        services = app.state.services
        await services.runner.stop()
        await services.store.write(raw_day(names[:RAW_SENSORS]))
        for window in Window:
            await services.state.set_watermark(window, NOW_S * NS_PER_SECOND)
        for window in (Window.S30, Window.M1, Window.H1, Window.D1):
            for at in range(0, len(names), 60):
                part = week_of(names[at : at + 60], window)
                await services.store.write_buckets(SeriesKind.SENSOR, window, part)
        await services.store.maintain(NOW_S * NS_PER_SECOND + Window.H1.ns)


async def serve(folder: Path, port: Connection, done: Event) -> None:
    clock = ManualClock(CLOCK_NS)
    app = create_app(Settings(public_read=True, data_dir=folder), Overrides(clock=clock))
    async with serving(app) as address:
        tune_gc()  # as the real server does after its start
        port.send(int(address.rpartition(":")[2]))
        await asyncio.to_thread(done.wait)


def run_fill(folder: Path) -> None:
    asyncio.run(fill(folder))


def run_server(folder: Path, port: Connection, done: Event) -> None:
    run(serve(folder, port, done))


@contextmanager
def running_server(folder: Path) -> Iterator[tuple[int, int]]:
    """Yield process id and port of our server, over data that another process wrote."""
    context = multiprocessing.get_context("spawn")
    filling = context.Process(target=run_fill, args=(folder,))
    filling.start()
    filling.join()
    assert filling.exitcode == 0
    receiver, sender = context.Pipe(False)
    done = context.Event()
    server = context.Process(target=run_server, args=(folder, sender, done))
    server.start()
    try:
        yield server.pid or 0, receiver.recv()
    finally:
        done.set()
        server.join()


def memory_mb(pid: int, field: str) -> float:
    """Return `VmRSS`, the current memory of a process, or `VmHWM`, its peak."""
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(field)) / 1024


def cpu_ms(pid: int) -> float:
    """Return the CPU time of a process; unlike a duration it does not depend on other load."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1e3 / os.sysconf("SC_CLK_TCK")


# -- theirs ------------------------------------------------------------------------------------------------------


@contextmanager
def victoria_metrics(program: str, folder: Path) -> Iterator[tuple[int, int]]:
    """Yield process id and port of a VictoriaMetrics over an empty folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = [f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y"]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while not answers(port):
            assert process.poll() is None, f"{PROGRAM} ended with {process.returncode}"
            assert time.monotonic() < until, f"{PROGRAM} did not start"
            time.sleep(0.05)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(30)


def answers(port: int) -> bool:
    try:
        return ask(connect(port), "GET", "/health")[0] == 200
    except OSError:
        return False


def import_day(port: int, name: str) -> None:
    day = raw_day([name])
    line = {
        "metric": {"__name__": "sensors", "sensor": name},
        "values": day.values.tolist(),
        "timestamps": (day.times // 1_000_000).tolist(),
    }
    connection = connect(port)
    status, answer = ask(connection, "POST", "/api/v1/import", orjson.dumps(line))
    assert status in (200, 204), answer
    ask(connection, "GET", "/internal/force_flush")
    # Merged into one part, as after a night.
    ask(connection, "GET", "/internal/force_merge")


# -- both --------------------------------------------------------------------------------------------------------


def connect(port: int) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    # Header and body are sent separately; the second must not wait for an acknowledgement of the first.
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes]:
    connection.request(method, path, body, {"content-type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def graphql(connection: http.client.HTTPConnection, body: dict[str, Any]) -> Callable[[], bytes]:
    payload = json.dumps(body).encode()
    return lambda: ask(connection, "POST", "/graphql", payload)[1]


def timed(act: Callable[[], bytes]) -> tuple[float, bytes]:
    start = time.perf_counter()
    answer = act()
    return (time.perf_counter() - start) * 1e3, answer


def report(title: str, durations_ms: list[float], spent: float, answer: bytes) -> None:
    figures = (
        durations_ms[0],
        statistics.median(durations_ms[1:]),
        min(durations_ms[1:]),
        spent / len(durations_ms),
    )
    print(f"{title:52}{''.join(f'{figure:9.1f}' for figure in figures)}{len(answer) / 1e3:10,.0f} kB")


def compare(our: tuple[int, int], their: tuple[int, int], names: list[str], runs: int) -> tuple[float, float]:
    """Return our time divided by theirs, for GraphQL and for Arrow. Requests alternate, so that other load affects all
    three.

    `our` and `their`: process id, port.
    """
    day = {"from": NOW_S - DAY_S, "to": NOW_S}
    path = f"/api/v1/export?match[]=sensors&start={day['from']}&end={day['to'] - 1}"
    params = {"sensors": names[0], "from": iso(day["from"]), "to": iso(day["to"]), "format": "arrow"}
    export = f"/export?{urlencode(params)}"
    our_connection, peer_connection = connect(our[1]), connect(their[1])
    asks = {
        "ours": (our[0], graphql(our_connection, questions(names)[DAY_TITLE])),
        "ours, Arrow": (our[0], lambda: ask(our_connection, "GET", export)[1]),
        PROGRAM: (their[0], lambda: ask(peer_connection, "GET", path)[1]),
    }
    durations_ms: dict[str, list[float]] = {who: [] for who in asks}
    spent = dict.fromkeys(asks, 0.0)
    answers: dict[str, bytes] = {}
    for _ in range(runs + 1):
        for who, (pid, act) in asks.items():
            before = cpu_ms(pid)
            ms, answers[who] = timed(act)
            durations_ms[who].append(ms)
            spent[who] += cpu_ms(pid) - before
    columns = json.loads(answers["ours"])["data"]["series"][0]["values"]
    table = pa.ipc.open_stream(answers["ours, Arrow"]).read_all()
    assert columns == json.loads(answers[PROGRAM])["values"] == table.column("value").to_pylist()
    assert len(columns) == DAY_S
    for who in asks:
        report(f"{DAY_TITLE}: {who}", durations_ms[who], spent[who], answers[who])
    medians = {who: statistics.median(times[1:]) for who, times in durations_ms.items()}
    return medians["ours"] / medians[PROGRAM], medians["ours, Arrow"] / medians[PROGRAM]


def weeks(pid: int, port: int, names: list[str], runs: int) -> None:
    connection = connect(port)
    for title in WEEK_TITLES:
        durations_ms, before = [], cpu_ms(pid)
        for _ in range(runs + 1):
            ms, answer = timed(graphql(connection, questions(names)[title]))
            durations_ms.append(ms)
        assert b'"errors"' not in answer, answer
        report(title, durations_ms, cpu_ms(pid) - before, answer)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    program = shutil.which(PROGRAM)
    names = list(load(ROOT / "examples" / "datacenter").sensors)
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "ours") as (pid, port):
        started = memory_mb(pid, "VmRSS")
        print(f"{f'ms, {runs} runs':52}{'first':>9}{'median':>9}{'min':>9}{'cpu':>9}")
        if program is None:
            print(f"comparison skipped: {PROGRAM} is not installed (apt-get install {PROGRAM})")
        else:
            with victoria_metrics(program, Path(folder) / "theirs") as their:
                import_day(their[1], names[0])
                columns, arrow = compare((pid, port), their, names, runs)
            print(
                f"ours / theirs: JSON {columns:.2f} (goal: at most 1), Arrow {arrow:.2f} (goal: at most 0.6)"
            )
        weeks(pid, port, names, runs)
        peak, now = memory_mb(pid, "VmHWM"), memory_mb(pid, "VmRSS")
        print(
            f"our server's memory: {started:.0f} MB at the start, {now:.0f} MB now, {peak:.0f} MB peak "
            f"(goal: below {RSS_GOAL_MB})"
        )


if __name__ == "__main__":
    main()
