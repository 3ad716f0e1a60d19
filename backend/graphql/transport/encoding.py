"""Compression of answers over HTTP, and 304 for an answer that the client already has."""

from __future__ import annotations

import asyncio
import ipaddress
import sys
import zlib
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from backend.core.asgi import etag_of, matches_etag

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIN_BYTES: Final = 1_400
"""Smaller answers fit into one packet and are not compressed."""
THREAD_BYTES: Final = 128 * 1024
"""Larger answers are compressed in a thread, so that other requests do not wait."""
ZSTD_LEVEL: Final = 1
GZIP_LEVEL: Final = 1
_PROXY_HEADERS: Final = ("x-forwarded-for", "forwarded", "via")


def encoding_for(headers: Headers, peer: str | None) -> str | None:
    """Return `zstd` or `gzip`, whichever the client prefers. None if it accepts neither, or is on this machine.

    On this machine, sending is faster than compressing. A proxy on this machine identifies itself by a header; its client is
    elsewhere.
    """
    accepted = headers.get("accept-encoding")
    if not accepted or (_is_loopback(peer) and not any(name in headers for name in _PROXY_HEADERS)):
        return None
    weights = _weights(accepted)
    offers = [(weights.get(name, weights.get("*", 0.0)), name) for name in ("zstd", "gzip")]
    weight, best = max(offers, key=lambda offer: offer[0])  # zstd if both weigh the same
    return best if weight > 0 else None


def _weights(accepted: str) -> dict[str, float]:
    """Parse Accept-Encoding into weights by encoding."""
    weights: dict[str, float] = {}
    for part in accepted.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        weights[name] = weight
    return weights


def _is_loopback(peer: str | None) -> bool:
    try:
        return peer is not None and ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False


async def compress(response: Response, request: Request) -> None:
    """Compress the body of a response in place, where that pays."""
    body = bytes(response.body)
    if len(body) < MIN_BYTES:
        return
    response.headers.add_vary_header("Accept-Encoding")
    encoding = encoding_for(request.headers, request.client.host if request.client else None)
    if encoding is None:
        return
    encode = _zstd if encoding == "zstd" else _gzip
    response.body = await asyncio.to_thread(encode, body) if len(body) > THREAD_BYTES else encode(body)
    response.headers["content-encoding"] = encoding
    response.headers["content-length"] = str(len(response.body))


def _zstd(body: bytes) -> bytes:
    compressed: bytes = zstd.compress(body, ZSTD_LEVEL)
    return compressed


def _gzip(body: bytes) -> bytes:
    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


def with_etag(response: Response, request: Request) -> Response:
    """Return the response with its ETag; 304 if the client already has it."""
    tag = etag_of(bytes(response.body))
    headers = {"etag": tag, "cache-control": "private, no-cache", "vary": "Cookie, Authorization"}
    if matches_etag(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response
