"""A SeDuCe dashboard from Python.

from seduce_client import connect

with connect("http://127.0.0.1:8081") as seduce:
    frame = seduce.series(nodes="datacenter", start=timedelta(days=1), window="1m")
"""

from __future__ import annotations

from seduce_client.asynchronous import AsyncClient
from seduce_client.errors import BadRequest, NotAllowed, NotInstalled, SeduceError, Unavailable
from seduce_client.model import Batch, Columns, Node, Sensor, Tree
from seduce_client.sync import Client

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
    """A client that waits. `url` is the address of the page; nothing is sent before something is asked.

    `token` is a personal access token; a request is tried again `retries` times where the server says "later" or does not answer.
    """
    return Client(url, token, timeout_s=timeout_s, retries=retries)


def connect_async(
    url: str, token: str | None = None, *, timeout_s: float = 60.0, retries: int = 3
) -> AsyncClient:
    """The same client for asynchronous code."""
    return AsyncClient(url, token, timeout_s=timeout_s, retries=retries)
