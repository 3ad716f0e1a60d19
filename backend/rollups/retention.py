"""How long what is kept, and from where on that lets it be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.core.windows import WINDOWS, Window

DAY = Window.D1


@dataclass(frozen=True, slots=True)
class Keep:
    """Days that raw readings and the roll-ups of each window are kept; 0, or no entry, is for ever."""

    raw_days: int = 0
    days: Mapping[Window, int] = field(default_factory=dict)

    def of(self, window: Window | None) -> int:
        return self.raw_days if window is None else self.days.get(window, 0)


LENGTHS: tuple[Window | None, ...] = (None, *WINDOWS)
"""What is kept for a time of its own: raw readings, and the roll-ups of each window."""


def edge(days: int, now_ns: int, rolled_ns: int, dirty_ns: int | None) -> int | None:
    """The midnight (UTC) before which may go what is kept for `days`; None if that is for ever.

    Never beyond what all windows are rolled up to, nor into a day that awaits healing, since both still read it.
    """
    if not days:
        return None
    due = min(now_ns - days * DAY.ns, rolled_ns, rolled_ns if dirty_ns is None else dirty_ns)
    return DAY.floor(due)
