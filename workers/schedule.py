"""The only schedule: what runs how often, and for how long at most. Every runner reads this table."""

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

AFTER: Final[Mapping[str, tuple[str, ...]]] = {
    "run_job": ("wait_job",),
    "wait_job": ("wait_job", "finish_job"),
}
"""Task name -> the tasks that are asked for when a run of it found something to do: work goes on without waiting for its time."""

LIMITS: Final[Mapping[str, float]] = {
    "roll_up": 900.0,
    "heal": 900.0,
    "wait_job": 900.0,
    "retain": 1_800.0,
    "maintain": 1_800.0,
}
"""Task name -> seconds after which a run is ended; `LIMIT_S` for the others. What it had done by then stays done."""

LIMIT_S: Final = 120.0


def limit_of(name: str) -> float:
    return LIMITS.get(name, LIMIT_S)
