"""The deadline of tests that wait for something to happen."""

from __future__ import annotations

from typing import Final

DEADLINE_S: Final = 240.0
"""Seconds that a test polls for a condition before it fails. It is long because a busy machine is no fault."""
