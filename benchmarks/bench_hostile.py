"""What 1,000 hostile documents do to others: deep, wide, aliased, circular, doubling, many directives, huge variables.

    python -m benchmarks.bench_hostile [documents]

Others ask what the page asks: the tree, sensors, a series. They are timed alone and beside the hostile client in turns, so that
whatever else the machine does strikes both. The hostile client sends the next document as soon as the last is answered.
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
    """In a process of its own: its work must not hold up the others' clock."""
    connection = connect(port)
    for body in bodies:
        answer = post(connection, body)
        assert b'"errors"' in answer, answer


def polite(port: int, rounds: int) -> list[float]:
    """Milliseconds of each answer."""
    connection, taken = connect(port), []
    for _, query in itertools.product(range(rounds), POLITE):
        start = time.perf_counter()
        answer = post(connection, json.dumps({"query": query}).encode())
        taken.append((time.perf_counter() - start) * 1e3)
        assert b'"errors"' not in answer, answer
    return taken


def beside(port: int, bodies: list[bytes]) -> list[float]:
    """Milliseconds of polite answers for as long as the hostile client has documents left."""
    attacker = multiprocessing.get_context("fork").Process(target=attack, args=(port, bodies))
    attacker.start()
    taken: list[float] = []
    while attacker.is_alive():
        taken += polite(port, 1)
    attacker.join()
    assert attacker.exitcode == 0
    return taken


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(False)
    done = context.Event()
    server = context.Process(target=run_server, args=(sender, done))
    server.start()
    try:
        port = receiver.recv()
        polite(port, 20)
        bodies = list(hostile(count))
        alone: list[float] = []
        among: list[float] = []
        spent = 0.0
        for turn in range(TURNS):
            part = bodies[turn::TURNS]
            alone += polite(port, 100)
            before = cpu_ms(server.pid or 0)
            among += beside(port, part)
            spent += cpu_ms(server.pid or 0) - before
    finally:
        done.set()
        server.join()
    quiet, loud = (np.percentile(taken, (50, 99)) for taken in (alone, among))
    print(f"others alone:   p50 {quiet[0]:.1f} ms, p99 {quiet[1]:.1f} ms of {len(alone):,} answers")
    print(
        f"beside {count:,} hostile documents: p50 {loud[0]:.1f} ms, p99 {loud[1]:.1f} ms of {len(among):,} answers"
    )
    print(f"server CPU of that time: {spent / count:.1f} ms a hostile document, the others' answers included")
    print(f"p99 beside / alone: {loud[1] / quiet[1]:.2f} (goal: under {GOAL:g})")


if __name__ == "__main__":
    main()
