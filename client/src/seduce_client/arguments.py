"""What both clients take, made into what is asked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from seduce_client.protocol import Wanted, wanted
from seduce_client.times import Moment, moment, span

Names: TypeAlias = str | Iterable[str]
Window: TypeAlias = Literal["auto", "raw", "30s", "1m", "1h", "1d"]
TreeName: TypeAlias = Literal["consumption", "production"]


def series_wanted(
    sensors: Names,
    nodes: Names,
    types: Names,
    start: Moment,
    end: Moment | None,
    window: str,
    statistics: Names,
) -> Wanted:
    """Raises `BadRequest`."""
    return wanted(sensors, nodes, types, span(start, end), window, statistics)


def moment_of(at: Moment | None) -> datetime | None:
    """Raises `BadRequest`."""
    return None if at is None else moment("at", at, datetime.now(UTC))
