"""The command line of the crawler processes: which sensors to poll, and the ingest endpoint to push them to.

The device key comes from the environment or a file (SEDUCE_INGEST_KEY, SEDUCE_INGEST_KEY_FILE), never from the command line,
which every user of the machine can read.
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

from backend.core.background import background_task, start_background_task
from backend.core.clock import SystemClock
from backend.core.errors import SeduceError
from backend.core.logs import configure_logging
from backend.core.ports import Sink
from backend.ingest.spool import SqliteSpool
from backend.inventory.loader import load
from backend.inventory.model import Sensor
from backend.settings import Settings
from crawlers.health import HttpBoard, report_loop
from crawlers.loop import Crawler
from crawlers.registry import Tuning, build_crawler, update_crawler
from crawlers.selection import select
from crawlers.sink import FullSpoolPolicy, HttpSink, SpooledSink

log = logging.getLogger(__name__)

LAST_PUSH_S: Final = 3.0
"""The time in seconds for which a stopping process still forwards readings. The rest stays in the spool until the next start."""


def parser(prog: str, settings: Settings) -> argparse.ArgumentParser:
    """Return the parser of the options, with the defaults of the settings."""
    arguments = argparse.ArgumentParser(
        prog=prog, description="Poll devices and push their readings to the ingest endpoint."
    )
    arguments.add_argument("--pdu", help="only SNMP sensors whose name contains this")
    arguments.add_argument("--sensor-bus", help="only Modbus sensors whose parent contains this")
    arguments.add_argument(
        "--method", action="append", default=[], help="only sensors of this method; may be repeated"
    )
    arguments.add_argument(
        "--list", action="store_true", help="print the sensors that can be polled and exit"
    )
    arguments.add_argument(
        "--mode", choices=("bulk", "iterative"), default="bulk", help="iterative: use only GET, no GETBULK"
    )
    arguments.add_argument(
        "--group-calls-factor", type=int, metavar="N", help="variables per SNMP GET request"
    )
    arguments.add_argument(
        "--description",
        type=Path,
        default=settings.description_dir,
        help="folder of the YAML files (SEDUCE_DESCRIPTION_DIR)",
    )
    arguments.add_argument(
        "--url",
        default=settings.ingest_url,
        help="base URL of the ingest endpoint, without /ingest (SEDUCE_INGEST_URL)",
    )
    arguments.add_argument(
        "--spool",
        type=Path,
        metavar="DIR",
        help="folder for the spool of this process, which keeps readings on disk until acknowledged (default: in memory)",
    )
    arguments.add_argument(
        "--spool-max-mb",
        type=_megabytes,
        default=256,
        metavar="N",
        help="maximum size of the spool in MB (default: 256)",
    )
    arguments.add_argument(
        "--spool-policy",
        type=FullSpoolPolicy,
        choices=list(FullSpoolPolicy),
        default=FullSpoolPolicy.REFUSE,
        help="policy if the spool is full: refuse (buffer in memory) or drop_oldest (default: refuse)",
    )
    arguments.add_argument(
        "--replay-rate",
        type=float,
        default=20_000.0,
        metavar="N",
        help="maximum readings per second when a backlog is forwarded (default: 20000)",
    )
    return arguments


def _megabytes(text: str) -> float:
    size = float(text)
    if size <= 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return size


def listing(sensors: Sequence[Sensor]) -> str:
    """Return one line per sensor: method, name, parent."""
    return "".join(f"{s.method:8} {s.name} {s.parent or ''}".rstrip() + "\n" for s in sensors)


def main(methods: Sequence[str] = (), argv: Sequence[str] | None = None, prog: str = "") -> int:
    """Run a crawler process until SIGINT or SIGTERM. `methods` are the methods of the module that was started."""
    try:
        settings = Settings()
        prog = prog or "python -m crawlers" + (f".{methods[0]}" if methods else "")
        options = parser(prog, settings).parse_args(argv)
        inventory = load(options.description)
        key = settings.key_for_ingest()
    except (SeduceError, ValidationError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    requested = set(options.method)
    options.method = sorted(requested & set(methods) if methods and requested else {*methods, *requested})
    sensors = select(inventory.sensors.values(), options.pdu, options.sensor_bus, options.method)
    if options.list:
        sys.stdout.write(listing(sensors))
        return 0
    if not sensors:
        sys.stderr.write(
            "no sensor matches the options; run with --list and no other option to see all sensors\n"
        )
        return 2
    configure_logging(settings.log_level, settings.log_format)
    try:
        asyncio.run(_run(sensors, options, key))
    except SeduceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _run(sensors: Sequence[Sensor], options: argparse.Namespace, key: str) -> None:
    endpoint, board = HttpSink(options.url, key), HttpBoard(options.url, key)
    tuning: Tuning = {"snmp": {"per_get": options.group_calls_factor, "bulk": options.mode == "bulk"}}
    try:
        async with _open_sink(endpoint, options) as sink:
            crawler = build_crawler(sensors, sink, SystemClock(), tuning=tuning)
            backlog = sink if isinstance(sink, SpooledSink) else None
            reports = report_loop(crawler, _process_name(options), board, SystemClock(), backlog)
            async with background_task(reports, "health of devices"):
                task = asyncio.create_task(crawler.run())
                loop = asyncio.get_running_loop()
                for number in (signal.SIGINT, signal.SIGTERM):
                    loop.add_signal_handler(number, task.cancel)
                reloader = _Reloader(crawler, sensors, options, tuning)
                loop.add_signal_handler(signal.SIGHUP, reloader.start)
                with contextlib.suppress(asyncio.CancelledError):
                    await task
    finally:
        await board.close()
        await endpoint.close()


class _Reloader:
    """Reloads the site description on SIGHUP. An invalid one is logged with all its faults, and the old one stays active."""

    def __init__(
        self, crawler: Crawler, sensors: Sequence[Sensor], options: argparse.Namespace, tuning: Tuning
    ) -> None:
        self._crawler = crawler
        self._sensors = {s.name: s for s in sensors}
        self._options = options
        self._tuning = tuning
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        previous, self._task = self._task, start_background_task(self._reload(), "reload")
        if previous is not None:
            previous.cancel()

    async def _reload(self) -> None:
        options = self._options
        try:
            inventory = await asyncio.to_thread(load, options.description)
        except SeduceError as error:
            log.error("site description not reloaded; the previous one stays active:\n%s", error)
            return
        selected = select(inventory.sensors.values(), options.pdu, options.sensor_bus, options.method)
        old, self._sensors = self._sensors, {s.name: s for s in selected}
        await update_crawler(self._crawler, old, self._sensors, self._tuning)
        log.info("site description reloaded sensors=%d", len(selected))


def _process_name(options: argparse.Namespace) -> str:
    """Return the name of this process in health reports: its options, host name and process id."""
    parts = [*options.method, options.pdu, options.sensor_bus]
    return f"{' '.join(filter(None, parts)) or 'all'} on {socket.gethostname()}, process {os.getpid()}"


@contextlib.asynccontextmanager
async def _open_sink(endpoint: HttpSink, options: argparse.Namespace) -> AsyncIterator[Sink]:
    """Yield the endpoint itself, or a spool in front of it."""
    if options.spool is None:
        yield endpoint
        return
    spool = SqliteSpool(options.spool / "readings.sqlite", round(options.spool_max_mb * 1024 * 1024))
    await spool.open()
    sink = SpooledSink(endpoint, spool, options.spool_policy, rows_a_second=options.replay_rate)
    try:
        async with background_task(sink.run(), "forwarding of the spool"):
            yield sink
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(sink.wait_until_empty(), LAST_PUSH_S)
            if sink.depth:
                log.warning(
                    "spool not empty readings=%d; they are forwarded after the next start", sink.depth
                )
    finally:
        await spool.close()
