"""The ports of periodic tasks: their run statistics, their queue, and the locks between processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from backend.core.measure import Timing


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """Statistics of the runs of one task in all processes. Times are ns since the epoch, UTC.

    timing             durations of all runs
    failures           number of failed runs
    failures_in_a_row  number of failed runs since the last successful one
    last_s             duration of the last run
    """

    name: str
    timing: Timing = field(default_factory=Timing)
    failures: int = 0
    failures_in_a_row: int = 0
    started_ns: int | None = None
    succeeded_ns: int | None = None
    last_s: float | None = None
    last_error: str = ""


class TaskLog(Protocol):
    """The log of task runs of all processes."""

    async def record(self, name: str, started_ns: int, seconds: float, error: str | None) -> None:
        """Add a run that ended. `error` is the reason of a failure; None for a success."""
        ...

    async def records(self) -> Mapping[str, TaskRecord]:
        """Return the records by task name. A task that never ran is absent."""
        ...


class TaskQueue(Protocol):
    """Requests runs of tasks outside their schedule."""

    async def request_run(self, name: str) -> None:
        """Request a run; return before it has run. Raises `TransientError` if the queue is unreachable."""
        ...


class Lock(Protocol):
    """A lock with at most one holder. It is fair: a holder that returns at once does not overtake one that waits."""

    async def __aenter__(self) -> object: ...

    async def __aexit__(self, *_: object) -> bool | None: ...

    def check(self) -> None:
        """Check that the lock is still held. Raises `TransientError` if it was lost: another may have held it since.

        The holder calls this before it records that something is done.
        """
        ...


class LocalLock(asyncio.Lock):
    """A `Lock` within one process. It cannot be lost."""

    def check(self) -> None:
        """Do nothing: the lock is held until it is released."""


class Leases(Protocol):
    """Locks between processes. A lock is renewed while its holder is alive and expires afterwards."""

    def lock(self, name: str) -> Lock:
        """Return a lock that waits until it is free."""
        ...

    def attempt(self, name: str) -> AbstractAsyncContextManager[Callable[[], None] | None]:
        """Return a lock that does not wait. Its context is `Lock.check`, or None if another holds the lock."""
        ...
