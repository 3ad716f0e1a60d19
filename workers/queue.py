"""Asks Celery workers for a task before its time."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from celery import Celery
from kombu.exceptions import OperationalError

from backend.core.errors import TransientError

EXPIRES_S: Final = 60
"""A task that no worker has taken by then is left to the schedule."""

PREFIX: Final = "seduce."
QUEUE: Final = "seduce"
"""Before the names of tasks, and of the queue, among those of other applications that share a broker."""

_ANSWER_S: Final = 2.0


class CeleryQueue:
    """The port `TaskQueue` over a broker. Without one nobody is asked: the schedule brings every task on in time."""

    def __init__(self, broker_url: str) -> None:
        self._app: Any = None
        if broker_url:
            self._app = Celery("seduce", broker=broker_url, set_as_current=False)
            self._app.conf.update(
                broker_transport_options=transport_options(),
                task_default_queue=QUEUE,
                task_ignore_result=True,
            )

    async def request_run(self, name: str) -> None:
        if self._app is not None:
            await asyncio.to_thread(self._send, name)

    def _send(self, name: str) -> None:
        try:
            self._app.send_task(PREFIX + name, expires=EXPIRES_S, retry=False)
        except (OperationalError, OSError) as error:
            raise TransientError(f"the broker of the workers cannot be reached: {error}") from error


def transport_options() -> dict[str, object]:
    """How long the broker may take. No message waits for an acknowledgement that long: they are given at once."""
    return {
        "socket_timeout": _ANSWER_S,
        "socket_connect_timeout": _ANSWER_S,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "visibility_timeout": 3_600,
    }
