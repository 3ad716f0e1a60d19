"""The periodic tasks in Celery: `celery -A workers.app beat` and `celery -A workers.app worker`, over Redis.

A message says no more than the name of a task. It may be lost, or come twice, or to a worker that is killed: the next one
makes up for it, and a lock in the database keeps all processes but one from running a task at a time.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from typing import Any, Final

from celery import Celery
from celery.beat import SchedulingError
from celery.signals import setup_logging, worker_process_shutdown
from pydantic import ValidationError

from backend.core.errors import SeduceError
from backend.settings import Settings
from workers.queue import PREFIX, QUEUE, CeleryQueue, transport_options
from workers.schedule import SCHEDULE, limit_of

log = logging.getLogger(__name__)

GRACE_S: Final = 60.0
"""After its limit a run ends itself; where it does not, its process is killed so much later."""

LEAST_EXPIRY_S: Final = 10.0


class Application(Celery):  # type: ignore[misc]
    """Refuses to run over what its processes cannot share."""

    @property
    def Beat(self) -> Any:  # noqa: N802 (Celery's own name)
        _refuse()
        from celery.apps.beat import Beat

        class Stoppable(Beat):  # type: ignore[misc]
            """Ends when it is told to, also in the middle of a message, where the exit that Celery raises may be lost."""

            def install_sync_handler(self, service: Any) -> None:
                def stop(*_: object) -> None:
                    service.stop()
                    raise SystemExit(0)

                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, stop)

        return self.subclass_with_self(Stoppable)

    @property
    def Worker(self) -> Any:  # noqa: N802
        _refuse()
        return super().Worker


def create(settings: Settings) -> Any:
    """The application with a task for every name of the schedule. Connects to nothing."""
    made = Application("seduce", broker=settings.broker or None)
    made.conf.update(
        beat_schedule={
            name: {
                "task": PREFIX + name,
                "schedule": period,
                # What no worker took in time is of no use: the next one is there.
                "options": {"expires": max(period, LEAST_EXPIRY_S)},
            }
            for name, period in SCHEDULE.items()
        },
        # When what ran last need not be known: after a start everything is due.
        beat_scheduler="celery.beat:Scheduler",
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=transport_options(),
        task_default_queue=QUEUE,
        task_ignore_result=True,
        timezone="UTC",
        worker_hijack_root_logger=False,
        worker_prefetch_multiplier=1,
    )
    for name in SCHEDULE:
        _add(made, name)
    return made


def _add(made: Any, name: str) -> None:
    def task() -> None:
        _here().run(name)

    made.task(task, name=PREFIX + name, time_limit=limit_of(name) + GRACE_S, shared=False)


class Process:
    """What one worker process runs tasks with: an event loop and connections of its own, made at its first task."""

    def __init__(self, settings: Settings) -> None:
        # Not needed by beat, nor by the process that only hands out messages.
        from backend.processes.shared import Parts, build_base, build_rollups
        from backend.processes.tasks import build_tasks
        from workers.runs import task_outages

        self._loop = asyncio.Runner()
        self._base = build_base(settings, Parts())
        self._runs = build_tasks(self._base, build_rollups(self._base), CeleryQueue(settings.broker))
        self._outages = task_outages()
        self._open = False

    def run(self, name: str) -> None:
        """One run; its failure is logged and counted, and is no fault of Celery's."""
        try:
            self._loop.run(self._run(name))
        except Exception as error:
            self._outages.failed(name, error)
        else:
            self._outages.recovered(name)

    async def _run(self, name: str) -> None:
        if not self._open:
            from backend.db.migrate import migrate

            await migrate(self._base.database_url)
            await self._base.store.open()
            self._open = True
        await self._runs.run(name)

    def close(self) -> None:
        self._loop.run(self._close())
        self._loop.close()

    async def _close(self) -> None:
        base = self._base
        for close in (
            base.store.close,
            base.database.close,
            base.counters.close,
            base.board.close,
            base.bus.close,
        ):
            try:
                await close()
            except SeduceError as error:
                log.debug("a connection did not close well: %s", error)


_process: Process | None = None


def _here() -> Process:
    global _process
    if _process is None:
        _process = Process(_settings)
    return _process


def _refuse() -> None:
    """Ends the program where the settings name a store or a bus that only one process can have."""
    from backend.processes.shared import refuse_one_process_parts

    try:
        refuse_one_process_parts(_settings, "A Celery worker")
    except SeduceError as error:
        sys.exit(f"seduce: {error}")


class _WithoutTraces(logging.Filter):
    """A broker out of reach is told in a line, not by how Celery came to know."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OSError | SchedulingError) or type(error).__module__.startswith(
            ("redis", "kombu")
        ):
            said = record.getMessage().partition("\n")[0]
            record.msg, record.args = said if str(error) in said else f"{said} ({error})", ()
            record.exc_info = record.exc_text = None
        return True


def _log(**_: object) -> None:
    logging.basicConfig(level=_settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(_WithoutTraces())
    # It tells of every message that comes and every one that is done.
    for name in ("celery.beat", "celery.worker.strategy", "celery.app.trace", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _close(**_: object) -> None:
    if _process is not None:
        _process.close()


def _read_settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        names = ["SEDUCE_" + "_".join(map(str, fault["loc"])).upper() for fault in error.errors()]
        sys.exit(f"seduce: these settings cannot be: {', '.join(names)}")


_settings = _read_settings()
app = create(_settings)
setup_logging.connect(_log)
worker_process_shutdown.connect(_close)
