"""A Python client for a SeDuCe dashboard.

from seduce_client import connect

with connect("http://127.0.0.1:8081") as seduce:
    frame = seduce.series(nodes="datacenter", start=timedelta(days=1), window="1m")
"""

from __future__ import annotations

from seduce_client._async.client import AsyncClient
from seduce_client._sync.client import Client
from seduce_client.errors import BadRequest, NotAllowed, NotInstalled, SeduceError, Unavailable
from seduce_client.model import Batch, Columns, Node, Sensor, Tree

__all__ = [
    "AsyncClient",
    "BadRequest",
    "Batch",
    "Client",
    "Columns",
    "Node",
    "NotAllowed",
    "NotInstalled",
    "SeduceError",
    "Sensor",
    "Tree",
    "Unavailable",
    "connect",
    "connect_async",
]


def connect(url: str, token: str | None = None, *, timeout_s: float = 60.0, retries: int = 3) -> Client:
    """Return a blocking client. `url` is the address of the dashboard; no request is sent yet.

    `token` is a personal access token. A request is retried `retries` times if the server is unavailable or does not answer.
    """
    return Client(url, token, timeout_s=timeout_s, retries=retries)


def connect_async(
    url: str, token: str | None = None, *, timeout_s: float = 60.0, retries: int = 3
) -> AsyncClient:
    """Return an asynchronous client with the same methods."""
    return AsyncClient(url, token, timeout_s=timeout_s, retries=retries)
