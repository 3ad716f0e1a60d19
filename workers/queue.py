"""Request runs of periodic tasks from Celery workers."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from backend.core.errors import TransientError

EXPIRES_S: Final = 60
"""A request that no worker has taken by then is dropped; the schedule runs the task anyway."""

PREFIX: Final = "seduce."
QUEUE: Final = "seduce"
"""Prefix of task names, and name of the queue: other applications may share the broker."""

_TIMEOUT_S: Final = 2.0


class CeleryQueue:
    """Implements the port `TaskQueue` over a broker. Without a broker it does nothing: the schedule runs every task."""

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url
        self._app: Any = None

    async def request_run(self, name: str) -> None:
        """Send the request. Raise `TransientError` if the broker cannot be reached."""
        if self._broker_url:
            await asyncio.to_thread(self._send, name)

    def _send(self, name: str) -> None:
        from kombu.exceptions import OperationalError

        if self._app is None:
            self._app = _client(self._broker_url)
        try:
            self._app.send_task(PREFIX + name, expires=EXPIRES_S, retry=False)
        except (OperationalError, OSError) as error:
            raise TransientError(f"cannot reach the broker of the workers: {error}") from error


def _client(broker_url: str) -> Any:
    from celery import Celery  # loaded only by a process that sends requests

    app = Celery("seduce", broker=broker_url, set_as_current=False)
    app.conf.update(
        broker_transport_options=transport_options(),
        task_default_queue=QUEUE,
        task_ignore_result=True,
    )
    return app


def transport_options() -> dict[str, object]:
    """Return the timeouts of the broker connection.

    Messages are acknowledged at once, so none is unacknowledged for as long as `visibility_timeout`.
    """
    return {
        "socket_timeout": _TIMEOUT_S,
        "socket_connect_timeout": _TIMEOUT_S,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "visibility_timeout": 3_600,
    }
