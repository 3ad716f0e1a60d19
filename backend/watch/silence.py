"""The single rule for "silent": a source is silent if its newest report is older than its limit.

The limit is a minimum, or a number of the source's periods if that is longer. A slow sensor is therefore not silent between
two readings. Every place that decides about silence uses this module. The limits differ because their purposes do:

| rule | minimum | periods | decides about |
|---|---|---|---|
| `live_rule` | `SEDUCE_LIVE_MAX_AGE_S` (60 s) | 5 | last values, sums, active problems, and the events `silent` and `back` |
| `ERROR_COUNTERS` | 40 s | 2 | the error counters of temperature sensors |
| `CHART_GAPS` | 10 s | 5 | gaps in a chart of raw readings |
| `CRAWLERS` | 15 s | none | crawlers, which report their devices every second |

`is_site_silent` covers the remaining case: if no sensor at all has reported for 40 s, the cause is not the sensors. Then
neither events nor errors are recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, overload

import numpy as np
import numpy.typing as npt

from backend.core.reading import Int64
from backend.core.windows import NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class SilenceRule:
    """The limit of a source: `min_s` seconds, or `periods` of its periods if that is longer."""

    min_s: float
    periods: int = 0

    def limit_ns(self, period_s: float = 0.0) -> int:
        """Return the limit in nanoseconds of a source that reports every `period_s` seconds."""
        return round(max(self.min_s, self.periods * period_s) * NS_PER_SECOND)


def live_rule(live_max_age_s: float) -> SilenceRule:
    """Return the rule of the live view for the setting `SEDUCE_LIVE_MAX_AGE_S`."""
    return SilenceRule(live_max_age_s, 5)


ERROR_COUNTERS: Final = SilenceRule(40.0, 2)
CHART_GAPS: Final = SilenceRule(10.0, 5)
CRAWLERS: Final = SilenceRule(15.0)

SITE_LIMIT_NS: Final = SilenceRule(40.0).limit_ns()


@overload
def is_silent(newest_ns: int, now_ns: int, limit_ns: int) -> bool: ...


@overload
def is_silent(newest_ns: Int64, now_ns: int, limit_ns: Int64) -> npt.NDArray[np.bool_]: ...


def is_silent(newest_ns: int | Int64, now_ns: int, limit_ns: int | Int64) -> bool | npt.NDArray[np.bool_]:
    """Return whether the newest report is older than the limit. An age equal to the limit is not silence.

    Takes single times (ns) or int64 arrays of them; the result has the same shape.
    """
    return now_ns - newest_ns > limit_ns


def is_site_silent(newest_ns: Iterable[int], now_ns: int) -> bool:
    """Return whether none of the newest readings of all sensors is recent."""
    return max(newest_ns, default=0) < now_ns - SITE_LIMIT_NS
