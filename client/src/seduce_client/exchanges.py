"""The exchanges with the server as generators: they yield requests and receive responses, without a connection.

Both clients run them: the asynchronous one awaits each response, the other one blocks.
"""

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
from seduce_client.progress import Progress, report_progress
from seduce_client.protocol import CHECK_ADDRESS, SeriesSelection
from seduce_client.times import SECONDS, iso, pieces

T = TypeVar("T")

PIECE_ROWS: Final = 1_000_000
"""Approximate rows of a piece; 12 MB of Arrow."""
ASSUMED_SERIES: Final = 350
"""Assumed number of series for a request by type, or for all sensors."""
_PIECE_LENGTHS_S: Final = tuple(h * 3600 for h in (1, 6, 24, 7 * 24, 28 * 24, 364 * 24))
_RETRY_STATUSES: Final = (429, 502, 503, 504)
_PAUSES_S: Final = (0.5, 2.0, 5.0, 10.0)
_MAX_PAUSE_S: Final = 30.0


@dataclass(frozen=True)
class Request:
    """One HTTP request, to be sent after a pause."""

    method: str
    path: str
    params: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    body: bytes | None = None
    pause_s: float = 0.0


@dataclass(frozen=True)
class Response:
    """The response to a request. `failure` is the reason if there was none."""

    status: int
    body: bytes
    retry_after_s: float | None = None
    failure: str = ""


Exchange: TypeAlias = Generator[Request, Response, T]


def send_with_retries(request: Request, retries: int) -> Exchange[Response]:
    """Return the first response that is not a request to retry later. Raises `Unavailable` after `retries` retries."""
    for attempt in range(retries + 1):
        response = yield request
        if not response.failure and response.status not in _RETRY_STATUSES:
            return response
        pause_s = response.retry_after_s
        if pause_s is None:
            pause_s = _PAUSES_S[min(attempt, len(_PAUSES_S) - 1)]
        request = replace(request, pause_s=min(pause_s, _MAX_PAUSE_S))
    if response.failure:
        raise Unavailable(request.path, response.failure, f"is the server up, and {CHECK_ADDRESS}")
    protocol.check(response.status, response.body, request.path)
    raise AssertionError  # `check` raises for these statuses


def query(document: str, variables: Mapping[str, Any], retries: int) -> Exchange[Mapping[str, Any]]:
    """Return the data of a GraphQL query."""
    body = json.dumps({"query": document, "variables": variables}).encode()
    response = yield from send_with_retries(Request("POST", "/graphql", body=body), retries)
    return protocol.graphql(response.status, response.body)


def sensors(kind: str | None, method: str | None, search: str | None, retries: int) -> Exchange[list[Sensor]]:
    """Return the sensors of all pages."""
    result: list[Sensor] = []
    after: str | None = None
    while True:
        variables = {"type": kind, "method": method, "search": search, "after": after}
        page, after = protocol.sensors_of((yield from query(documents.SENSORS, variables, retries)))
        result += page
        if after is None:
            return result


def tree(kind: str, root: str | None, at: datetime | None, retries: int) -> Exchange[Tree]:
    """Return an energy tree."""
    if kind not in ("consumption", "production"):
        raise BadRequest("tree", f"unknown tree {kind!r}", "use consumption or production")
    variables = {"tree": kind.upper(), "root": root, "at": iso(at) if at else None}
    return protocol.tree_of((yield from query(documents.TREE, variables, retries)))


def columns(selection: SeriesSelection, points: int, retries: int) -> Exchange[list[Columns]]:
    """Return series of at most `points` points each."""
    statistics = [s for s in selection.statistics if s != "mean"]  # the mean is in `values`
    data = yield from query(documents.series(statistics), selection.graphql_variables(points), retries)
    return protocol.columns_of(data, statistics)


def series(
    selection: SeriesSelection, points: int, library: Library, progress: Progress, retries: int
) -> Exchange[Frame]:
    """Return one frame of every row, read in pieces. For the window auto: of at most `points` points per series."""
    frames.require_library(library)  # fail before anything is read
    if selection.window == "auto":
        series_columns = yield from columns(selection, points, retries)
        return frames.frame_from_columns(series_columns, selection.statistics, library)
    spans = list(pieces(selection.span, _piece_length_s(selection)))
    streams = []
    with report_progress(progress, len(spans)) as advance:
        for span in spans:
            request = Request("GET", "/export", selection.export_parameters(span))
            response = yield from send_with_retries(request, retries)
            protocol.check(response.status, response.body, "export")
            streams.append(response.body)
            advance()
    return frames.frame_from_streams(streams, library)


def _piece_length_s(selection: SeriesSelection) -> float:
    """Return the longest round length in seconds that gives at most about `PIECE_ROWS` rows."""
    named = len(selection.sensors) + len(selection.nodes)
    count = ASSUMED_SERIES if selection.types or not named else named
    row_s = SECONDS[selection.window]
    longest_s = PIECE_ROWS / count * row_s
    lengths_s = [length_s for length_s in _PIECE_LENGTHS_S if row_s <= length_s <= longest_s]
    return max(lengths_s, default=max(_PIECE_LENGTHS_S[0], row_s))


def parse_retry_after(header: str | None) -> float | None:
    """Return the seconds of the header `Retry-After`; None if it is absent or a date."""
    try:
        return max(0.0, float(header or ""))
    except ValueError:
        return None
