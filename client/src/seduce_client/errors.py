"""The errors of this package. Each says where and what the fault is, and how to fix it."""

from __future__ import annotations


class SeduceError(Exception):
    """The base class of all errors that this package raises on purpose.

    where  the part of the request, or the address
    what   the fault
    mend   the way to fix it
    """

    def __init__(self, where: str, what: str, mend: str) -> None:
        super().__init__(f"{where}: {what}: {mend}")
        self.where = where
        self.what = what
        self.mend = mend


class BadRequest(SeduceError):
    """The request is invalid: it has an unknown name, or an empty range."""


class NotAllowed(SeduceError):
    """The token is missing or invalid, or it lacks the right."""


class Unavailable(SeduceError):
    """The server, or its data, is unreachable. The same request may succeed later."""


class NotInstalled(SeduceError, ImportError):
    """An optional package that this call needs is not installed."""
