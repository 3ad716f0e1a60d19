"""The durable queue in front of the store: a SQLite file, one writer thread, one fsync for all that waited.

A push is acknowledged when the commit that holds it is on disk. Under load many pushes wait while one commit is
under way; the next commit takes them all, so that the cost of an fsync is shared and no push waits for more than two.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.core.errors import SeduceError, TransientError
from backend.core.outage import Outage
from backend.core.reading import Readings
from backend.ingest.spoolfile import SpoolFile

log = logging.getLogger(__name__)

# Rows of one commit, so that a record stays a fraction of what a reader takes at once.
_GROUP_ROWS = 16_384


@dataclass(slots=True)
class _Append:
    readings: Readings
    done: asyncio.Future[None]


@dataclass(slots=True)
class _Call:
    work: Callable[[], Any]
    done: asyncio.Future[Any]


class SqliteSpool:
    """The port `Spool` over one file. `max_bytes` bounds the file; beyond it `append` raises `SpoolFull`.

    `open` before use, from the event loop that will use it. Only one process can have the file open.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._file = SpoolFile(path, max_bytes)
        self._appends: deque[_Append] = deque()
        self._calls: deque[_Call] = deque()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._outage = Outage(log, "spool_writes")
        self._depth = 0

    async def open(self) -> None:
        """Raises `PermanentError` where the file is held by another process."""
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
            log.info("the spool holds %d readings from before; they go to the store first", self._depth)
            self._arrived.set()

    async def close(self) -> None:
        """Finishes what waits, then lets go of the file."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._closing = True
        self._wake.set()
        await asyncio.to_thread(thread.join)

    @property
    def depth(self) -> int:
        """Readings on disk that are not forgotten yet."""
        return self._depth

    async def append(self, readings: Readings) -> None:
        """Returns when the readings are on disk. Raises `SpoolFull`, or `TransientError` where the disk fails."""
        if not len(readings):
            return
        if self._thread is None:
            raise TransientError("the spool is closed")
        done = self._loop.create_future()
        self._appends.append(_Append(readings, done))
        if not self._wake.is_set():
            self._wake.set()
        await done

    async def peek(self, max_rows: int) -> tuple[int, Readings]:
        """The oldest readings, at least one and about `max_rows`, and their mark. Waits while there are none."""
        while True:
            while not self._depth:
                self._arrived.clear()
                await self._arrived.wait()
            mark, readings = await self._call(lambda: self._file.read(max_rows))
            if len(readings):
                return mark, readings
            await self.forget(mark)  # nothing but damaged records

    async def forget(self, mark: int) -> None:
        """Drop everything up to the mark. Forgetting the same mark again does nothing."""
        gone = await self._call(lambda: self._file.delete(mark))
        self._depth -= gone

    async def set_aside(self, readings: Readings, reason: str) -> None:
        """Keep readings that no store takes, outside the queue, for a person to look at."""
        await self._call(lambda: self._file.set_aside(readings, reason))

    async def copy_to(self, path: Path) -> int:
        """A copy of the file as it is now; how many readings it holds. Raises `TransientError` where it cannot be written."""
        return int(await self._call(lambda: self._file.copy_to(path)))

    async def _call(self, work: Callable[[], Any]) -> Any:
        if self._thread is None:
            raise TransientError("the spool is closed")
        done: asyncio.Future[Any] = self._loop.create_future()
        self._calls.append(_Call(work, done))
        self._wake.set()
        return await done

    # From here on: the writer thread.

    def _run(self) -> None:
        while True:
            self._wake.wait()
            # Cleared before the queues are read: what comes later sets it again.
            self._wake.clear()
            last = self._closing
            while self._appends or self._calls:
                if self._appends:
                    self._write_group()
                if self._calls:
                    self._do(self._calls.popleft())
            if last:
                break
            self._tidy()
        try:
            self._file.close()
        except Exception:
            log.exception("the spool did not close cleanly; nothing acknowledged is lost")

    def _write_group(self) -> None:
        group = [self._appends.popleft()]
        rows = len(group[0].readings)
        while self._appends and rows < _GROUP_ROWS:
            group.append(self._appends.popleft())
            rows += len(group[-1].readings)
        error: Exception | None = None
        try:
            self._file.write([a.readings for a in group])
        except Exception as caught:
            error = caught
        if error is None:
            self._outage.recovered()
        else:
            self._outage.failed(error)
        self._tell(self._settle, group, rows, error)

    def _do(self, call: _Call) -> None:
        try:
            result, error = call.work(), None
        except Exception as caught:
            result, error = None, caught
        self._tell(_resolve, call.done, result, error)

    def _tidy(self) -> None:
        """Give free pages back in slices, as long as nobody waits."""
        try:
            while not self._wake.is_set() and self._file.shrink():
                pass
        except SeduceError as error:
            log.debug("the spool keeps its free pages for now: %s", error)

    def _tell(self, callback: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            log.debug("the event loop is gone; nobody is left to tell")

    # Back in the event loop.

    def _settle(self, group: list[_Append], rows: int, error: Exception | None) -> None:
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
