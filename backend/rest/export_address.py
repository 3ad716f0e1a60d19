"""Parses the query string of an export into a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

from backend.core.windows import WINDOWS, Window
from backend.formats.file_formats import Format
from backend.queries.export import ExportRefused, ExportRequest, time_of
from backend.queries.rollup_export import STATISTICS, RollupExportRequest

Parameters: TypeAlias = dict[str, list[str]]

PARAMETERS: Final = ("sensors", "types", "nodes", "from", "to", "window", "statistics", "format")
_ONCE: Final = ("from", "to", "window", "format")
_RAW: Final = "raw"
_CREDENTIAL_PARAMETER: Final = "token"
"""Read by the gate: a token in the address, for clients that cannot send headers."""


@dataclass(frozen=True, slots=True)
class ParsedExport:
    """The format of the file, and the request for readings or windows."""

    kind: Format
    request: ExportRequest | RollupExportRequest


def parse_export(query: str) -> ParsedExport:
    """Return the request in a query string. Raises `ExportRefused`."""
    parameters = _parse_query(query)
    kind = parameters.get("format", [Format.CSV.value])[0]
    if kind not in set(Format):
        raise ExportRefused("format", f"unknown format {kind[:60]!r}", f"use one of {', '.join(Format)}")
    start, end = (
        time_of(name, parameters[name][0]) if name in parameters else None for name in ("from", "to")
    )
    sensors, types, nodes = (_split_list(parameters, name) for name in ("sensors", "types", "nodes"))
    window = parameters.get("window", [_RAW])[0]
    if window == _RAW:
        if nodes or "statistics" in parameters:
            parameter = "nodes" if nodes else "statistics"
            choices = ", ".join(WINDOWS)
            raise ExportRefused(parameter, "it applies to roll-ups only", f"add a `window`: {choices}")
        return ParsedExport(Format(kind), ExportRequest(sensors, types, start, end))
    if window not in set(WINDOWS):
        raise ExportRefused(
            "window", f"unknown window {window[:60]!r}", f"use one of {_RAW}, {', '.join(WINDOWS)}"
        )
    if kind == Format.LINE:
        raise ExportRefused("format", "line protocol contains readings only", "use csv, arrow or parquet")
    statistics = _statistics(parameters)
    return ParsedExport(
        Format(kind), RollupExportRequest(Window(window), start, end, sensors, types, nodes, statistics)
    )


def _parse_query(query: str) -> Parameters:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:
        raise ExportRefused("address", "the query string cannot be parsed", "encode it as UTF-8") from None
    parameters: Parameters = {}
    for name, value in pairs:
        if name == _CREDENTIAL_PARAMETER:
            continue
        if name not in PARAMETERS:
            raise ExportRefused(name[:60], "unknown parameter", f"use one of {', '.join(PARAMETERS)}")
        parameters.setdefault(name, []).append(value)
    for name in _ONCE:
        if len(parameters.get(name, ())) > 1:
            raise ExportRefused(name, "it occurs more than once", "give it once")
    return parameters


def _statistics(parameters: Parameters) -> tuple[str, ...]:
    selected = _split_list(parameters, "statistics") or STATISTICS
    unknown = sorted(set(selected) - set(STATISTICS))
    if unknown:
        raise ExportRefused(
            "statistics", f"unknown statistic {unknown[0][:60]!r}", f"use one of {', '.join(STATISTICS)}"
        )
    return tuple(s for s in STATISTICS if s in selected)


def _split_list(parameters: Parameters, name: str) -> list[str]:
    words = [word.strip() for value in parameters.get(name, ()) for word in value.split(",")]
    if name in parameters and not any(words):
        raise ExportRefused(name, "it is empty", "give names separated by commas, or omit it for all")
    return [word for word in words if word]
