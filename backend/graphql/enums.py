"""Enumerations of the API."""

from __future__ import annotations

from enum import Enum

import strawberry

from backend.graphql.field import member


@strawberry.enum(description="How finely a series is read. Windows are aligned to the Unix epoch in UTC.")
class Window(Enum):
    RAW = member("raw", "The readings as they came.")
    S30 = member("30s", "Windows of 30 seconds.")
    M1 = member("1m", "Windows of one minute.")
    H1 = member("1h", "Windows of one hour.")
    D1 = member("1d", "Windows of one day.")
    AUTO = member(
        "auto",
        "The coarsest that still gives maxPoints; raw readings for a short interval. "
        "A coarser one where a query would read very many windows.",
    )


@strawberry.enum(description="An energy tree.")
class Tree(Enum):
    CONSUMPTION = member("consumption", "Where the power goes.")
    PRODUCTION = member("production", "Where the power comes from.")


@strawberry.enum(description="A statistic of the values in a window.")
class Statistic(Enum):
    MEAN = member("mean", "Arithmetic mean, weighted by count.")
    MIN = member("min", "Least value.")
    MAX = member("max", "Greatest value.")
    SUM = member("sum", "Sum of the values.")
    COUNT = member("count", "How many values there were.")
    STDDEV = member("stddev", "Sample standard deviation.")
    MEDIAN = member("median", "Median; none where several windows were merged.")


@strawberry.enum(description="A side of a rack.")
class RackSide(Enum):
    FRONT = member("front", "The cold side, where air goes in.")
    BACK = member("back", "The warm side, where air comes out.")
    TOP = member("top", "Above the rack.")


@strawberry.enum(description="What becomes of time that no reading covers, where energy is asked for.")
class GapPolicy(Enum):
    NONE = member("none", "Nothing: only covered time counts, and what was not measured is not guessed.")
    HOLD = member("hold", "The last value before a gap is held, up to a limit.")
