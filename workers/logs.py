"""Logging of Celery's processes: in the format of the settings, and without tracebacks of an unreachable broker."""

from __future__ import annotations

import logging
from typing import Final

from celery.beat import SchedulingError

from backend.core.logs import configure_logging

_VERBOSE: Final = ("celery.beat", "celery.worker.strategy", "celery.app.trace")
"""Loggers that report every message and every finished task."""


def configure_worker_logging(level: str, log_format: str) -> None:
    """Log to the standard error; `log_format` is one of `backend.core.logs.FORMATS`."""
    configure_logging(level, log_format)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_BrokerErrorFilter())
    for name in _VERBOSE:
        logging.getLogger(name).setLevel(logging.WARNING)


class _BrokerErrorFilter(logging.Filter):
    """Reduces the log record of a broker error to one line without a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OSError | SchedulingError) or type(error).__module__.startswith(
            ("redis", "kombu")
        ):
            message = record.getMessage().partition("\n")[0]
            record.msg, record.args = message if str(error) in message else f"{message} ({error})", ()
            record.exc_info = record.exc_text = None
        return True
