"""Acknowledged readings per second of the ingest endpoint; each is fsynced before it is acknowledged.

Starts the endpoint (uvicorn, spool, drain) as one child process and a load generator as another, on loopback. With
`--served` the server is the whole dashboard as `seduce serve` runs it, without crawlers: DuckDB, live values,
roll-ups and page included.

    python -m benchmarks.bench_ingest [--seconds 5] [--connections 32] [--rows 10] [--store none|duckdb] [--served]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from backend.store.duckdb.store import DuckDBStore

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import orjson
import uvicorn
import uvloop

from backend.bus.memory import MemoryBus
from backend.core.ports import SensorTags, WriteResult
from backend.core.reading import Readings
from backend.ingest.endpoints.readings import readings_endpoint
from backend.ingest.service import Ingest
from backend.ingest.spool import SqliteSpool
from backend.inventory.loader import load

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "datacenter"
SENSORS = list(load(EXAMPLE).sensors)[:350]


class Server(uvicorn.Server):
    """Installs no signal handlers, so that the report is written after the server stopped."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class NoStore:
    """A store that discards everything, to measure the cost of endpoint and spool alone."""

    async def write(self, readings: Readings, tags: object = None) -> WriteResult:
        return WriteResult(len(readings), Readings.empty())


async def make_store(kind: str, folder: Path) -> NoStore | DuckDBStore:
    if kind == "none":
        return NoStore()
    store = DuckDBStore(folder / "series.duckdb")
    await store.open()
    return store


async def serve(folder: Path, fd: int, kind: str) -> None:
    store = await make_store(kind, folder)
    spool = SqliteSpool(folder / "spool.db", 2 << 30)
    await spool.open()
    tags = {name: SensorTags("room", "wattmeter", "W") for name in SENSORS}
    ingest = Ingest(spool, store, MemoryBus(), tags)
    drain = asyncio.create_task(ingest.run_drain())
    config = uvicorn.Config(
        readings_endpoint(ingest.accept_columns),
        log_level="warning",
        access_log=False,
        lifespan="off",
        http="httptools",
    )
    server = Server(config)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, setattr, server, "should_exit", True)
    await server.serve(sockets=[socket.socket(fileno=fd)])
    await asyncio.wait_for(ingest.wait_until_drained(), 60)
    drain.cancel()
    await spool.close()
    report(folder, ingest)


def serve_all(folder: Path, fd: int) -> None:
    from backend.processes.one_process import create_app
    from backend.processes.server import serve as run_server
    from backend.settings import Settings

    # The server re-raises the signal once it has stopped; the report is written after that.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    listener = socket.socket(fileno=fd)
    settings = Settings(public_read=True, data_dir=folder, description_dir=EXAMPLE)
    app = create_app(settings)
    run_server(app, listener, "", settings)
    report(folder, app.state.services.ingest)


def report(folder: Path, ingest: Ingest) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    size = sum(p.stat().st_size for p in folder.glob("spool.*"))
    figures = {
        "accepted": ingest.counters.accepted,
        "drained": ingest.counters.drained,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "system_s": usage.ru_stime,
        "spool_bytes": size,
    }
    (folder / "report.json").write_bytes(orjson.dumps(figures))


class Pusher(asyncio.Protocol):
    """One keep-alive connection that sends the next request when the last one is answered."""

    def __init__(self, request: bytes, latencies: list[float]) -> None:
        self._request = request
        self._latencies = latencies
        self._answer = b""
        self.stopped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._answer:
            data = self._answer + data
        if not data.endswith(b'"rejected":[]}'):
            assert data.startswith(b"HTTP/1.1 200"), data
            self._answer = data
            return
        self._answer = b""
        assert data.startswith(b"HTTP/1.1 200"), data
        self._latencies.append(time.perf_counter() - self._sent)
        if self.stopped:
            self._transport.close()
        else:
            self._send()


def request(rows: int, index: int) -> bytes:
    names = [SENSORS[(index * rows + i) % len(SENSORS)] for i in range(rows)]
    body = orjson.dumps({"sensors": names, "values": [100.0 + i / 8 for i in range(rows)]})
    return b"POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _same(pusher: Pusher) -> Pusher:
    return pusher


async def generate_load(port: int, connections: int, rows: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    pushers = [Pusher(request(rows, i), latencies) for i in range(connections)]
    for p in pushers:
        await loop.create_connection(partial(_same, p), "127.0.0.1", port)
    while not latencies:  # noqa: ASYNC110  the whole dashboard takes some seconds to start
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)  # warm up
    latencies.clear()
    begin = time.perf_counter()
    await asyncio.sleep(seconds)
    took, sample = time.perf_counter() - begin, np.array(latencies) * 1e3
    for p in pushers:
        p.stopped = True
    await asyncio.sleep(0.2)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    p50, p99 = np.percentile(sample, [50, 99])
    print(
        f"{len(sample) * rows / took:,.0f} acknowledged readings/s "
        f"({len(sample) / took:,.0f} requests/s of {rows}, {connections} connections), "
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {sample.max():.1f} ms; "
        f"load generator {usage.ru_utime + usage.ru_stime:.1f} s of CPU",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--store", choices=["none", "duckdb"], default="none")
    parser.add_argument("--served", action="store_true", help="against the whole dashboard")
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "FD"), help=argparse.SUPPRESS)
    parser.add_argument("--load", type=int, metavar="PORT", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve and args.served:
        serve_all(Path(args.serve[0]), int(args.serve[1]))
        return
    if args.serve:
        uvloop.run(serve(Path(args.serve[0]), int(args.serve[1]), args.store))
        return
    if args.load:
        uvloop.run(generate_load(args.load, args.connections, args.rows, args.seconds))
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0), backlog=128) as listener,
    ):
        run(args, folder, listener)


def run(args: argparse.Namespace, folder: str, listener: socket.socket) -> None:
    command = [sys.executable, __file__, "--store", args.store, *(["--served"] if args.served else [])]
    fd, port = listener.fileno(), listener.getsockname()[1]
    server = subprocess.Popen([*command, "--serve", folder, str(fd)], pass_fds=[fd])
    try:
        flags = [
            "--seconds",
            str(args.seconds),
            "--connections",
            str(args.connections),
            "--rows",
            str(args.rows),
        ]
        subprocess.run([*command, "--load", str(port), *flags], check=True)
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(90)
        server.kill()
    report = orjson.loads((Path(folder) / "report.json").read_bytes())
    per_request = report["cpu_s"] / report["accepted"] * args.rows * 1e6
    print(
        f"server: {report['accepted']:,} accepted, {report['drained']:,} in the store, {report['cpu_s']:.1f} s of CPU "
        f"({report['system_s']:.1f} in the kernel), {per_request:.0f} us per request; spool file {report['spool_bytes']:,} bytes"
    )


if __name__ == "__main__":
    main()
