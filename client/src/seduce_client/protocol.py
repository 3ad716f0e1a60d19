"""Requests and responses without a connection: the parts that both clients share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from seduce_client.errors import BadRequest, NotAllowed, SeduceError, Unavailable
from seduce_client.model import Columns, Node, Sensor, Tree
from seduce_client.times import SECONDS, Span, iso

STATISTICS: Final = ("mean", "min", "max", "sum", "count", "stddev", "median")
_WINDOWS: Final = {"RAW": "raw", "S30": "30s", "M1": "1m", "H1": "1h", "D1": "1d"}
_RETRY_LATER: Final = "retry in a moment"
HOW_TO_LOG_IN: Final = "create a token on your account page and pass it to connect(url, token)"
CHECK_ADDRESS: Final = "is this the address of a SeDuCe server?"


@dataclass(frozen=True)
class SeriesSelection:
    """A selection of series over a range. `window` is that of an export, or auto. Without names, all sensors are selected."""

    sensors: Sequence[str]
    nodes: Sequence[str]
    types: Sequence[str]
    span: Span
    window: str
    statistics: Sequence[str]

    def export_parameters(self, piece: Span) -> dict[str, str | list[str]]:
        """Return the query parameters of `/export` for a piece of the range."""
        parameters: dict[str, str | list[str]] = {
            "from": iso(piece.start),
            "to": iso(piece.end),
            "format": "arrow",
        }
        names = {"sensors": self.sensors, "nodes": self.nodes, "types": self.types}
        parameters |= {key: list(values) for key, values in names.items() if values}
        if self.window != "raw":
            parameters |= {"window": self.window, "statistics": ",".join(self.statistics)}
        return parameters

    def graphql_variables(self, points: int) -> dict[str, Any]:
        """Return the variables of the query `series` for a chart."""
        return {
            "sensors": list(self.sensors) or None,
            "nodes": list(self.nodes) or None,
            "from": iso(self.span.start),
            "to": iso(self.span.end),
            "points": points,
            "statistics": [s.upper() for s in self.statistics],
        }


def select(
    sensors: str | Iterable[str],
    nodes: str | Iterable[str],
    types: str | Iterable[str],
    span: Span,
    window: str,
    statistics: str | Iterable[str],
) -> SeriesSelection:
    """Return the selection. Raises `BadRequest` for one that no server can answer."""
    if window != "auto" and window not in SECONDS:
        choices = ", ".join(["auto", *SECONDS])
        raise BadRequest("window", f"unknown window {window!r}", f"use one of {choices}")
    names = unique_names(statistics)
    unknown = [s for s in names if s not in STATISTICS]
    if unknown or not names:
        what = f"unknown statistic {unknown[0]!r}" if unknown else "no statistic is given"
        raise BadRequest("statistics", what, f"use some of {', '.join(STATISTICS)}")
    selection = SeriesSelection(
        unique_names(sensors), unique_names(nodes), unique_names(types), span, window, names
    )
    if window == "raw" and selection.nodes:
        raise BadRequest("nodes", "a node has no readings", "use window='30s', the finest window of a node")
    if window == "auto" and (selection.types or not (selection.sensors or selection.nodes)):
        fix = "name sensors or nodes, or use a window such as '1m'"
        raise BadRequest("window", "'auto' needs named series", fix)
    all_names = [*selection.sensors, *selection.nodes, *selection.types]
    if window != "auto" and any("," in name for name in all_names):
        raise BadRequest("sensors", "a name contains a comma", "use window='auto', or leave the name out")
    return selection


def unique_names(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return each name once, in order. A string is one name."""
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))


def address(url: str) -> str:
    """Return the server's address without a trailing slash. Raises `BadRequest`."""
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the brackets of an IPv6 address, or of the port
        is_valid = False
    if not is_valid:
        raise BadRequest("url", f"{url!r} is not an address of a server", "write it as http://127.0.0.1:8081")
    return url.rstrip("/")


def headers(token: str | None) -> dict[str, str]:
    """Return the HTTP headers that carry the token."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def graphql(status: int, body: bytes) -> Mapping[str, Any]:
    """Return the data of a GraphQL response. Raises the error that its first error describes."""
    check(status, body, "graphql")
    try:
        answer = json.loads(body)
    except ValueError:
        raise Unavailable("graphql", "the response is not JSON", CHECK_ADDRESS) from None
    if not isinstance(answer, dict) or not (answer.get("errors") or answer.get("data")):
        raise Unavailable("graphql", "the response is not one of GraphQL", CHECK_ADDRESS)
    if answer.get("errors"):
        raise error_of_graphql(answer["errors"][0])
    data: Mapping[str, Any] = answer["data"]
    return data


def error_of_graphql(error: Mapping[str, Any]) -> SeduceError:
    """Return a GraphQL error as an error of this package. Its message says where and what the fault is, and how to fix it."""
    code = (error.get("extensions") or {}).get("code", "")
    where = ".".join(map(str, error.get("path") or ())) or "query"
    message = str(error.get("message", "no reason is given")).rstrip(".")
    if code in ("UNAVAILABLE", "INTERNAL"):
        return Unavailable(where, message, _RETRY_LATER)
    if code in ("UNAUTHENTICATED", "FORBIDDEN"):
        return NotAllowed(where, message, HOW_TO_LOG_IN)
    return BadRequest(where, message, "change the request and retry")


def check(status: int, body: bytes, where: str) -> None:
    """Raise the error that a status other than success means."""
    if status < 300:
        return
    try:
        error = json.loads(body)["error"]
        where, what, fix = str(error["where"]), str(error["what"]), str(error["mend"])
    except (ValueError, LookupError, TypeError):
        what, fix = f"the server answered {status}", ""
    if status in (401, 403):
        raise NotAllowed(where, what, HOW_TO_LOG_IN)
    if status >= 500 or status == 429:
        raise Unavailable(where, what, fix or _RETRY_LATER)
    raise BadRequest(where, what, fix or CHECK_ADDRESS)


def sensors_of(data: Mapping[str, Any]) -> tuple[list[Sensor], str | None]:
    """Return a page of sensors, and the cursor of the next page; None after the last one."""
    page = data["sensors"]
    sensors = []
    for edge in page["edges"]:
        node = edge["node"]
        latest = node["latest"] or {}
        sensors.append(
            Sensor(
                node["name"],
                node["type"],
                node["unit"],
                node["location"],
                node["method"],
                node["parent"],
                tuple(node["tags"]),
                node["periodSeconds"],
                datetime.fromisoformat(latest["time"]) if latest else None,
                latest.get("value"),
                latest.get("ageSeconds"),
                node["label"],
            )
        )
    page_info = page["pageInfo"]
    return sensors, page_info["endCursor"] if page_info["hasNextPage"] else None


def tree_of(data: Mapping[str, Any]) -> Tree:
    """Return the tree of a response."""
    tree = data["energyTree"]
    nodes = tuple(
        Node(
            n["id"],
            n["name"],
            n["parent"],
            n["target"],
            n["watts"],
            n["coverage"],
            n["sensorsExpected"],
            n["sensorsReporting"],
            tuple(n["missing"]),
        )
        for n in tree["nodes"]
    )
    return Tree(datetime.fromisoformat(tree["at"]), nodes)


def columns_of(data: Mapping[str, Any], statistics: Sequence[str]) -> list[Columns]:
    """Return the series of a response."""
    return [
        Columns(
            s["sensor"],
            s["node"],
            s["unit"],
            _WINDOWS[s["window"]],
            s["stepSeconds"],
            s["timestamps"],
            s["values"],
            {name: s[name] for name in statistics if s[name] is not None},
            s["coverage"],
        )
        for s in data["series"]
    ]
