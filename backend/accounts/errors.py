"""Errors of account operations. Their messages are shown to the user as they are."""

from __future__ import annotations

from backend.core import errors
from backend.core.errors import Conflict, NotAllowed, NotFound, UserError

__all__ = ["Conflict", "InvalidInput", "InvalidLink", "LogInRefused", "NotFound", "too_many_attempts"]


class InvalidInput(UserError):
    """An input value that is not acceptable; `field` is the name of the input field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, path=(field,))


class LogInRefused(NotAllowed):
    """Wrong e-mail address or password, without saying which of them; or an account that is not authorized."""


class InvalidLink(NotFound):
    """A mailed link that has been used, has expired, or was never issued."""

    def __init__(self) -> None:
        super().__init__("This link has expired or was already used. Request a new one.", path=("token",))


def too_many_attempts(wait_s: float) -> errors.TooManyAttempts:
    seconds = max(1, round(wait_s))
    wait = f"{seconds} seconds" if seconds < 120 else f"{round(seconds / 60)} minutes"
    return errors.TooManyAttempts(f"Too many attempts. Try again in {wait}.", seconds)
