"""The head of a request is read before any application sees it: here it is kept small, and has to come within a time."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 128 * 1024
"""Bytes that are taken of a head that does not end. What is over 32 KiB and does end is answered 431 (`gate.py`)."""
HEAD_TIMEOUT_S: Final = 20.0


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol over httptools, which by itself keeps as much of a head as it is sent, for as long as it takes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head = 0
        self._in_head = True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._in_head:
            super().data_received(data)
            return
        self._head += len(data)
        super().data_received(data)
        # What came together with the end of the head is body, however much that is.
        if self._in_head and self._head > MAX_HEAD_BYTES:
            self._hang_up()

    def on_message_begin(self) -> None:
        self._in_head = True
        if self._timer is None:
            self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head = 0
        self._stop_timer()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._hang_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            self.transport.close()
