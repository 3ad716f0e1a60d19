"""What can be wrong with a wish about accounts. Each is told to whoever wished, as it is."""

from __future__ import annotations

from backend.core import errors
from backend.core.errors import Conflict, NotAllowed, NotFound, UserError

__all__ = ["Conflict", "InvalidInput", "LinkSpent", "LogInRefused", "NotFound", "too_many"]


class InvalidInput(UserError):
    """A value that cannot be taken."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(what, path=(where,))


class LogInRefused(NotAllowed):
    """Wrong address or password, which of them is not told; or an account that is not authorized."""


class LinkSpent(NotFound):
    """A mailed link that was used, has expired, or never was."""

    def __init__(self) -> None:
        super().__init__("This link was used already or has expired. Ask for a new one.", path=("token",))


def too_many(wait_s: float) -> errors.TooManyAttempts:
    seconds = max(1, round(wait_s))
    spoken = f"{seconds} seconds" if seconds < 120 else f"{round(seconds / 60)} minutes"
    return errors.TooManyAttempts(f"There were too many attempts. Try again in {spoken}.", seconds)
