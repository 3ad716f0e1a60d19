"""The periods and time limits of all periodic tasks. Every runner uses these tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SCHEDULE: Final[Mapping[str, float]] = {
    "roll_up": 10.0,
    "heal": 30.0,
    "learn_periods": 300.0,
    "retain": 3_600.0,
    "maintain": 3_600.0,
    "forget": 3_600.0,
    "detect_unresponsive_temperature_sensors": 20.0,
    "send_confirmation_email": 10.0,
    "send_authorization_email": 10.0,
    "watch_sensors": 20.0,
    "run_job": 10.0,
    "wait_job": 10.0,
    "finish_job": 20.0,
    "check_health": 30.0,
}
"""Task name -> seconds from one start to the next."""

FOLLOW_UPS: Final[Mapping[str, tuple[str, ...]]] = {
    "run_job": ("wait_job",),
    "wait_job": ("wait_job", "finish_job"),
}
"""Task name -> the tasks to request at once after a run that did something."""

LIMITS: Final[Mapping[str, float]] = {
    "roll_up": 900.0,
    "heal": 900.0,
    "wait_job": 900.0,
    "retain": 1_800.0,
    "maintain": 1_800.0,
}
"""Task name -> time limit of a run in seconds; `LIMIT_S` for the others. Work finished before the limit is kept."""

LIMIT_S: Final = 120.0


def limit_of(name: str) -> float:
    """Return the time limit of a task in seconds."""
    return LIMITS.get(name, LIMIT_S)
