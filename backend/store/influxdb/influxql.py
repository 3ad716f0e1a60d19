"""InfluxQL statements. Values are bound; names of measurements and fields are our own and quoted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from backend.core.bucket import SeriesKind, measurement
from backend.core.windows import Window
from backend.store.influxdb.line_protocol import RAW, TAG_OF

Statement = tuple[str, dict[str, str | int]]

MAX_NAMES_PER_DELETE: Final = 100
"""Maximum series that one DELETE names."""

_MIN_TIME, _MAX_TIME = -(1 << 63) + 2, (1 << 63) - 2  # the range of times that InfluxDB accepts


def identifier(name: str) -> str:
    """Return a name quoted for InfluxQL."""
    text = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def select(
    what: str,
    tables: Sequence[str],
    *,
    tag: str | None = None,
    names: Sequence[str] | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    by: str = "",
    limit: int | None = None,
) -> Statement:
    """Return a SELECT `what` of the series whose `tag` is one of `names` (of all if None), in [start_ns, end_ns)."""
    where, binds = _where(tag, names, start_ns, end_ns)
    text = f"SELECT {what} FROM {', '.join(map(identifier, tables))}{where}"  # noqa: S608
    text += f" GROUP BY {by}" if by else ""
    text += f" LIMIT {limit}" if limit is not None else ""
    return text, binds


def delete(names: Sequence[str] | None, start_ns: int, end_ns: int) -> Statement:
    """Return a DELETE of raw readings of the sensors, of all if None."""
    where, binds = _where("sensor", names, start_ns, end_ns)
    return f"DELETE FROM {identifier(RAW)}{where}", binds  # noqa: S608


def delete_before(tables: str, end_ns: int) -> Statement:
    """Return a DELETE of older rows in the tables whose names match a regular expression without a slash."""
    where, binds = _where(None, None, None, end_ns)
    return f"DELETE FROM /{tables}/{where}", binds  # noqa: S608


def drop_series(kind: SeriesKind, window: Window, names: Sequence[str]) -> list[Statement]:
    """Return the DELETEs of all roll-ups of series; each node has a measurement of its own."""
    tag = TAG_OF.get(kind)
    if tag is None:
        return [(f"DELETE FROM {identifier(measurement(kind, name, window))}", {}) for name in names]  # noqa: S608
    table = identifier(measurement(kind, "", window))
    statements = []
    for at in range(0, len(names), MAX_NAMES_PER_DELETE):
        where, binds = _where(tag, names[at : at + MAX_NAMES_PER_DELETE], None, None)
        statements.append((f"DELETE FROM {table}{where}", binds))  # noqa: S608
    return statements


def _where(
    tag: str | None, names: Sequence[str] | None, start_ns: int | None, end_ns: int | None
) -> tuple[str, dict[str, str | int]]:
    binds: dict[str, str | int] = {}
    terms: list[str] = []
    if start_ns is not None:
        terms.append("time >= $start")
        binds["start"] = min(max(start_ns, _MIN_TIME), _MAX_TIME)
    if end_ns is not None:
        terms.append("time < $end")
        binds["end"] = min(max(end_ns, _MIN_TIME), _MAX_TIME)
    if tag is not None and names is not None:
        binds |= {f"n{at}": name for at, name in enumerate(names)}
        terms.append("(" + " OR ".join(f"{identifier(tag)} = $n{at}" for at in range(len(names))) + ")")
    return (" WHERE " + " AND ".join(terms) if terms else ""), binds


TAG_VALUES: Final = f"SHOW TAG VALUES FROM {identifier(RAW)} WITH KEY = sensor"
MEASUREMENTS: Final = "SHOW MEASUREMENTS"


def tag_values(table: str, tag: str) -> Statement:
    """Return a SHOW of the values that a tag has in a table."""
    return f"SHOW TAG VALUES FROM {identifier(table)} WITH KEY = {identifier(tag)}", {}
