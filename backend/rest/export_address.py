"""What the address of an export asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

from backend.core.windows import WINDOWS, Window
from backend.formats.kinds import Format
from backend.queries.export import ExportRefused, ExportRequest, time_of
from backend.queries.rollup_export import STATISTICS, RollupExportRequest

Said: TypeAlias = dict[str, list[str]]

PARAMETERS: Final = ("sensors", "types", "nodes", "from", "to", "window", "statistics", "format")
_ONCE: Final = ("from", "to", "window", "format")
_RAW: Final = "raw"
_GATE: Final = "token"
"""Read by who lets requests in, for addresses that are opened where no header can be sent."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A format, and readings or windows to put into it."""

    kind: Format
    request: ExportRequest | RollupExportRequest


def asked(query: str) -> Asked:
    """The request behind a query string. Raises `ExportRefused`."""
    said = _read(query)
    kind = said.get("format", [Format.CSV.value])[0]
    if kind not in set(Format):
        raise ExportRefused("format", f"there is no format {kind[:60]!r}", f"there are {', '.join(Format)}")
    start, end = (time_of(name, said[name][0]) if name in said else None for name in ("from", "to"))
    sensors, types, nodes = (_listed(said, name) for name in ("sensors", "types", "nodes"))
    window = said.get("window", [_RAW])[0]
    if window == _RAW:
        if nodes or "statistics" in said:
            what = "nodes" if nodes else "statistics"
            choices = ", ".join(WINDOWS)
            raise ExportRefused(what, "readings have none", f"say a `window`: {choices}")
        return Asked(Format(kind), ExportRequest(sensors, types, start, end))
    if window not in set(WINDOWS):
        raise ExportRefused(
            "window", f"there is no window {window[:60]!r}", f"there are {_RAW}, {', '.join(WINDOWS)}"
        )
    if kind == Format.LINE:
        raise ExportRefused("format", "line protocol carries readings only", "take csv, arrow or parquet")
    statistics = _statistics(said)
    return Asked(
        Format(kind), RollupExportRequest(Window(window), start, end, sensors, types, nodes, statistics)
    )


def _read(query: str) -> Said:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:
        raise ExportRefused("address", "it cannot be read", "encode it as UTF-8") from None
    said: Said = {}
    for name, value in pairs:
        if name == _GATE:
            continue
        if name not in PARAMETERS:
            raise ExportRefused(name[:60], "there is no such parameter", f"there are {', '.join(PARAMETERS)}")
        said.setdefault(name, []).append(value)
    for name in _ONCE:
        if len(said.get(name, ())) > 1:
            raise ExportRefused(name, "it is there twice", "give it once")
    return said


def _statistics(said: Said) -> tuple[str, ...]:
    named = _listed(said, "statistics") or STATISTICS
    unknown = sorted(set(named) - set(STATISTICS))
    if unknown:
        raise ExportRefused(
            "statistics", f"there is no {unknown[0][:60]!r}", f"there are {', '.join(STATISTICS)}"
        )
    return tuple(s for s in STATISTICS if s in named)


def _listed(said: Said, name: str) -> list[str]:
    found = [word.strip() for value in said.get(name, ()) for word in value.split(",")]
    if name in said and not any(found):
        raise ExportRefused(name, "it is empty", "name some, separated by commas, or leave it out for all")
    return [word for word in found if word]
