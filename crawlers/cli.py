"""The command line that all crawler processes share: which sensors, from which description, to which door.

The device key comes from the environment or a file (SEDUCE_INGEST_KEY, SEDUCE_INGEST_KEY_FILE), never from the command line,
which everybody on the machine can read.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from backend.core.background import background_task
from backend.core.clock import SystemClock
from backend.core.errors import SeduceError
from backend.core.logs import configure_logging
from backend.core.ports import Sink
from backend.ingest.spool import SqliteSpool
from backend.inventory.loader import load
from backend.inventory.model import Sensor
from backend.settings import Settings
from crawlers.health import HttpBoard, report_for_ever
from crawlers.loop import Crawler
from crawlers.registry import Tuning, build_crawler, update_crawler
from crawlers.selection import select
from crawlers.sink import HttpSink, Policy, SpooledSink

log = logging.getLogger(__name__)

LAST_PUSH_S: Final = 3.0
"""How long a process that was told to end still forwards; what is left waits in the spool for the next start."""


def parser(prog: str, settings: Settings) -> argparse.ArgumentParser:
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
        default=settings.description_dir,
        help="folder of the YAML files (SEDUCE_DESCRIPTION_DIR)",
    )
    of.add_argument(
        "--url",
        default=settings.ingest_url,
        help="address of the ingest door, whose /ingest takes readings (SEDUCE_INGEST_URL)",
    )
    of.add_argument(
        "--spool",
        type=Path,
        metavar="DIR",
        help="keep readings on disk until the door has them, in a folder of this process's own; without, in memory",
    )
    of.add_argument(
        "--spool-max-mb", type=_megabytes, default=256, metavar="N", help="size of the spool (256)"
    )
    of.add_argument(
        "--spool-policy",
        type=Policy,
        choices=list(Policy),
        default=Policy.REFUSE,
        help="when it is full: refuse new readings, which then wait in memory, or drop_oldest (refuse)",
    )
    of.add_argument(
        "--replay-rate",
        type=float,
        default=20_000.0,
        metavar="N",
        help="readings a second that are forwarded at most when the door is back (20000)",
    )
    return of


def _megabytes(text: str) -> float:
    size = float(text)
    if size <= 0:
        raise argparse.ArgumentTypeError("more than 0")
    return size


def listing(sensors: Sequence[Sensor]) -> str:
    """One line a sensor: method, name, parent."""
    return "".join(f"{s.method:8} {s.name} {s.parent or ''}".rstrip() + "\n" for s in sensors)


def main(methods: Sequence[str] = (), argv: Sequence[str] | None = None, prog: str = "") -> int:
    """Run a crawler process until SIGINT or SIGTERM. `methods` are those of the module that was started."""
    try:
        settings = Settings()
        prog = prog or "python -m crawlers" + (f".{methods[0]}" if methods else "")
        options = parser(prog, settings).parse_args(argv)
        inventory = load(options.description)
        key = settings.key_for_ingest()
    except (SeduceError, ValidationError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    wanted = set(methods) & set(options.method) if methods and options.method else {*methods, *options.method}
    options.method = sorted(wanted)
    sensors = select(inventory.sensors.values(), options.pdu, options.sensor_bus, wanted)
    if options.list:
        sys.stdout.write(listing(sensors))
        return 0
    if not sensors:
        sys.stderr.write("no sensor matches; --list without other options shows what there is\n")
        return 2
    configure_logging(settings.log_level, settings.log_format)
    try:
        asyncio.run(_run(sensors, options, key))
    except SeduceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _run(sensors: Sequence[Sensor], options: argparse.Namespace, key: str) -> None:
    door, board = HttpSink(options.url, key), HttpBoard(options.url, key)
    tuning: Tuning = {"snmp": {"per_get": options.group_calls_factor, "bulk": options.mode == "bulk"}}
    try:
        async with _sink(door, options) as sink:
            crawler = build_crawler(sensors, sink, SystemClock(), tuning=tuning)
            kept = sink if isinstance(sink, SpooledSink) else None
            reports = report_for_ever(crawler, _called(options), board, SystemClock(), kept)
            async with background_task(reports, "health of devices"):
                task = asyncio.create_task(crawler.run())
                loop = asyncio.get_running_loop()
                for number in (signal.SIGINT, signal.SIGTERM):
                    loop.add_signal_handler(number, task.cancel)
                reloading = _Reloading(crawler, sensors, options, tuning)
                loop.add_signal_handler(signal.SIGHUP, reloading.begin)
                with contextlib.suppress(asyncio.CancelledError):
                    await task
    finally:
        await board.close()
        await door.close()


class _Reloading:
    """SIGHUP: the description is loaded anew. A faulty one is logged with all its faults, and the old one stays."""

    def __init__(
        self, crawler: Crawler, sensors: Sequence[Sensor], options: argparse.Namespace, tuning: Tuning
    ) -> None:
        self._crawler = crawler
        self._sensors = {s.name: s for s in sensors}
        self._options = options
        self._tuning = tuning
        self._under_way: asyncio.Task[None] | None = None

    def begin(self) -> None:
        before, self._under_way = self._under_way, asyncio.create_task(self._reload(), name="reload")
        if before is not None:
            before.cancel()

    async def _reload(self) -> None:
        options = self._options
        try:
            inventory = await asyncio.to_thread(load, options.description)
        except SeduceError as error:
            log.error("the description was not loaded, the old one stays:\n%s", error)
            return
        chosen = select(inventory.sensors.values(), options.pdu, options.sensor_bus, options.method)
        old, self._sensors = self._sensors, {s.name: s for s in chosen}
        await update_crawler(self._crawler, old, self._sensors, self._tuning)
        log.info("the description was loaded anew: %d sensors are read", len(chosen))


def _called(options: argparse.Namespace) -> str:
    """What this process is called where the health of its devices is shown: its options, machine and number."""
    chosen = [*options.method, options.pdu, options.sensor_bus]
    return f"{' '.join(filter(None, chosen)) or 'all'} on {socket.gethostname()}, process {os.getpid()}"


@contextlib.asynccontextmanager
async def _sink(door: HttpSink, options: argparse.Namespace) -> AsyncIterator[Sink]:
    """The door itself, or a spool before it."""
    if options.spool is None:
        yield door
        return
    spool = SqliteSpool(options.spool / "readings.sqlite", round(options.spool_max_mb * 1024 * 1024))
    await spool.open()
    sink = SpooledSink(door, spool, options.spool_policy, rows_a_second=options.replay_rate)
    try:
        async with background_task(sink.run(), "forwarding of the spool"):
            yield sink
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(sink.settled(), LAST_PUSH_S)
            if sink.depth:
                log.warning(
                    "spool not empty readings=%d; they are forwarded after the next start", sink.depth
                )
    finally:
        await spool.close()
