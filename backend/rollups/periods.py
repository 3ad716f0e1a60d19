"""Learn how often a sensor reports from its readings, if the description does not state it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from backend.core.ports import LearnedPeriod, TimeSeriesStore
from backend.core.reading import Int64
from backend.core.windows import NS_PER_SECOND, Window
from backend.rollups.definitions import Definitions

SPANS_NS: Final = (Window.H1.ns, 6 * Window.H1.ns, 2 * Window.D1.ns)
"""Spans to read, one after the other until there are enough readings: a slow sensor has few in an hour."""

MIN_READINGS: Final = 20
SENSORS_AT_ONCE: Final = 50
"""Sensors whose readings are held in memory at once."""

MIN_CHANGE: Final = 0.1
"""Minimum relative difference from the stored period for a new one to replace it: jitter is no change."""


def spacing_s(times: Int64) -> float | None:
    """Return the median distance of neighbouring readings in seconds, to two digits; None if there are too few readings.

    Gaps and duplicates do not distort it, as long as most readings came in time.
    """
    if len(times) < MIN_READINGS:
        return None
    steps = np.diff(times)
    middle = float(np.median(steps[steps > 0])) / NS_PER_SECOND if (steps > 0).any() else 0.0
    return float(f"{middle:.2g}") if middle > 0 else None


async def learn(
    store: TimeSeriesStore,
    definitions: Definitions,
    stored: Mapping[str, LearnedPeriod],
    now_ns: int,
    stale_ns: int,
) -> Mapping[str, LearnedPeriod]:
    """Return the periods to store.

    These are the periods of sensors without one, and of sensors whose period was learned `stale_ns` ago or longer.
    """
    due = [
        n for n in definitions.undeclared_periods if n not in stored or now_ns - stored[n].at_ns >= stale_ns
    ]
    learned: dict[str, LearnedPeriod] = {}
    for at in range(0, len(due), SENSORS_AT_ONCE):
        sensors = due[at : at + SENSORS_AT_ONCE]
        for span in SPANS_NS:
            readings = await store.raw(sensors, now_ns - span, now_ns)
            for name, points in readings.items():
                seconds = spacing_s(points.times)
                if seconds is not None:
                    learned[name] = _updated(stored.get(name), seconds, now_ns)
            sensors = [name for name in sensors if name not in learned]
            if not sensors:
                break
    return learned


def _updated(stored: LearnedPeriod | None, seconds: float, now_ns: int) -> LearnedPeriod:
    is_same = stored is not None and abs(seconds - stored.period_s) <= MIN_CHANGE * stored.period_s
    return LearnedPeriod(stored.period_s if stored is not None and is_same else seconds, now_ns)
