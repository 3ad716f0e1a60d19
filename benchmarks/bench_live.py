"""Server cost of a live message: equal subscriptions of many pages, over WebSocket on loopback.

    python benchmarks/bench_live.py [pages] [batches]

Server and clients are separate processes; the server's own CPU time is counted.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

import websockets

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from backend.inventory.loader import load
from backend.processes.server import run
from tests.support.graphql_client import site_app
from tests.support.serve import serving
from tests.support.small_site import SmallSite

ROOT = Path(__file__).resolve().parents[1]
QUERY = "subscription { readings { snapshot sensors timestamps values } }"


async def serve(pipe: Any, batches: int) -> None:
    site = SmallSite(inventory=load(ROOT / "examples" / "datacenter"))
    values = dict.fromkeys(site.inventory.sensors, 120.5)
    site.hear(values)
    async with serving(site_app(site), ws="websockets-sansio") as address:
        pipe.send(address)
        await asyncio.to_thread(pipe.recv)
        before = time.process_time()
        for number in range(batches):
            await site.bus.publish(site.hear(dict.fromkeys(values, float(number))))
            await asyncio.to_thread(pipe.recv)
        pipe.send(time.process_time() - before)
        await asyncio.to_thread(pipe.recv)


def run_server(pipe: Any, batches: int) -> None:
    run(serve(pipe, batches))


async def page(address: str) -> websockets.ClientConnection:
    socket = await websockets.connect(
        f"ws://{address}/graphql",
        subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
        compression=None,
    )
    await socket.send(json.dumps({"type": "connection_init"}))
    await socket.recv()
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": QUERY}}))
    await socket.recv()
    return socket


async def watch(pipe: Any, pages: int, batches: int) -> None:
    address = pipe.recv()
    sockets = [await page(address) for _ in range(pages)]
    pipe.send("go")
    start = time.perf_counter()
    for _ in range(batches):
        messages = await asyncio.gather(*(s.recv() for s in sockets))
        pipe.send("next")
    elapsed_s = time.perf_counter() - start
    cpu = pipe.recv()
    size = len(messages[0])
    print(
        f"{pages} pages, {batches} batches of {size / 1e3:.1f} kB: {cpu / pages / batches * 1e6:.0f} us of server CPU per message"
    )
    print(
        f"time per batch until all pages are served: {elapsed_s / batches * 1e3:.1f} ms, including the clients' work"
    )
    await asyncio.gather(*(s.close() for s in sockets))
    pipe.send("end")


def main() -> None:
    pages = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    batches = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    context = multiprocessing.get_context("spawn")
    parent_end, child_end = context.Pipe()
    server = context.Process(target=run_server, args=(child_end, batches))
    server.start()
    asyncio.run(watch(parent_end, pages, batches))
    server.join()


if __name__ == "__main__":
    main()
