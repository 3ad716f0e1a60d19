"""The command line that all crawler processes share: which sensors, from which description, to which door."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from backend.core.clock import SystemClock
from backend.core.errors import UserError
from backend.inventory.loader import load
from backend.inventory.model import Sensor
from crawlers.health import HttpBoard, report_for_ever
from crawlers.registry import build_crawler
from crawlers.selection import select
from crawlers.sink import HttpSink


def parser(prog: str) -> argparse.ArgumentParser:
    of = argparse.ArgumentParser(
        prog=prog, description="Read devices and push what they say to the ingest door."
    )
    of.add_argument("--pdu", help="only SNMP sensors whose name contains this")
    of.add_argument("--sensor-bus", help="only Modbus sensors whose parent contains this")
    of.add_argument(
        "--method", action="append", default=[], help="only sensors of this method; may be repeated"
    )
    of.add_argument("--list", action="store_true", help="print what can be read, and end")
    of.add_argument(
        "--mode", choices=("bulk", "iterative"), default="bulk", help="iterative: GETs only, no GETBULK"
    )
    of.add_argument(
        "--group-calls-factor", type=int, metavar="N", help="variables an SNMP agent bears in one GET"
    )
    of.add_argument(
        "--description",
        type=Path,
        default=Path(os.environ.get("SEDUCE_DESCRIPTION_DIR", "examples/datacenter")),
        help="folder of the YAML files (SEDUCE_DESCRIPTION_DIR)",
    )
    of.add_argument(
        "--url",
        default=os.environ.get("SEDUCE_INGEST_URL", "http://127.0.0.1:8081"),
        help="the dashboard's address, whose /ingest takes readings (SEDUCE_INGEST_URL)",
    )
    return of


def listing(sensors: Sequence[Sensor]) -> str:
    """One line a sensor: method, name, parent."""
    return "".join(f"{s.method:8} {s.name} {s.parent or ''}".rstrip() + "\n" for s in sensors)


def main(methods: Sequence[str] = (), argv: Sequence[str] | None = None) -> int:
    """Run a crawler process until SIGINT or SIGTERM. `methods` are those of the module that was started."""
    options = parser("python -m crawlers" + (f".{methods[0]}" if methods else "")).parse_args(argv)
    try:
        inventory = load(options.description)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    options.method = wanted = [*methods, *options.method]
    sensors = select(inventory.sensors.values(), options.pdu, options.sensor_bus, wanted)
    if options.list:
        sys.stdout.write(listing(sensors))
        return 0
    if not sensors:
        sys.stderr.write("no sensor matches; --list without other options shows what there is\n")
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(_run(sensors, options))
    return 0


async def _run(sensors: Sequence[Sensor], options: argparse.Namespace) -> None:
    # The ingest door wants a key where it is open to more than loopback.
    key = os.environ.get("SEDUCE_INGEST_KEY", "")
    sink, board = HttpSink(options.url, key), HttpBoard(options.url, key)
    tuning = {"snmp": {"per_get": options.group_calls_factor, "bulk": options.mode == "bulk"}}
    crawler = build_crawler(sensors, sink, SystemClock(), tuning=tuning)
    task = asyncio.create_task(crawler.run())
    telling = asyncio.create_task(report_for_ever(crawler, _called(options), board, SystemClock()))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    await sink.close()
    await board.close()


def _called(options: argparse.Namespace) -> str:
    """What this process is called where the health of its devices is shown: its options, machine and number."""
    chosen = [*options.method, options.pdu, options.sensor_bus]
    return f"{' '.join(filter(None, chosen)) or 'all'} on {socket.gethostname()}, process {os.getpid()}"
