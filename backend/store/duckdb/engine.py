"""One DuckDB file: a writer thread, some reader threads, and failures in our own words.

A DuckDB connection is not concurrent, so every thread has its own. All changes go through the one writer thread, one
transaction each, so no two ever conflict; a change is seen by every read that starts after it was awaited.
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
"""Files stay readable by any DuckDB from here on; a newer library must not lift an existing file by itself."""

LOG_SIZE: Final = "64MB"
"""How much DuckDB writes to its log before it brings the file up to date by itself.

Each time, what is only partly filled is written anew: at its own 16 MB that is a third of the work of a recomputation. A
full log takes a second to read at the start after a crash.
"""

LARGE_ROWS: Final = 50_000
"""From about here on rows cross the border to DuckDB faster as Arrow columns than as numpy arrays."""


AGAIN_S: Final = 0.05
"""Between two tries: interruptions of work that nobody waits for, checkpoints that reads stand in the way of."""

READERS_S: Final = 1.0
"""How long a checkpoint that can be left for later waits for reads to end."""

STILL_S: Final = 60.0
"""The same for one that a backup stands on: longer than any one read takes."""


def fetch(cursor: Cursor, statement: str) -> Columns:
    """The answer as one plain array a column; DuckDB keeps a NaN it is given as NULL, and here it is a NaN again."""
    got = cursor.execute(statement).fetchnumpy()
    return {
        name: np.ma.filled(column, np.nan) if isinstance(column, np.ma.MaskedArray) else column
        for name, column in got.items()
    }


def fetch_large(cursor: Cursor, statement: str) -> Columns:
    """The same, at half the price for hundreds of thousands of rows, and 0.3 ms more for few."""
    table = cursor.sql(statement).to_arrow_table()
    return {name: table.column(name).to_numpy() for name in table.column_names}


def scanned(columns: Columns) -> Columns | pa.Table:
    """Columns as DuckDB scans them best; NaN counts as NULL."""
    if len(next(iter(columns.values()))) < LARGE_ROWS:
        return columns
    # Without a NaN an array crosses as it is; looking costs a tenth of copying.
    return pa.table(
        {name: pa.array(column, from_pandas=_has_nan(column)) for name, column in columns.items()}
    )


def _has_nan(column: npt.NDArray[Any]) -> bool:
    return column.dtype.kind == "f" and bool(np.isnan(column).any())


class Transaction:
    """A change under way: its cursor, and what to do in memory once it is committed."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self._then: list[Callable[[], None]] = []

    def on_commit(self, act: Callable[[], None]) -> None:
        """Runs on the writer thread right after the commit, before the next change begins."""
        self._then.append(act)

    def committed(self) -> None:
        for act in self._then:
            act()


class _Busy(TransientError):
    """A checkpoint has to wait for the reads under way."""


class _Run:
    """Work on a cursor that may be interrupted while it lasts, and not a moment longer: the cursor's next work is another's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cursor: Cursor | None = None

    @contextmanager
    def on(self, cursor: Cursor) -> Iterator[None]:
        with self._lock:
            self._cursor = cursor
        try:
            yield
        finally:
            with self._lock:
                self._cursor = None

    def stop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Interrupts the statement that runs, and those that follow until the work is over."""
        with self._lock:
            if self._cursor is None:
                return
            self._cursor.interrupt()
        loop.call_later(AGAIN_S, self.stop, loop)


class Engine:
    """Opens the file and runs work on it.

    memory_limit   what DuckDB may hold, as it spells it ("1GB"); beyond it, it spills beside the file
    threads        how many cores one statement may use; None lets DuckDB take all
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
        """Raises PermanentError where the file is held by another process, or is none of ours."""
        self._connection = await asyncio.to_thread(self._connect)
        self._readers = self._pool("store-read", self._reader_count)
        self._writer = self._pool("store-write", 1)

    async def close(self) -> None:
        """Waits for what is under way, then lets go of the file. Closing twice is harmless."""
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
        """Run `work` on a reader thread; what it sees of several statements is not one snapshot.

        Where the caller is cancelled, so is the statement that runs: nobody waits for its answer.
        """
        run = _Run()

        def job() -> T:
            with run.on(self._local.cursor):
                return work(self._local.cursor)

        try:
            return await self._submit(self._readers, job)
        except asyncio.CancelledError:
            run.stop(asyncio.get_running_loop())
            raise

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on the writer thread as one transaction: all of it or, if it raises, nothing."""
        return await self._submit(self._writer, lambda: self._transact(work))

    async def checkpoint(self) -> None:
        """Bring the file up to date, so that the space of what was dropped is used again or given back.

        Left alone, DuckDB does so by the size of its log, to which large writes and drops hardly add: it would be at the close.
        While a read from before a table came or went is under way, it is not done, and left for the next time.
        """
        with suppress(_Busy):
            await self._patiently(self._check, READERS_S)

    @asynccontextmanager
    async def standing_still(self) -> AsyncIterator[None]:
        """The file holds all that was written, and nothing is written to it while the block runs. Reads go on.

        Raises TransientError where a read goes on too long for that.
        """
        loop, still, over = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def hold() -> None:
            self._check()
            loop.call_soon_threadsafe(still.set)
            over.wait()

        holding = asyncio.create_task(self._patiently(hold, STILL_S))
        reached = asyncio.create_task(still.wait())
        try:
            await asyncio.wait({holding, reached}, return_when=asyncio.FIRST_COMPLETED)
            if not still.is_set():
                await holding
            yield
        finally:
            over.set()
            reached.cancel()
            await asyncio.gather(holding, reached, return_exceptions=True)

    def _check(self) -> None:
        try:
            self._local.cursor.execute("checkpoint")
        except duckdb.TransactionException as error:
            raise _Busy(
                f"The time series store {self.path} is being read since before its last change."
            ) from error

    async def _patiently(self, job: Callable[[], None], most_s: float) -> None:
        """Try until the reads that stand in the way are over; writes go on between. Raises _Busy where they are not in time."""
        end = time.monotonic() + most_s
        while True:
            try:
                return await self._submit(self._writer, job)
            except _Busy:
                if time.monotonic() >= end:
                    raise
            await asyncio.sleep(AGAIN_S)

    async def _submit(self, pool: ThreadPoolExecutor | None, job: Callable[[], T]) -> T:
        if pool is None:
            raise TransientError(f"The time series store {self.path} is not open.")
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, job)
        except duckdb.Error as error:
            raise self._failure(error) from error

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
        transaction.committed()
        return result

    @staticmethod
    def _roll_back(cursor: Cursor) -> None:
        try:
            cursor.execute("rollback")
        except duckdb.Error:
            return  # a failed commit has rolled back by itself

    def _pool(self, name: str, size: int) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(size, thread_name_prefix=name, initializer=self._take_cursor)

    def _take_cursor(self) -> None:
        assert self._connection is not None
        self._local.cursor = self._connection.cursor()
        self._cursors.append(self._local.cursor)

    def _connect(self) -> Cursor:
        if isinstance(self.path, Path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return duckdb.connect(str(self.path), config=self._config)
        except duckdb.Error as error:
            raise self._refusal(error) from error

    def _refusal(self, error: duckdb.Error) -> SeduceError:
        text = str(error)
        holder = re.search(r"Conflicting lock is held in (.*? \(PID \d+\))", text)
        if holder or "Could not set lock" in text:
            who = holder.group(1) if holder else "another process"
            return PermanentError(
                f"The time series file {self.path} is in use by {who}. DuckDB lets one process open a file: "
                f"stop that process, or give this one another file."
            )
        return PermanentError(f"The time series file {self.path} cannot be opened: {text}")

    def _failure(self, error: duckdb.Error) -> SeduceError:
        """A full disk or spent memory may pass; anything else is a fault that a retry repeats."""
        passing = isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException)
        kind = TransientError if passing else PermanentError
        return kind(f"The time series store {self.path} failed: {error}")
