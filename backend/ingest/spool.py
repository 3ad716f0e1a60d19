"""The spool: a durable queue of readings in front of the store. It has a SQLite file and one writer thread.

A push is acknowledged when the commit that holds it is on disk. Under load many pushes wait while one commit is under way. The
next commit takes all of them, so they share the cost of one fsync and no push waits for more than two.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from backend.core.errors import SeduceError, TransientError
from backend.core.outage import Outage
from backend.core.reading import Readings
from backend.ingest.spoolfile import SpoolFile

log = logging.getLogger(__name__)

_MAX_COMMIT_ROWS: Final = 16_384
"""Rows of one commit. It bounds the size of a record, which is read as a whole."""


@dataclass(slots=True)
class _PendingAppend:
    readings: Readings
    done: asyncio.Future[None]


@dataclass(slots=True)
class _PendingCall:
    work: Callable[[], Any]
    done: asyncio.Future[Any]


class SqliteSpool:
    """The port `Spool` over one file of at most `max_bytes`. `append` raises `SpoolFull` when there is no more room.

    Call `open` before use, in the event loop that uses it. Only one process can have the file open.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._file = SpoolFile(path, max_bytes)
        self._appends: deque[_PendingAppend] = deque()
        self._calls: deque[_PendingCall] = deque()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._outage = Outage(log, "spool_writes")
        self._depth = 0

    async def open(self) -> None:
        """Open the file and start the writer thread. Raises `PermanentError` if another process has the file open."""
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()
        try:
            self._depth = await self._call(self._file.open)
        except BaseException:
            await self.close()
            raise
        if self._depth:
            log.info("spool opened readings=%d; they are stored before new ones", self._depth)
            self._arrived.set()

    async def close(self) -> None:
        """Finish the pending appends and calls, then close the file."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._closing = True
        self._wake.set()
        await asyncio.to_thread(thread.join)

    @property
    def depth(self) -> int:
        """The number of readings in the file."""
        return self._depth

    async def append(self, readings: Readings) -> None:
        """Return when the readings are on disk. Raises `SpoolFull`, or `TransientError` if the disk fails."""
        if not len(readings):
            return
        if self._thread is None:
            raise TransientError("the spool is closed")
        done = self._loop.create_future()
        self._appends.append(_PendingAppend(readings, done))
        if not self._wake.is_set():
            self._wake.set()
        await done

    async def peek(self, max_rows: int) -> tuple[int, Readings]:
        """Return a position and the oldest readings: at least one, about `max_rows`. Waits while there are none."""
        while True:
            while not self._depth:
                self._arrived.clear()
                await self._arrived.wait()
            position, readings = await self._call(lambda: self._file.read(max_rows))
            if len(readings):
                return position, readings
            await self.remove_up_to(position)  # all records up to the position are damaged

    async def remove_up_to(self, position: int) -> None:
        """Delete everything up to the position. Doing so twice does nothing."""
        # Two statements: `-= await` would read the depth before the wait and lose what is appended meanwhile.
        deleted = await self._call(lambda: self._file.delete(position))
        self._depth -= deleted

    async def set_aside(self, readings: Readings, reason: str) -> None:
        """Keep readings that the store rejects outside the queue, so that a person can inspect them."""
        await self._call(lambda: self._file.set_aside(readings, reason))

    async def copy_to(self, path: Path) -> int:
        """Copy the file as it is now and return its number of readings. Raises `TransientError` if the copy cannot be written."""
        return int(await self._call(lambda: self._file.copy_to(path)))

    async def _call(self, work: Callable[[], Any]) -> Any:
        if self._thread is None:
            raise TransientError("the spool is closed")
        done: asyncio.Future[Any] = self._loop.create_future()
        self._calls.append(_PendingCall(work, done))
        self._wake.set()
        return await done

    # The methods below run in the writer thread.

    def _run(self) -> None:
        while True:
            self._wake.wait()
            # Cleared before the queues are read, so that an item that arrives later sets it again.
            self._wake.clear()
            is_last_round = self._closing
            while self._appends or self._calls:
                if self._appends:
                    self._write_pending()
                if self._calls:
                    self._run_call(self._calls.popleft())
            if is_last_round:
                break
            self._shrink_while_idle()
        try:
            self._file.close()
        except Exception:
            log.exception("spool not closed cleanly; no acknowledged reading is lost")

    def _write_pending(self) -> None:
        group = [self._appends.popleft()]
        rows = len(group[0].readings)
        while self._appends and rows < _MAX_COMMIT_ROWS:
            group.append(self._appends.popleft())
            rows += len(group[-1].readings)
        error: Exception | None = None
        try:
            self._file.write([a.readings for a in group])
        except Exception as failure:
            error = failure
        if error is None:
            self._outage.recovered()
        else:
            self._outage.failed(error)
        self._call_in_loop(self._finish_appends, group, rows, error)

    def _run_call(self, call: _PendingCall) -> None:
        try:
            result, error = call.work(), None
        except Exception as failure:
            result, error = None, failure
        self._call_in_loop(_resolve, call.done, result, error)

    def _shrink_while_idle(self) -> None:
        """Return free pages to the disk in slices, until there is other work."""
        try:
            while not self._wake.is_set() and self._file.shrink():
                pass
        except SeduceError as error:
            log.debug("spool not shrunk: %s", error)

    def _call_in_loop(self, callback: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            log.debug("event loop closed; the result of a spool operation is dropped")

    # The methods below run in the event loop again.

    def _finish_appends(self, group: list[_PendingAppend], rows: int, error: Exception | None) -> None:
        if error is None:
            self._depth += rows
            self._arrived.set()
            for append in group:
                if not append.done.done():
                    append.done.set_result(None)
            return
        for append in group:
            if not append.done.done():
                append.done.set_exception(error)


def _resolve(done: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)
