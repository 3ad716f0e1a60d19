"""Log output as text or as one JSON object per line, with the id of the request."""

from __future__ import annotations

import json
import logging
import re
import secrets
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the current request or WebSocket connection; empty outside of one. The response has it as `X-Request-ID`."""

TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
FORMATS: Final = ("text", "json")
_VALID_ID: Final = re.compile(r"[0-9A-Za-z._-]{8,64}")


def new_request_id(proxy_id: str = "") -> str:
    """Return the request id of a proxy if it is valid, else a new one of 16 hex digits."""
    return proxy_id if _VALID_ID.fullmatch(proxy_id) else secrets.token_hex(8)


class JsonLines(logging.Formatter):
    """Formats JSON lines: `time` (ISO 8601, UTC), `level`, `logger`, `message`, and `request` and `trace` if present.

    The items of `extra={"fields": {…}}` are added.
    """

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
    """Formats text lines; the request id is appended if there is one."""

    def __init__(self) -> None:
        super().__init__(TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (the base class's name)
        text = super().formatMessage(record)
        request = request_id.get()
        return f"{text} [request {request}]" if request else text


def configure_logging(level: str, kind: str) -> None:
    """Log to the standard error. `kind` is one of `FORMATS`."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if kind == "json" else Text())
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)
