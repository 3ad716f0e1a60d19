"""What can be wrong with a wish about accounts. Each is told to whoever wished, as it is."""

from __future__ import annotations

from backend.core.errors import UserError


class InvalidInput(UserError):
    """A value that cannot be taken; `where` names it."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(what)
        self.where = where


class TooManyAttempts(UserError):
    """Come back in `wait_s` seconds."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = max(1, round(wait_s))
        super().__init__(f"There were too many attempts. Try again in {_spoken(self.wait_s)}.")


class LogInRefused(UserError):
    """Wrong address or password, which of them is not told; or an account that is not authorized."""


class LinkSpent(UserError):
    """A mailed link that was used, has expired, or never was."""

    def __init__(self) -> None:
        super().__init__("This link was used already or has expired. Ask for a new one.")


class NotPossible(UserError):
    """What was asked for cannot be done in the state that things are in."""


class NotFound(UserError):
    """There is no such thing, or it is not theirs."""


def _spoken(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} seconds"
    return f"{round(seconds / 60)} minutes"
