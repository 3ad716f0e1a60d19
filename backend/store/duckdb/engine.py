"""One DuckDB file: a writer thread, several reader threads, and DuckDB's errors translated to ours.

A DuckDB connection is not concurrent, so every thread has its own. All changes go through the one writer thread, one
transaction each, so no two ever conflict. A change is visible to every read that starts after it was awaited.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backend.core.errors import PermanentError, SeduceError, TransientError

T = TypeVar("T")
Cursor = duckdb.DuckDBPyConnection
Columns = dict[str, npt.NDArray[Any]]

STORAGE_VERSION: Final = "v1.4.0"
"""Files stay readable by any DuckDB from this version on: a newer library must not upgrade a file by itself."""

LOG_SIZE: Final = "64MB"
"""Size of the write-ahead log at which DuckDB checkpoints by itself.

Each checkpoint rewrites blocks that are only partly filled. With DuckDB's default of 16 MB that is a third of the
work of a recomputation. Reading a full log takes a second at the start after a crash.
"""

LARGE_ROWS: Final = 50_000
"""Number of rows from which Arrow columns reach DuckDB faster than numpy arrays."""


RETRY_S: Final = 0.05
"""Seconds between two tries to interrupt a cancelled statement, or to checkpoint while reads are in the way."""

CHECKPOINT_TIMEOUT_S: Final = 1.0
"""Seconds that a checkpoint waits for reads to end, if it can be postponed."""

BACKUP_TIMEOUT_S: Final = 60.0
"""Seconds that the checkpoint of a backup waits for reads to end: longer than any one read takes."""


def fetch(cursor: Cursor, statement: str) -> Columns:
    """Return the result as one plain array per column. DuckDB stores a NaN as NULL; it becomes NaN again here."""
    result = cursor.execute(statement).fetchnumpy()
    return {
        name: np.ma.filled(column, np.nan) if isinstance(column, np.ma.MaskedArray) else column
        for name, column in result.items()
    }


def fetch_large(cursor: Cursor, statement: str) -> Columns:
    """Return the same as `fetch`: at half the cost for hundreds of thousands of rows, 0.3 ms slower for few."""
    table = cursor.sql(statement).to_arrow_table()
    return {name: table.column(name).to_numpy() for name in table.column_names}


def as_scannable(columns: Columns) -> Columns | pa.Table:
    """Return columns in the form that DuckDB scans fastest; NaN becomes NULL."""
    if len(next(iter(columns.values()))) < LARGE_ROWS:
        return columns
    # An array without NaN is passed without a copy; the check costs a tenth of one.
    return pa.table(
        {name: pa.array(column, from_pandas=_has_nan(column)) for name, column in columns.items()}
    )


def _has_nan(column: npt.NDArray[Any]) -> bool:
    return column.dtype.kind == "f" and bool(np.isnan(column).any())


class Transaction:
    """A running change: its cursor, and callbacks to run once it is committed."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self._callbacks: list[Callable[[], None]] = []

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Register a callback that runs on the writer thread right after the commit, before the next change begins."""
        self._callbacks.append(callback)

    def run_callbacks(self) -> None:
        for callback in self._callbacks:
            callback()


class _Busy(TransientError):
    """A checkpoint has to wait for running reads."""


class _InterruptibleWork:
    """Work on a cursor that may be interrupted while it runs, and not later, since the cursor then serves other work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cursor: Cursor | None = None

    @contextmanager
    def running_on(self, cursor: Cursor) -> Iterator[None]:
        with self._lock:
            self._cursor = cursor
        try:
            yield
        finally:
            with self._lock:
                self._cursor = None

    def stop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Interrupt the running statement, and those that follow until the work ends."""
        with self._lock:
            if self._cursor is None:
                return
            self._cursor.interrupt()
        loop.call_later(RETRY_S, self.stop, loop)


class Engine:
    """Opens the file and runs work on it.

    memory_limit   memory limit of DuckDB, in its notation ("1GB"); beyond it, DuckDB spills to disk beside the file
    threads        cores that one statement may use; None lets DuckDB use all
    readers        reads that may run at once
    """

    def __init__(
        self,
        path: Path | Literal[":memory:"],
        *,
        memory_limit: str = "1GB",
        threads: int | None = None,
        readers: int = 4,
    ) -> None:
        self.path = path
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "storage_compatibility_version": STORAGE_VERSION,
            "wal_autocheckpoint": LOG_SIZE,
        }
        if threads is not None:
            self._config["threads"] = threads
        self._reader_count = readers
        self._connection: Cursor | None = None
        self._local = threading.local()
        self._cursors: list[Cursor] = []
        self._readers: ThreadPoolExecutor | None = None
        self._writer: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """Open the file. Raise PermanentError if another process holds it, or if it is not a DuckDB file."""
        self._connection = await asyncio.to_thread(self._connect)
        self._readers = self._pool("store-read", self._reader_count)
        self._writer = self._pool("store-write", 1)

    async def close(self) -> None:
        """Wait for running work, then close the file. Closing twice is harmless."""
        pools = [pool for pool in (self._writer, self._readers) if pool is not None]
        self._writer = self._readers = None
        for pool in pools:
            await asyncio.to_thread(pool.shutdown)
        connection, self._connection = self._connection, None
        if connection is not None:
            for cursor in self._cursors:
                cursor.close()
            self._cursors.clear()
            await asyncio.to_thread(connection.close)

    async def read(self, work: Callable[[Cursor], T]) -> T:
        """Run `work` on a reader thread; several statements in it do not share one snapshot.

        If the caller is cancelled, the running statement is interrupted.
        """
        run = _InterruptibleWork()

        def job() -> T:
            with run.running_on(self._local.cursor):
                return work(self._local.cursor)

        try:
            return await self._submit(self._readers, job)
        except asyncio.CancelledError:
            run.stop(asyncio.get_running_loop())
            raise

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on the writer thread as one transaction, which is rolled back if it raises."""
        return await self._submit(self._writer, lambda: self._transact(work))

    async def checkpoint(self) -> None:
        """Write the log into the file, so that the space of dropped tables is reused or returned.

        DuckDB checkpoints by the size of its log, to which large writes and drops hardly add: without this call the
        space would be freed at the close. The checkpoint is skipped while a read runs that began before a table was
        created or dropped.
        """
        with suppress(_Busy):
            await self._retry_while_busy(self._checkpoint_now, CHECKPOINT_TIMEOUT_S)

    @asynccontextmanager
    async def hold_writes(self) -> AsyncIterator[None]:
        """Hold all writes while the block runs; the file then contains everything written so far. Reads go on.

        Raises TransientError if a read runs too long for the checkpoint before it.
        """
        loop, is_held, is_released = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def hold() -> None:
            self._checkpoint_now()
            loop.call_soon_threadsafe(is_held.set)
            is_released.wait()

        hold_task = asyncio.create_task(self._retry_while_busy(hold, BACKUP_TIMEOUT_S))
        held_task = asyncio.create_task(is_held.wait())
        try:
            await asyncio.wait({hold_task, held_task}, return_when=asyncio.FIRST_COMPLETED)
            if not is_held.is_set():
                await hold_task
            yield
        finally:
            is_released.set()
            held_task.cancel()
            await asyncio.gather(hold_task, held_task, return_exceptions=True)

    def _checkpoint_now(self) -> None:
        try:
            self._local.cursor.execute("checkpoint")
        except duckdb.TransactionException as error:
            raise _Busy(
                f"The time series store {self.path} is busy: a long read blocks the checkpoint. Try again later."
            ) from error

    async def _retry_while_busy(self, job: Callable[[], None], timeout_s: float) -> None:
        """Retry until the reads in the way have ended; writes go on in between. Raise _Busy after `timeout_s` seconds."""
        end = time.monotonic() + timeout_s
        while True:
            try:
                return await self._submit(self._writer, job)
            except _Busy:
                if time.monotonic() >= end:
                    raise
            await asyncio.sleep(RETRY_S)

    async def _submit(self, pool: ThreadPoolExecutor | None, job: Callable[[], T]) -> T:
        if pool is None:
            raise TransientError(f"The time series store {self.path} is not open.")
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, job)
        except duckdb.Error as error:
            raise self._translate_error(error) from error

    def _transact(self, work: Callable[[Transaction], T]) -> T:
        cursor: Cursor = self._local.cursor
        transaction = Transaction(cursor)
        cursor.execute("begin")
        try:
            result = work(transaction)
            cursor.execute("commit")
        except BaseException:
            self._roll_back(cursor)
            raise
        transaction.run_callbacks()
        return result

    @staticmethod
    def _roll_back(cursor: Cursor) -> None:
        try:
            cursor.execute("rollback")
        except duckdb.Error:
            return  # a failed commit rolls back by itself

    def _pool(self, name: str, size: int) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(size, thread_name_prefix=name, initializer=self._open_cursor)

    def _open_cursor(self) -> None:
        assert self._connection is not None
        self._local.cursor = self._connection.cursor()
        self._cursors.append(self._local.cursor)

    def _connect(self) -> Cursor:
        if isinstance(self.path, Path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return duckdb.connect(str(self.path), config=self._config)
        except duckdb.Error as error:
            raise self._open_error(error) from error

    def _open_error(self, error: duckdb.Error) -> SeduceError:
        text = str(error)
        holder = re.search(r"Conflicting lock is held in (.*? \(PID \d+\))", text)
        if holder or "Could not set lock" in text:
            owner = holder.group(1) if holder else "another process"
            return PermanentError(
                f"The time series file {self.path} is in use by {owner}. Only one process can open a DuckDB file: "
                f"stop that process, or set another file for this one."
            )
        return PermanentError(f"The time series file {self.path} cannot be opened: {text}")

    def _translate_error(self, error: duckdb.Error) -> SeduceError:
        """Translate an error. A full disk or memory may be temporary; a retry repeats anything else."""
        is_transient = isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException)
        kind = TransientError if is_transient else PermanentError
        return kind(f"The time series store {self.path} failed: {error}")
