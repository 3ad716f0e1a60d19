"""The only schedule: what runs how often. Every runner reads this table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SCHEDULE: Final[Mapping[str, float]] = {
    "roll_up": 10.0,
    "heal": 30.0,
    "learn_periods": 300.0,
    "retain": 3_600.0,
    "maintain": 3_600.0,
    "detect_unresponsive_temperature_sensors": 20.0,
    "send_confirmation_email": 10.0,
    "send_authorization_email": 10.0,
}
"""Task name -> seconds from one start to the next."""
