"""The wording that events and active problems share."""

from __future__ import annotations

from backend.core.quantity import Range


def describe_out_of_range(value: float, unit: str, plausible: Range) -> str:
    """Return "reads 85 °C; plausible is -10 to 75 °C"."""
    return f"reads {value:g} {unit}; plausible is {plausible.low:g} to {plausible.high:g} {unit}"


def format_duration(seconds: float) -> str:
    """Return the duration in the largest unit of which it is at least two: "3 d", "5 h", "10 min", "90 s"."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
