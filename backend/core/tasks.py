"""Periodic tasks as every process can see them: how they fared, who may run one now, and how to ask for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from backend.core.measure import Timing


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """How the runs of one task fared, whatever process they were in. Times are ns since the epoch, UTC.

    timing           durations of all runs
    failures         runs that failed, and `failures_in_a_row` those since one last succeeded
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
    """Runs of tasks of all processes."""

    async def record(self, name: str, started_ns: int, seconds: float, error: str | None) -> None:
        """One more run that ended; `error` says why it failed."""
        ...

    async def records(self) -> Mapping[str, TaskRecord]:
        """By name; a task that never ran is absent."""
        ...


class TaskQueue(Protocol):
    """Asks for a run of a task before its time."""

    async def request_run(self, name: str) -> None:
        """Returns when it is asked for, not when it has run. Raises `TransientError` where nobody can be asked now."""
        ...


class Lock(Protocol):
    """At most one holder at a time, and the one who waited longest is not starved by one who comes again and again."""

    async def __aenter__(self) -> object: ...

    async def __aexit__(self, *_: object) -> bool | None: ...

    def check(self) -> None:
        """To be called by the holder before it notes that something is done. Raises `TransientError` where the lock was
        lost meanwhile: then another may have held it."""
        ...


class LocalLock(asyncio.Lock):
    """A `Lock` within one process, which nobody loses."""

    def check(self) -> None:
        """It is held until it is released."""


class Leases(Protocol):
    """Locks between processes. They expire when their holder dies, and are kept from expiring as long as it lives."""

    def lock(self, name: str) -> Lock:
        """One that is waited for."""
        ...

    def attempt(self, name: str) -> AbstractAsyncContextManager[Callable[[], None] | None]:
        """One that is not waited for: the context is None where another holds it, else `Lock.check`."""
        ...
