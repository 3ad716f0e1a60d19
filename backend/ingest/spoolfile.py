"""The spool's file: records of many readings in SQLite. Used by one thread only.

A record's payload is its columns one after another, little-endian: int32 name ids, int64 times (ns), float64 values,
20 bytes a reading. Names are kept once, in a table of their own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from backend.core.errors import PermanentError, SpoolFull, TransientError
from backend.core.reading import Int32, Readings

log = logging.getLogger(__name__)

_PAGE = 4096
_LEAST_PAGES = 12  # the tables and some hundred names take ten
_SPARE_PAGES = 1024  # free pages kept for reuse: 4 MB
_SLICE_PAGES = 512  # free pages given back at once: about a millisecond
_SET_ASIDE_KEPT = 1000
_RESERVE_BYTES = 8 << 20

_SCHEMA = """
CREATE TABLE IF NOT EXISTS name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, rows INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS set_aside (
    id INTEGER PRIMARY KEY, reason TEXT NOT NULL, sensor TEXT NOT NULL, time_ns INTEGER NOT NULL, value REAL);
"""


class Reserve:
    """Room on the disk that is given up when the disk is full: even forgetting writes a little before it frees."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = False

    def take(self) -> bool:
        """Take the room, if it is not held already; whether it is held now."""
        if not self._held:
            try:
                # What an earlier process left is taken over as it is.
                with self._path.open("ab") as file:
                    os.posix_fallocate(file.fileno(), 0, _RESERVE_BYTES)
                self._held = True
            except OSError:
                self.give_up()
        return self._held

    def give_up(self) -> bool:
        """Whether there was something to give up."""
        self._held = False
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


class SpoolFile:
    """Synchronous. Methods raise `SpoolFull` where there is no room, `TransientError` where the disk fails.

    After a failure the file is closed and opened anew by the next call: a connection that saw an I/O error is not
    to be trusted, and what was committed is on disk. Not so after one for want of room: opening takes some itself.

    Readings are only taken while the reserve is held, so that whatever is in the file can also be forgotten.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_pages = max(max_bytes // _PAGE, _LEAST_PAGES)
        self._reserve = Reserve(path.with_name(path.name + ".reserve"))
        self._db: sqlite3.Connection | None = None
        self._next_id = 1
        self._ids: dict[str, int] = {}
        self._names: tuple[str, ...] = ()
        # The names of the last part seen and their ids: most pushes share one table of names.
        self._seen: tuple[Sequence[str], Int32] = ((), np.empty(0, np.int32))

    def open(self) -> int:
        """How many readings the file holds."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._reach()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                    raise PermanentError(f"{self._path} is in use by another process") from error
                raise TransientError(f"{self._path} cannot be opened: {error}") from error
            self._put_away(error)
            self._connect()
        with self._working() as db:
            (rows,) = db.execute("SELECT coalesce(sum(rows), 0) FROM record").fetchone()
        self._reserve.take()
        return int(rows)

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def write(self, parts: Sequence[Readings]) -> None:
        """Keep the parts as one record, in order; on disk when it returns."""
        if not self._reserve.take():
            while self.shrink():
                pass
            if not self._reserve.take():
                raise SpoolFull("the disk is full")
        with self._working() as db:
            codes = np.concatenate([self._ids_of(db, p.names)[p.codes] for p in parts])
            payload = b"".join(
                (
                    codes.astype("<i4", copy=False).tobytes(),
                    np.concatenate([p.times for p in parts]).astype("<i8", copy=False).tobytes(),
                    np.concatenate([p.values for p in parts]).astype("<f8", copy=False).tobytes(),
                )
            )
            # A transaction of its own: every further statement would be one more wait for the interpreter's lock.
            db.execute("INSERT INTO record VALUES (?, ?, ?)", (self._next_id, len(codes), payload))
            self._next_id += 1

    def read(self, max_rows: int) -> tuple[int, Readings]:
        """The oldest records until `max_rows` are reached, and the id of the last of them."""
        ids, times, values = [], [], []
        mark = rows = 0
        query = "SELECT id, rows, payload FROM record ORDER BY id"
        with self._working() as db, contextlib.closing(db.execute(query)) as records:
            for record_id, count, payload in records:
                mark = record_id
                if len(payload) != 20 * count:
                    log.error("a spool record of %d readings is damaged and skipped", count)
                    continue
                ids.append(np.frombuffer(payload, "<i4", count))
                times.append(np.frombuffer(payload, "<i8", count, 4 * count))
                values.append(np.frombuffer(payload, "<f8", count, 12 * count))
                rows += count
                if rows >= max_rows:
                    break
        if not rows:
            return mark, Readings.empty()
        codes = np.concatenate(ids).astype(np.int32, copy=False)
        return mark, Readings(self._all_names(), codes, np.concatenate(times), np.concatenate(values))

    def delete(self, mark: int) -> int:
        """Drop the records up to the mark; how many readings they held. Works on a full disk, too."""
        try:
            return self._delete(mark)
        except SpoolFull:
            self._reserve.give_up()
            with contextlib.suppress(SpoolFull):
                self._empty_log()
            rows = self._delete(mark)
            self._empty_log()
            return rows

    def _empty_log(self) -> None:
        """Into the file, so that both can be used again without growing."""
        with self._working() as db:
            db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def _delete(self, mark: int) -> int:
        with self._working() as db:
            db.execute("BEGIN IMMEDIATE")
            (rows,) = db.execute(
                "SELECT coalesce(sum(rows), 0) FROM record WHERE id <= ?", (mark,)
            ).fetchone()
            db.execute("DELETE FROM record WHERE id <= ?", (mark,))
            db.execute("COMMIT")
            return int(rows)

    def set_aside(self, readings: Readings, reason: str) -> None:
        """Keep rows outside the queue; only the newest thousand stay."""
        with self._working() as db:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(
                "INSERT INTO set_aside (reason, sensor, time_ns, value) VALUES (?, ?, ?, ?)",
                [(reason, r.sensor, r.time_ns, r.value) for r in readings],
            )
            db.execute(
                "DELETE FROM set_aside WHERE id <= (SELECT max(id) FROM set_aside) - ?", (_SET_ASIDE_KEPT,)
            )
            db.execute("COMMIT")

    def copy_to(self, path: Path) -> int:
        """By SQLite itself: a file that is read past it would lose its lock when it is closed."""
        with self._working() as db:
            try:
                with contextlib.closing(sqlite3.connect(path)) as copy:
                    db.backup(copy)
                    copy.execute("PRAGMA journal_mode=DELETE").fetchall()  # one file, without a log beside it
                    (rows,) = copy.execute("SELECT coalesce(sum(rows), 0) FROM record").fetchone()
            except sqlite3.Error as error:
                raise TransientError(f"{path} cannot be written: {error}") from error
            return int(rows)

    def shrink(self) -> bool:
        """Give some free pages back to the disk; whether there are more to give."""
        self._reserve.take()
        with self._working() as db:
            (free,) = db.execute("PRAGMA freelist_count").fetchone()
            if free <= _SPARE_PAGES:
                return False
            # execute() would take one step, which is one page.
            db.executescript(f"PRAGMA incremental_vacuum({_SLICE_PAGES})")
            return bool(free - _SLICE_PAGES > _SPARE_PAGES)

    @contextlib.contextmanager
    def _working(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._db is None:
                self._reach()
            assert self._db is not None
            yield self._db
        except sqlite3.Error as error:
            if _is_full(error):
                self._roll_back()
                raise SpoolFull("the spool is full") from error
            with contextlib.suppress(sqlite3.Error):
                self.close()
            raise TransientError(f"the spool's file fails: {error}") from error
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

    def _reach(self) -> None:
        """Connect, on a full disk by means of the reserve."""
        try:
            self._connect()
        except sqlite3.OperationalError as error:
            if not _is_full(error) or not self._reserve.give_up():
                raise
            self._connect()

    def _connect(self) -> None:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=0.5)
        try:
            # Exclusive: one process, and no shared memory file to keep in step.
            for pragma in (
                "locking_mode=EXCLUSIVE",
                f"page_size={_PAGE}",
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
        self._seen = ((), np.empty(0, np.int32))
        # Never back: a mark of an emptied file must not fit a later record.
        self._next_id = max(self._next_id, newest + 1)
        self._db = db

    def _put_away(self, error: Exception) -> None:
        kept = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns()}")
        self._path.rename(kept)
        for suffix in ("-wal", "-shm"):
            side = self._path.with_name(self._path.name + suffix)
            if side.exists():
                side.rename(kept.with_name(kept.name + suffix))
        log.error("%s is damaged (%s); it is kept as %s and a new one begun", self._path, error, kept.name)

    def _ids_of(self, db: sqlite3.Connection, names: Sequence[str]) -> Int32:
        if names is self._seen[0]:
            return self._seen[1]
        new = [name for name in names if name not in self._ids]
        if new:
            rows = list(enumerate(new, len(self._ids)))
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO name VALUES (?, ?)", rows)
            db.execute("COMMIT")
            self._ids.update((name, row) for row, name in rows)
        ids = np.array([self._ids[name] for name in names], np.int32)
        if isinstance(names, tuple):
            self._seen = (names, ids)
        return ids

    def _all_names(self) -> tuple[str, ...]:
        if len(self._names) != len(self._ids):
            self._names = tuple(self._ids)
        return self._names


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
