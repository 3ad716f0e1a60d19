"""The file of the spool: records of many readings in SQLite. Only one thread may use it.

The payload of a record is three little-endian columns: int32 name ids, int64 times (ns) and float64 values, 20 bytes per
reading. Names are stored once, in a table of their own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from backend.core.errors import PermanentError, SpoolFull, TransientError
from backend.core.reading import Int32, Readings

log = logging.getLogger(__name__)

_PAGE_BYTES: Final = 4096
_MIN_PAGES: Final = 12  # the tables and some hundred names take ten
_SPARE_PAGES: Final = 1024  # free pages kept for reuse: 4 MB
_SLICE_PAGES: Final = 512  # free pages returned at once: about a millisecond
_MAX_SET_ASIDE_ROWS: Final = 1000
_RESERVE_BYTES: Final = 8 << 20
_READING_BYTES: Final = 20

_SCHEMA = """
CREATE TABLE IF NOT EXISTS name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, rows INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS set_aside (
    id INTEGER PRIMARY KEY, reason TEXT NOT NULL, sensor TEXT NOT NULL, time_ns INTEGER NOT NULL, value REAL);
"""


class DiskReserve:
    """Disk space that is released when the disk is full, because deleting records writes a little before it frees space."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_held = False

    def acquire(self) -> bool:
        """Allocate the space unless it is held already. Returns whether it is held now."""
        if not self._is_held:
            try:
                # A file that an earlier process left is used as it is.
                with self._path.open("ab") as file:
                    os.posix_fallocate(file.fileno(), 0, _RESERVE_BYTES)
                self._is_held = True
            except OSError:
                self.release()
        return self._is_held

    def release(self) -> bool:
        """Free the space. Returns whether there was any."""
        self._is_held = False
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


class SpoolFile:
    """Synchronous access to the file. Methods raise `SpoolFull` if there is no room and `TransientError` if the disk fails.

    A failure of the disk closes the file, and the next call reopens it: a connection with an I/O error cannot be trusted,
    and committed records are on disk. A lack of room does not close it, because reopening needs room itself.

    Readings are written only while the reserve is held, so that everything in the file can be deleted again.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_pages = max(max_bytes // _PAGE_BYTES, _MIN_PAGES)
        self._reserve = DiskReserve(path.with_name(path.name + ".reserve"))
        self._db: sqlite3.Connection | None = None
        self._next_id = 1
        self._ids: dict[str, int] = {}
        self._names: tuple[str, ...] = ()
        # The ids of the table of names used last; most pushes share one table.
        self._cached_ids: tuple[Sequence[str], Int32] = ((), np.empty(0, np.int32))

    def open(self) -> int:
        """Open or create the file and return the number of readings in it. A damaged file is moved away."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connect_using_reserve()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                    raise PermanentError(
                        f"{self._path} is in use by another process; stop that process first"
                    ) from error
                raise TransientError(f"{self._path} cannot be opened: {error}") from error
            self._move_damaged_file(error)
            self._connect()
        with self._connection() as db:
            (rows,) = db.execute("SELECT coalesce(sum(rows), 0) FROM record").fetchone()
        self._reserve.acquire()
        return int(rows)

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def write(self, parts: Sequence[Readings]) -> None:
        """Write the parts as one record, in order. The record is on disk on return."""
        if not self._reserve.acquire():
            while self.shrink():
                pass
            if not self._reserve.acquire():
                raise SpoolFull("the disk is full")
        with self._connection() as db:
            codes = np.concatenate([self._ids_of(db, p.names)[p.codes] for p in parts])
            payload = b"".join(
                (
                    codes.astype("<i4", copy=False).tobytes(),
                    np.concatenate([p.times for p in parts]).astype("<i8", copy=False).tobytes(),
                    np.concatenate([p.values for p in parts]).astype("<f8", copy=False).tobytes(),
                )
            )
            # One statement without BEGIN and COMMIT: each further statement would wait for the interpreter's lock once more.
            db.execute("INSERT INTO record VALUES (?, ?, ?)", (self._next_id, len(codes), payload))
            self._next_id += 1

    def read(self, max_rows: int) -> tuple[int, Readings]:
        """Return the id of the last record read, and the oldest records until `max_rows` readings are reached."""
        ids, times, values = [], [], []
        position = rows = 0
        query = "SELECT id, rows, payload FROM record ORDER BY id"
        with self._connection() as db, contextlib.closing(db.execute(query)) as records:
            for record_id, count, payload in records:
                position = record_id
                if len(payload) != _READING_BYTES * count:
                    log.error("spool record damaged and skipped readings=%d", count)
                    continue
                ids.append(np.frombuffer(payload, "<i4", count))
                times.append(np.frombuffer(payload, "<i8", count, 4 * count))
                values.append(np.frombuffer(payload, "<f8", count, 12 * count))
                rows += count
                if rows >= max_rows:
                    break
        if not rows:
            return position, Readings.empty()
        codes = np.concatenate(ids).astype(np.int32, copy=False)
        return position, Readings(self._all_names(), codes, np.concatenate(times), np.concatenate(values))

    def delete(self, position: int) -> int:
        """Delete the records up to the position and return their number of readings. Also works on a full disk."""
        try:
            return self._delete(position)
        except SpoolFull:
            self._reserve.release()
            with contextlib.suppress(SpoolFull):
                self._checkpoint()
            rows = self._delete(position)
            self._checkpoint()
            return rows

    def _checkpoint(self) -> None:
        """Move the write-ahead log into the file, so that neither of them has to grow."""
        with self._connection() as db:
            db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def _delete(self, position: int) -> int:
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            (rows,) = db.execute(
                "SELECT coalesce(sum(rows), 0) FROM record WHERE id <= ?", (position,)
            ).fetchone()
            db.execute("DELETE FROM record WHERE id <= ?", (position,))
            db.execute("COMMIT")
            return int(rows)

    def set_aside(self, readings: Readings, reason: str) -> None:
        """Keep rows outside the queue. Only the newest thousand are kept."""
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(
                "INSERT INTO set_aside (reason, sensor, time_ns, value) VALUES (?, ?, ?, ?)",
                [(reason, r.sensor, r.time_ns, r.value) for r in readings],
            )
            db.execute(
                "DELETE FROM set_aside WHERE id <= (SELECT max(id) FROM set_aside) - ?",
                (_MAX_SET_ASIDE_ROWS,),
            )
            db.execute("COMMIT")

    def copy_to(self, path: Path) -> int:
        """Copy the file with SQLite and return the number of readings in the copy.

        A copy made without SQLite would release the lock of the file when it closes it.
        """
        with self._connection() as db:
            try:
                with contextlib.closing(sqlite3.connect(path)) as copy:
                    db.backup(copy)
                    copy.execute("PRAGMA journal_mode=DELETE").fetchall()  # a single file, without a log
                    (rows,) = copy.execute("SELECT coalesce(sum(rows), 0) FROM record").fetchone()
            except sqlite3.Error as error:
                raise TransientError(f"{path} cannot be written: {error}") from error
            return int(rows)

    def shrink(self) -> bool:
        """Return some free pages to the disk. Returns whether there are more."""
        self._reserve.acquire()
        with self._connection() as db:
            (free,) = db.execute("PRAGMA freelist_count").fetchone()
            if free <= _SPARE_PAGES:
                return False
            # execute() would run one step only, which is one page.
            db.executescript(f"PRAGMA incremental_vacuum({_SLICE_PAGES})")
            return bool(free - _SLICE_PAGES > _SPARE_PAGES)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._db is None:
                self._connect_using_reserve()
            assert self._db is not None
            yield self._db
        except sqlite3.Error as error:
            if _is_full(error):
                self._roll_back()
                raise SpoolFull("the spool is full") from error
            with contextlib.suppress(sqlite3.Error):
                self.close()
            raise TransientError(f"the spool file {self._path} failed: {error}") from error
        except Exception:
            self.close()  # rolls back
            raise

    def _roll_back(self) -> None:
        try:
            if self._db is not None and self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                self.close()

    def _connect_using_reserve(self) -> None:
        """Connect. On a full disk, release the reserve first."""
        try:
            self._connect()
        except sqlite3.OperationalError as error:
            if not _is_full(error) or not self._reserve.release():
                raise
            self._connect()

    def _connect(self) -> None:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=0.5)
        try:
            # An exclusive lock needs no shared memory file.
            for pragma in (
                "locking_mode=EXCLUSIVE",
                f"page_size={_PAGE_BYTES}",
                "auto_vacuum=INCREMENTAL",
                "journal_mode=WAL",
                "synchronous=FULL",
                f"max_page_count={self._max_pages}",
            ):
                db.execute(f"PRAGMA {pragma}").fetchall()
            db.executescript(_SCHEMA)
            self._ids = {name: i for i, name in db.execute("SELECT id, name FROM name ORDER BY id")}
            (newest,) = db.execute("SELECT coalesce(max(id), 0) FROM record").fetchone()
        except BaseException:
            db.close()
            raise
        self._names = ()
        self._cached_ids = ((), np.empty(0, np.int32))
        # Ids never decrease: a position of an emptied file must not match a later record.
        self._next_id = max(self._next_id, newest + 1)
        self._db = db

    def _move_damaged_file(self, error: Exception) -> None:
        moved = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns()}")
        self._path.rename(moved)
        for suffix in ("-wal", "-shm"):
            side = self._path.with_name(self._path.name + suffix)
            if side.exists():
                side.rename(moved.with_name(moved.name + suffix))
        log.error(
            "spool file damaged path=%s moved_to=%s; a new file is used: %s", self._path, moved.name, error
        )

    def _ids_of(self, db: sqlite3.Connection, names: Sequence[str]) -> Int32:
        if names is self._cached_ids[0]:
            return self._cached_ids[1]
        new = [name for name in names if name not in self._ids]
        if new:
            rows = list(enumerate(new, len(self._ids)))
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO name VALUES (?, ?)", rows)
            db.execute("COMMIT")
            self._ids.update((name, row) for row, name in rows)
        ids = np.array([self._ids[name] for name in names], np.int32)
        if isinstance(names, tuple):
            self._cached_ids = (names, ids)
        return ids

    def _all_names(self) -> tuple[str, ...]:
        if len(self._names) != len(self._ids):
            self._names = tuple(self._ids)
        return self._names


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
