"""The Celery application of the periodic tasks: `celery -A workers.app beat` and `celery -A workers.app worker`, over Redis.

A message contains only the name of a task. It may be lost, be delivered twice, or reach a worker that is killed: the next
message compensates. A lease in the database keeps two processes from running the same task at once.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any, Final

from celery import Celery
from celery.signals import setup_logging, worker_process_shutdown
from pydantic import ValidationError

from backend.core.errors import SeduceError
from backend.settings import Settings
from workers.logs import configure_worker_logging
from workers.queue import PREFIX, QUEUE, CeleryQueue, transport_options
from workers.schedule import SCHEDULE, limit_of

GRACE_S: Final = 60.0
"""A task stops itself at its time limit. If it does not, Celery kills its process this many seconds later."""

MIN_EXPIRY_S: Final = 10.0


class Application(Celery):  # type: ignore[misc]
    """Refuses to start if the settings name a store or a bus that processes cannot share."""

    @property
    def Beat(self) -> Any:  # noqa: N802 (Celery's own name)
        _refuse_unshared()
        from celery.apps.beat import Beat

        class StoppableBeat(Beat):  # type: ignore[misc]
            """Stops on a signal at any moment; Celery's own handler raises an exit that can be lost inside a message."""

            def install_sync_handler(self, service: Any) -> None:
                def stop(*_: object) -> None:
                    service.stop()
                    raise SystemExit(0)

                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, stop)

        return self.subclass_with_self(StoppableBeat)

    @property
    def Worker(self) -> Any:  # noqa: N802
        _refuse_unshared()
        return super().Worker


def create(settings: Settings) -> Any:
    """Return the application with a task for every name of the schedule. It connects to nothing yet."""
    app = Application("seduce", broker=settings.broker or None)
    app.conf.update(
        beat_schedule={
            name: {
                "task": PREFIX + name,
                "schedule": period,
                # A message that no worker took in time is useless: the next one follows.
                "options": {"expires": max(period, MIN_EXPIRY_S)},
            }
            for name, period in SCHEDULE.items()
        },
        # No record of the last runs is needed: after a start every task is due.
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
        _add_task(app, name)
    return app


def _add_task(app: Any, name: str) -> None:
    def task() -> None:
        worker_process().run(name)

    app.task(task, name=PREFIX + name, time_limit=limit_of(name) + GRACE_S, shared=False)


class WorkerProcess:
    """Runs tasks in one worker process, with an event loop and connections of its own, opened at its first task."""

    def __init__(self, settings: Settings) -> None:
        # Imported here: neither beat nor the parent process of the workers needs them.
        from backend.processes.rollup_engine import build_rollup_engine
        from backend.processes.shared import build_shared_services
        from backend.processes.tasks import build_task_executor
        from workers.runs import task_outages

        self._loop = asyncio.Runner()
        self._shared = build_shared_services(settings)
        self._executor = build_task_executor(
            self._shared, build_rollup_engine(self._shared), CeleryQueue(settings.broker)
        )
        self._outages = task_outages()
        self._is_open = False

    def run(self, name: str) -> None:
        """Run a task. Its failure is logged and counted here; for Celery every run succeeds."""
        try:
            self._loop.run(self._run(name))
        except Exception as error:
            self._outages.failed(name, error)
        else:
            self._outages.recovered(name)

    async def _run(self, name: str) -> None:
        if not self._is_open:
            from backend.processes.shared import open_database_and_store

            await open_database_and_store(self._shared)
            self._is_open = True
        await self._executor.run(name)

    def close(self) -> None:
        from backend.processes.shared import close_shared

        self._loop.run(close_shared(self._shared))
        self._loop.close()


_process: WorkerProcess | None = None


def worker_process() -> WorkerProcess:
    """Return the services of this worker process, built at the first call."""
    global _process
    if _process is None:
        _process = WorkerProcess(_settings)
    return _process


def _refuse_unshared() -> None:
    """End the program if the settings name a store or a bus that only one process can use."""
    from backend.processes.stores import require_shared_services

    try:
        require_shared_services(_settings, "A Celery worker")
    except SeduceError as error:
        sys.exit(f"seduce: {error}")


def _configure_logging(**_: object) -> None:
    configure_worker_logging(_settings.log_level, _settings.log_format)


def _close(**_: object) -> None:
    if _process is not None:
        _process.close()


def _read_settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        names = ["SEDUCE_" + "_".join(map(str, fault["loc"])).upper() for fault in error.errors()]
        sys.exit(f"seduce: invalid settings: {', '.join(names)}; run `seduce config` for details")


_settings = _read_settings()
app = create(_settings)
setup_logging.connect(_configure_logging)
worker_process_shutdown.connect(_close)
