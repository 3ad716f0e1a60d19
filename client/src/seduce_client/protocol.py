"""Requests and answers without a connection: what both clients say, and how they understand what comes back."""

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
_ASK_AGAIN: Final = "ask again in a moment"
LOG_IN: Final = "take a token from your account's page and give it to connect(url, token)"


@dataclass(frozen=True)
class Wanted:
    """Which series over which span: `window` as in an export, or auto; all sensors where none is named."""

    sensors: Sequence[str]
    nodes: Sequence[str]
    types: Sequence[str]
    span: Span
    window: str
    statistics: Sequence[str]

    def export(self, piece: Span) -> dict[str, str | list[str]]:
        """Query parameters of `/export` for a piece of the span."""
        said: dict[str, str | list[str]] = {"from": iso(piece.start), "to": iso(piece.end), "format": "arrow"}
        named = {"sensors": self.sensors, "nodes": self.nodes, "types": self.types}
        said |= {name: list(values) for name, values in named.items() if values}
        if self.window != "raw":
            said |= {"window": self.window, "statistics": ",".join(self.statistics)}
        return said

    def series(self, points: int) -> dict[str, Any]:
        """Variables of the query for looking at."""
        return {
            "sensors": list(self.sensors) or None,
            "nodes": list(self.nodes) or None,
            "from": iso(self.span.start),
            "to": iso(self.span.end),
            "points": points,
            "statistics": [s.upper() for s in self.statistics],
        }


def wanted(
    sensors: str | Iterable[str],
    nodes: str | Iterable[str],
    types: str | Iterable[str],
    span: Span,
    window: str,
    statistics: str | Iterable[str],
) -> Wanted:
    """Raises `BadRequest` for what no server answers."""
    if window != "auto" and window not in SECONDS:
        choices = ", ".join(["auto", *SECONDS])
        raise BadRequest("window", f"there is no window {window!r}", f"there are {choices}")
    chosen = listed(statistics)
    unknown = [s for s in chosen if s not in STATISTICS]
    if unknown or not chosen:
        what = f"there is no statistic {unknown[0]!r}" if unknown else "there is none"
        raise BadRequest("statistics", what, f"there are {', '.join(STATISTICS)}")
    found = Wanted(listed(sensors), listed(nodes), listed(types), span, window, chosen)
    if window == "raw" and found.nodes:
        raise BadRequest("nodes", "a node has no readings of its own", "take window='30s', the finest it has")
    if window == "auto" and (found.types or not (found.sensors or found.nodes)):
        mend = "name sensors or nodes, or take a window such as '1m'"
        raise BadRequest("window", "'auto' is for series that are named", mend)
    if any("," in name for name in [*found.sensors, *found.nodes, *found.types]) and window != "auto":
        raise BadRequest("sensors", "a name holds a comma", "take window='auto', or leave that one out")
    return found


def listed(names: str | Iterable[str]) -> tuple[str, ...]:
    """Each once, in order; a string is one name and not its letters."""
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))


def address(url: str) -> str:
    """The server's address without a slash at its end. Raises `BadRequest`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise BadRequest("url", f"{url!r} is no address of a server", "write it as http://127.0.0.1:8081")
    return url.rstrip("/")


def headers(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def graphql(status: int, body: bytes) -> Mapping[str, Any]:
    """The data of an answer. Raises what its first error says."""
    check(status, body, "graphql")
    try:
        answer = json.loads(body)
    except ValueError:
        raise Unavailable("graphql", "the answer is no JSON", "is this a SeDuCe server's address?") from None
    if answer.get("errors"):
        raise of_graphql(answer["errors"][0])
    data: Mapping[str, Any] = answer["data"]
    return data


def of_graphql(error: Mapping[str, Any]) -> SeduceError:
    """An error of GraphQL as one of ours; its message says where, what and the mend."""
    code = (error.get("extensions") or {}).get("code", "")
    where = ".".join(map(str, error.get("path") or ())) or "query"
    message = str(error.get("message", "no reason is given")).rstrip(".")
    if code in ("UNAVAILABLE", "INTERNAL"):
        return Unavailable(where, message, _ASK_AGAIN)
    if code in ("UNAUTHENTICATED", "FORBIDDEN"):
        return NotAllowed(where, message, LOG_IN)
    return BadRequest(where, message, "change the request and ask again")


def check(status: int, body: bytes, where: str) -> None:
    """Raises what a status other than success means."""
    if status < 300:
        return
    try:
        said = json.loads(body)["error"]
        where, what, mend = str(said["where"]), str(said["what"]), str(said["mend"])
    except (ValueError, LookupError, TypeError):
        what, mend = f"the server answered {status}", ""
    if status in (401, 403):
        raise NotAllowed(where, what, LOG_IN)
    if status >= 500 or status == 429:
        raise Unavailable(where, what, mend or _ASK_AGAIN)
    raise BadRequest(where, what, mend or "is this a SeDuCe server's address?")


def sensors_of(data: Mapping[str, Any]) -> tuple[list[Sensor], str | None]:
    """A page of sensors, and the cursor to continue behind it."""
    page = data["sensors"]
    found = []
    for edge in page["edges"]:
        node = edge["node"]
        latest = node["latest"] or {}
        found.append(
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
    more = page["pageInfo"]
    return found, more["endCursor"] if more["hasNextPage"] else None


def tree_of(data: Mapping[str, Any]) -> Tree:
    found = data["energyTree"]
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
        for n in found["nodes"]
    )
    return Tree(datetime.fromisoformat(found["at"]), nodes)


def columns_of(data: Mapping[str, Any], statistics: Sequence[str]) -> list[Columns]:
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
