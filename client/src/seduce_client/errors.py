"""What can go wrong, each with what, where, and the mend."""

from __future__ import annotations


class SeduceError(Exception):
    """The root of all that this package raises on purpose.

    `where` is the part of the request or the address concerned, `what` is wrong there, `mend` is what to do about it.
    """

    def __init__(self, where: str, what: str, mend: str) -> None:
        super().__init__(f"{where}: {what}: {mend}")
        self.where = where
        self.what = what
        self.mend = mend


class BadRequest(SeduceError):
    """Asked for something that cannot be: a name that does not exist, an empty range."""


class NotAllowed(SeduceError):
    """No token, one that is not valid, or one without the right."""


class Unavailable(SeduceError):
    """The server cannot be reached, or cannot reach its data: the same request may work later."""


class NotInstalled(SeduceError, ImportError):
    """A package is needed that only some uses need."""
