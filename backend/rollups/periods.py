"""How often a sensor reports, learned from its readings where the description does not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from backend.core.ports import LearnedPeriod, TimeSeriesStore
from backend.core.reading import Int64
from backend.core.windows import NS_PER_SECOND, Window
from backend.rollups.definitions import Definitions

SPANS_NS: Final = (Window.H1.ns, 6 * Window.H1.ns, 2 * Window.D1.ns)
"""How far back is looked, as far as is needed for enough readings: a slow sensor has few in an hour."""

LEAST_READINGS: Final = 20
AT_ONCE: Final = 50
"""Sensors whose readings are held at once."""

DIFFERS: Final = 0.1
"""Share by which a period must differ from the kept one to replace it: jitter is no change."""


def spacing_s(times: Int64) -> float | None:
    """The median distance of neighbouring readings in seconds, to two digits; None where they are too few to tell.

    Gaps do not sway it, nor does a pair of readings that came twice, as long as most readings came in time.
    """
    if len(times) < LEAST_READINGS:
        return None
    steps = np.diff(times)
    middle = float(np.median(steps[steps > 0])) / NS_PER_SECOND if (steps > 0).any() else 0.0
    return float(f"{middle:.2g}") if middle > 0 else None


async def learn(
    store: TimeSeriesStore,
    definitions: Definitions,
    kept: Mapping[str, LearnedPeriod],
    now_ns: int,
    stale_ns: int,
) -> Mapping[str, LearnedPeriod]:
    """Periods to keep: of sensors of which none is known, and of those last looked at `stale_ns` ago or longer."""
    due = [n for n in definitions.unsaid if n not in kept or now_ns - kept[n].at_ns >= stale_ns]
    found: dict[str, LearnedPeriod] = {}
    for first in range(0, len(due), AT_ONCE):
        missing = due[first : first + AT_ONCE]
        for span in SPANS_NS:
            readings = await store.raw(missing, now_ns - span, now_ns)
            for name, points in readings.items():
                seconds = spacing_s(points.times)
                if seconds is not None:
                    found[name] = _settled(kept.get(name), seconds, now_ns)
            missing = [name for name in missing if name not in found]
            if not missing:
                break
    return found


def _settled(kept: LearnedPeriod | None, seconds: float, now_ns: int) -> LearnedPeriod:
    same = kept is not None and abs(seconds - kept.period_s) <= DIFFERS * kept.period_s
    return LearnedPeriod(kept.period_s if kept is not None and same else seconds, now_ns)
