"""Effect of 1,000 hostile documents on other clients: deep, wide, aliased, circular, doubling, many directives, huge
variables.

    python -m benchmarks.bench_hostile [documents]

The other clients send the page's queries: the tree, sensors, a series. They are timed alone and beside the hostile
client in turn, so that other load on the machine affects both. The hostile client sends the next document as soon as
the last is answered.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event

import numpy as np

from backend.inventory.loader import load
from backend.processes.server import run, tune_gc
from benchmarks.bench_graphql import ROOT
from benchmarks.bench_peers import connect, cpu_ms
from benchmarks.hostile import documents, huge_variables
from tests.support.graphql_client import site_app
from tests.support.serve import serving
from tests.support.small_site import NOON, SmallSite

TURNS = 5
GOAL = 3.0
FROM = '"2023-11-14T11:00:00Z"'
POLITE = (
    "{ energyTree { at nodes { id name parent target watts coverage sensorsExpected sensorsReporting missing } } }",
    "{ sensors(first: 100) { totalCount edges { node { name unit latest { value ageSeconds } } } } }",
    f'{{ series(sensors: ["ecotype-1_pdu-Z1.50"], from: {FROM}, window: RAW) {{ timestamps values }} }}',
)


async def serve(port: Connection, done: Event) -> None:
    site = SmallSite(inventory=load(ROOT / "examples" / "datacenter"))
    names = list(site.inventory.sensors)
    site.hear(dict.fromkeys(names, 120.5))
    await site.write("ecotype-1_pdu-Z1.50", range(NOON - 3600, NOON), [100.0] * 3600)
    async with serving(site_app(site)) as address:
        tune_gc()
        port.send(int(address.rpartition(":")[2]))
        await asyncio.to_thread(done.wait)


def run_server(port: Connection, done: Event) -> None:
    run(serve(port, done))


def post(connection: http.client.HTTPConnection, body: bytes) -> bytes:
    connection.request("POST", "/graphql", body, {"content-type": "application/json"})
    return connection.getresponse().read()


def hostile(count: int) -> Iterator[bytes]:
    for number, (query, variables) in enumerate(documents(count)):
        if number % 10 == 9:
            query, variables = huge_variables(20_000)
        yield json.dumps({"query": query, "variables": variables}).encode()


def attack(port: int, bodies: list[bytes]) -> None:
    """Send the bodies from a process of its own, so that this work does not delay the clients that are timed."""
    connection = connect(port)
    for body in bodies:
        answer = post(connection, body)
        assert b'"errors"' in answer, answer


def time_requests(port: int, rounds: int) -> list[float]:
    """Return the milliseconds of each answer."""
    connection, durations_ms = connect(port), []
    for _, query in itertools.product(range(rounds), POLITE):
        start = time.perf_counter()
        answer = post(connection, json.dumps({"query": query}).encode())
        durations_ms.append((time.perf_counter() - start) * 1e3)
        assert b'"errors"' not in answer, answer
    return durations_ms


def time_requests_under_attack(port: int, bodies: list[bytes]) -> list[float]:
    """Return the milliseconds of the other clients' answers while the hostile client has documents left."""
    attacker = multiprocessing.get_context("fork").Process(target=attack, args=(port, bodies))
    attacker.start()
    durations_ms: list[float] = []
    while attacker.is_alive():
        durations_ms += time_requests(port, 1)
    attacker.join()
    assert attacker.exitcode == 0
    return durations_ms


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(False)
    done = context.Event()
    server = context.Process(target=run_server, args=(sender, done))
    server.start()
    try:
        port = receiver.recv()
        time_requests(port, 20)
        bodies = list(hostile(count))
        alone: list[float] = []
        attacked: list[float] = []
        cpu_spent = 0.0
        for turn in range(TURNS):
            part = bodies[turn::TURNS]
            alone += time_requests(port, 100)
            before = cpu_ms(server.pid or 0)
            attacked += time_requests_under_attack(port, part)
            cpu_spent += cpu_ms(server.pid or 0) - before
    finally:
        done.set()
        server.join()
    without, during = (np.percentile(times, (50, 99)) for times in (alone, attacked))
    print(f"without attack: p50 {without[0]:.1f} ms, p99 {without[1]:.1f} ms of {len(alone):,} answers")
    print(
        f"during {count:,} hostile documents: p50 {during[0]:.1f} ms, p99 {during[1]:.1f} ms of {len(attacked):,} answers"
    )
    print(
        f"server CPU meanwhile: {cpu_spent / count:.1f} ms per hostile document, including the other answers"
    )
    print(f"p99 during / without: {during[1] / without[1]:.2f} (goal: under {GOAL:g})")


if __name__ == "__main__":
    main()
