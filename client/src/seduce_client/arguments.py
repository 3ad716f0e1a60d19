"""The arguments of the client methods, and their conversion into a selection of series."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, Required, TypeAlias, TypedDict

from seduce_client.progress import Progress
from seduce_client.protocol import SeriesSelection, select
from seduce_client.times import Moment, moment, span

Names: TypeAlias = str | Iterable[str]
Window: TypeAlias = Literal["auto", "raw", "30s", "1m", "1h", "1d"]
TreeName: TypeAlias = Literal["consumption", "production"]


class SeriesOptions(TypedDict, total=False):
    """The keyword arguments of `series` that do not decide the type of its result."""

    types: Names
    start: Required[Moment]
    end: Moment | None
    window: Window
    statistics: Names
    points: int
    progress: Progress


def select_series(
    sensors: Names,
    nodes: Names,
    types: Names,
    start: Moment,
    end: Moment | None,
    window: str,
    statistics: Names,
) -> SeriesSelection:
    """Return the selection of the arguments. Raises `BadRequest`."""
    return select(sensors, nodes, types, span(start, end), window, statistics)


def optional_moment(at: Moment | None) -> datetime | None:
    """Return the moment in UTC; None stays None. Raises `BadRequest`."""
    return None if at is None else moment("at", at, datetime.now(UTC))
