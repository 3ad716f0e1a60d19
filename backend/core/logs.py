"""What is logged, as text or as one JSON object a line, with the id of the request that it belongs to."""

from __future__ import annotations

import json
import logging
import re
import secrets
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request or the WebSocket connection that is served; empty outside of one. The answer carries it as `X-Request-ID`."""

TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
FORMATS: Final = ("text", "json")
_GIVEN: Final = re.compile(r"[0-9A-Za-z._-]{8,64}")


def new_request_id(given: str = "") -> str:
    """The id that a proxy gave the request, where it looks like one; else a new one of 16 hex digits."""
    return given if _GIVEN.fullmatch(given) else secrets.token_hex(8)


class JsonLines(logging.Formatter):
    """`time` (ISO 8601, UTC), `level`, `logger`, `message`; `request`, `trace` where there is one; and `extra={"fields": …}`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request := request_id.get():
            line["request"] = request
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class Text(logging.Formatter):
    """As ever, with the request's id behind where there is one."""

    def __init__(self) -> None:
        super().__init__(TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (the base class's name)
        text = super().formatMessage(record)
        request = request_id.get()
        return f"{text} [request {request}]" if request else text


def configure_logging(level: str, kind: str) -> None:
    """Everything to the standard error, as `kind`, one of `FORMATS`, says."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if kind == "json" else Text())
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)
