"""What is asked in which order, without a connection: the clients carry it out, one by waiting and one by awaiting."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar

from seduce_client import documents, frames, protocol
from seduce_client.errors import BadRequest, Unavailable
from seduce_client.frames import Frame, Library
from seduce_client.model import Columns, Sensor, Tree
from seduce_client.progress import Progress, told
from seduce_client.protocol import Wanted
from seduce_client.times import SECONDS, iso, pieces

T = TypeVar("T")

PIECE_ROWS: Final = 1_000_000
"""Rows of a piece, about; 12 MB of Arrow."""
UNKNOWN_SERIES: Final = 350
"""How many series are taken for those of a type, or for all."""
_LENGTHS_S: Final = tuple(h * 3600 for h in (1, 6, 24, 7 * 24, 28 * 24, 364 * 24))
_PAUSES_S: Final = (0.5, 2.0, 5.0, 10.0)
_LONGEST_PAUSE_S: Final = 30.0


@dataclass(frozen=True)
class Request:
    """One request, to be sent after a pause."""

    method: str
    path: str
    params: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    body: bytes | None = None
    pause_s: float = 0.0


@dataclass(frozen=True)
class Response:
    """What came of it; `failed` says why nothing did."""

    status: int
    body: bytes
    retry_after_s: float | None = None
    failed: str = ""


Talk: TypeAlias = Generator[Request, Response, T]


def ask(request: Request, retries: int) -> Talk[Response]:
    """The first answer that is not "come back later". Raises `Unavailable` where there is none after `retries` more tries."""
    for tried in range(retries + 1):
        found = yield request
        if not found.failed and found.status not in (429, 502, 503, 504):
            return found
        pause = (
            _PAUSES_S[min(tried, len(_PAUSES_S) - 1)] if found.retry_after_s is None else found.retry_after_s
        )
        request = replace(request, pause_s=min(pause, _LONGEST_PAUSE_S))
    if found.failed:
        raise Unavailable(request.path, found.failed, "is the server up, and is this its address?")
    protocol.check(found.status, found.body, request.path)
    raise AssertionError  # such a status is raised


def query(document: str, variables: Mapping[str, Any], retries: int) -> Talk[Mapping[str, Any]]:
    """The data of a GraphQL query."""
    body = json.dumps({"query": document, "variables": variables}).encode()
    found = yield from ask(Request("POST", "/graphql", body=body), retries)
    return protocol.graphql(found.status, found.body)


def sensors(kind: str | None, method: str | None, search: str | None, retries: int) -> Talk[list[Sensor]]:
    """All pages of them."""
    every: list[Sensor] = []
    after: str | None = None
    while True:
        variables = {"type": kind, "method": method, "search": search, "after": after}
        page, after = protocol.sensors_of((yield from query(documents.SENSORS, variables, retries)))
        every += page
        if after is None:
            return every


def tree(kind: str, root: str | None, at: datetime | None, retries: int) -> Talk[Tree]:
    if kind not in ("consumption", "production"):
        raise BadRequest("tree", f"there is no tree {kind!r}", "there are consumption and production")
    variables = {"tree": kind.upper(), "root": root, "at": iso(at) if at else None}
    return protocol.tree_of((yield from query(documents.TREE, variables, retries)))


def columns(wanted: Wanted, points: int, retries: int) -> Talk[list[Columns]]:
    """Series of at most `points` points each."""
    others = [s for s in wanted.statistics if s != "mean"]  # that is `values`
    data = yield from query(documents.series(others), wanted.series(points), retries)
    return protocol.columns_of(data, others)


def series(wanted: Wanted, points: int, library: Library, progress: Progress, retries: int) -> Talk[Frame]:
    """One frame: of every row, piece by piece, or where the window is auto of at most `points` points a series."""
    frames.need(library)  # told before anything is read
    if wanted.window == "auto":
        found = yield from columns(wanted, points, retries)
        return frames.of_columns(found, wanted.statistics, library)
    spans = list(pieces(wanted.span, _piece_s(wanted)))
    streams = []
    with told(progress, len(spans)) as tell:
        for span in spans:
            request = Request("GET", "/export", wanted.export(span))
            answer = yield from ask(request, retries)
            protocol.check(answer.status, answer.body, "export")
            streams.append(answer.body)
            tell()
    return frames.of_streams(streams, library)


def _piece_s(wanted: Wanted) -> float:
    """Seconds of a piece: the longest of some round lengths that gives about `PIECE_ROWS`."""
    named = len(wanted.sensors) + len(wanted.nodes)
    count = UNKNOWN_SERIES if wanted.types or not named else named
    longest = PIECE_ROWS / count * SECONDS[wanted.window]
    fits = [length for length in _LENGTHS_S if SECONDS[wanted.window] <= length <= longest]
    return max(fits, default=max(_LENGTHS_S[0], SECONDS[wanted.window]))


def seconds_of(retry_after: str | None) -> float | None:
    """Of the header; None where it is a date, or nothing."""
    try:
        return max(0.0, float(retry_after or ""))
    except ValueError:
        return None
