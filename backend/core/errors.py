"""Three kinds of failure, so that whoever catches one knows what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SeduceError(Exception):
    """The root of all failures this project raises on purpose."""


class TransientError(SeduceError):
    """It may work if tried again: a device silent, a store down."""


class PermanentError(SeduceError):
    """Trying again changes nothing: a wrong address, a type that cannot be."""


class UserError(SeduceError):
    """The caller can mend it; the text says what, where and how, and may be shown as it is.

    `path` names the argument that it is about, and the fields within it, from the outside in.
    """

    def __init__(self, message: str = "", *, path: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.path = tuple(path)


class NotFound(UserError):
    """What was named is not there, or not for the caller to know of."""


class NotAllowed(UserError):
    """The caller is known, or need not be, and may not do this."""


class Conflict(UserError):
    """It cannot be done in the state that things are in now."""


class TooManyAttempts(UserError):
    """It may be tried again in `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: float, *, path: Sequence[str] = ()) -> None:
        super().__init__(message, path=path)
        self.retry_after_s = retry_after_s


class SpoolFull(TransientError):
    """No room left to keep readings durably; the pusher keeps them and comes back."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a description file; `line` counts from 1."""

    file: str
    path: str
    found: str
    expected: str
    line: int | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.path or '(top level)'}: found {self.found}; expected {self.expected}"


class DescriptionError(UserError):
    """All faults of a description at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(f) for f in self.faults))
