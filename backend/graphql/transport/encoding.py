"""Answers over HTTP as clients ask for them: smaller where that pays, and not at all where they have them already."""

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

LEAST_BYTES: Final = 1_400
"""What fits into one packet anyway is not compressed."""
IN_THREAD_BYTES: Final = 128 * 1024
ZSTD_LEVEL: Final = 1
GZIP_LEVEL: Final = 1
_FORWARDED: Final = ("x-forwarded-for", "forwarded", "via")


def encoding_for(headers: Headers, peer: str | None) -> str | None:
    """`zstd` or `gzip`, None where the client takes neither or is on this machine: compressing takes longer than sending there.

    A proxy on this machine says that it is one, and the client behind it is elsewhere.
    """
    asked = headers.get("accept-encoding")
    if not asked or (_is_loopback(peer) and not any(name in headers for name in _FORWARDED)):
        return None
    weights = _weights(asked)
    offers = [(weights.get(name, weights.get("*", 0.0)), name) for name in ("zstd", "gzip")]
    weight, best = max(offers, key=lambda offer: offer[0])  # of equals the first
    return best if weight > 0 else None


def _weights(accepted: str) -> dict[str, float]:
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
    """Replaces the body by a smaller one. Large ones are compressed in a thread, so that nobody waits for them."""
    body = bytes(response.body)
    if len(body) < LEAST_BYTES:
        return
    response.headers.add_vary_header("Accept-Encoding")
    encoding = encoding_for(request.headers, request.client.host if request.client else None)
    if encoding is None:
        return
    squeeze = _zstd if encoding == "zstd" else _gzip
    response.body = await asyncio.to_thread(squeeze, body) if len(body) > IN_THREAD_BYTES else squeeze(body)
    response.headers["content-encoding"] = encoding
    response.headers["content-length"] = str(len(response.body))


def _zstd(body: bytes) -> bytes:
    packed: bytes = zstd.compress(body, ZSTD_LEVEL)
    return packed


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def validated(response: Response, request: Request) -> Response:
    """The response with its tag, or 304 where the client has it already."""
    tag = etag_of(bytes(response.body))
    headers = {"etag": tag, "cache-control": "private, no-cache", "vary": "Cookie, Authorization"}
    if matches_etag(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response
