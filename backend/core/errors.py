"""The kinds of failure: retry later, never retry, or let the user fix the request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SeduceError(Exception):
    """The base class of all errors that this project raises on purpose."""


class TransientError(SeduceError):
    """A retry may succeed: a device is silent, or a store is down."""


class PermanentError(SeduceError):
    """A retry cannot succeed: the address is wrong, or a value has an impossible type."""


class UserError(SeduceError):
    """The caller can fix the request. The message says what is wrong, where, and how to fix it; it may be shown to users.

    `path` names the argument, then the fields inside it.
    """

    def __init__(self, message: str = "", *, path: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.path = tuple(path)


class NotFound(UserError):
    """The named object does not exist, or the caller may not see it."""


class NotAllowed(UserError):
    """The caller does not have the right to do this."""


class Conflict(UserError):
    """The current state does not allow this."""


class TooManyAttempts(UserError):
    """Too many attempts. The next one is allowed in `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: float, *, path: Sequence[str] = ()) -> None:
        super().__init__(message, path=path)
        self.retry_after_s = retry_after_s


class SpoolFull(TransientError):
    """The spool has no space for more readings. The client must keep them and retry."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in a description file; `line` counts from 1."""

    file: str
    path: str
    actual: str
    expected: str
    line: int | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.path or '(top level)'}: found {self.actual}; expected {self.expected}"


class DescriptionError(UserError):
    """All faults of a description."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(f) for f in self.faults))
