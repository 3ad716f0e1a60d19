"""Enumerations that several domains share."""

from __future__ import annotations

from enum import Enum

import strawberry

from backend.graphql.field import member


@strawberry.enum(
    name="Window",
    description="The time resolution of a series. Windows are aligned to the Unix epoch in UTC.",
)
class ApiWindow(Enum):
    """The `Window` of the API: those of `backend.core.windows.Window`, raw readings, and the choice of the server."""

    RAW = member("raw", "Raw readings, without windows.")
    S30 = member("30s", "Windows of 30 seconds.")
    M1 = member("1m", "Windows of one minute.")
    H1 = member("1h", "Windows of one hour.")
    D1 = member("1d", "Windows of one day.")
    AUTO = member(
        "auto",
        "The coarsest window that still gives maxPoints; raw readings for a short range. "
        "The server chooses a coarser window where a query would read too many windows.",
    )


@strawberry.enum(description="An energy tree.")
class Tree(Enum):
    CONSUMPTION = member("consumption", "Consumers of power.")
    PRODUCTION = member("production", "Producers of power.")


@strawberry.enum(description="A statistic of the values in a window.")
class Statistic(Enum):
    MEAN = member("mean", "Arithmetic mean, weighted by count.")
    MIN = member("min", "Minimum.")
    MAX = member("max", "Maximum.")
    SUM = member("sum", "Sum of the values.")
    COUNT = member("count", "Number of values.")
    STDDEV = member("stddev", "Sample standard deviation.")
    MEDIAN = member("median", "Median; null where several windows were merged.")


@strawberry.enum(description="A side of a rack.")
class RackSide(Enum):
    FRONT = member("front", "The cold side, at the air inlet.")
    BACK = member("back", "The warm side, at the air outlet.")
    TOP = member("top", "Above the rack.")


@strawberry.enum(description="The treatment of gaps in energy: of time without readings.")
class GapPolicy(Enum):
    NONE = member("none", "Gaps count as 0. The energy is a lower bound; nothing is estimated.")
    HOLD = member("hold", "The last value before a gap is held, up to a limit.")
