"""Compression of answers."""

from __future__ import annotations

import gzip
import sys

import httpx2
import pytest
from starlette.datastructures import Headers

from backend.graphql.transport.encoding import encoding_for
from tests.support.graphql_client import site_app
from tests.support.small_site import NOON, SmallSite

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LARGE = '{ series(sensors: ["fan"], from: "2023-11-14T11:00:00Z", window: RAW, maxPoints: 4000) { timestamps values } }'
SMALL = "{ roomMap { name } }"


async def answer(query: str, peer: str, **headers: str) -> tuple[httpx2.Headers, bytes]:
    site = SmallSite()
    await site.write("fan", range(NOON - 3600, NOON), [100.0] * 3600)
    transport = httpx2.ASGITransport(app=site_app(site), client=(peer, 1))
    sent = {"accept-encoding": "identity", **{k.replace("_", "-"): v for k, v in headers.items()}}
    async with (
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
        client.stream("POST", "/graphql", json={"query": query}, headers=sent) as response,
    ):
        body = b"".join([part async for part in response.aiter_raw()])
        assert int(response.headers["content-length"]) == len(body)
        return response.headers, body


async def test_a_compressed_answer_is_smaller_and_equal() -> None:
    headers, plain = await answer(LARGE, "10.0.0.7")
    assert "content-encoding" not in headers
    assert headers["vary"] == "Accept-Encoding"
    headers, packed = await answer(LARGE, "10.0.0.7", accept_encoding="gzip, deflate, br, zstd")
    assert headers["content-encoding"] == "zstd"
    assert zstd.decompress(packed) == plain
    headers, zipped = await answer(LARGE, "10.0.0.7", accept_encoding="gzip")
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped) == plain
    assert len(packed) < len(plain) / 4
    assert len(zipped) < len(plain) / 4


async def test_a_small_answer_is_not_compressed() -> None:
    headers, _ = await answer(SMALL, "10.0.0.7", accept_encoding="zstd")
    assert "content-encoding" not in headers


async def test_an_answer_on_this_machine_is_compressed_for_a_proxy_only() -> None:
    headers, _ = await answer(LARGE, "127.0.0.1", accept_encoding="zstd")
    assert "content-encoding" not in headers
    headers, _ = await answer(LARGE, "127.0.0.1", accept_encoding="zstd", x_forwarded_for="10.0.0.7")
    assert headers["content-encoding"] == "zstd"


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip", "gzip"),
        ("gzip, zstd", "zstd"),
        ("zstd;q=0.5, gzip;q=0.9", "gzip"),
        ("zstd;q=0, gzip;q=0", None),
        ("*", "zstd"),
        ("*;q=0.1, zstd;q=0", "gzip"),
        ("zstd;q=nonsense", None),
        ("ZSTD", "zstd"),
    ],
)
def test_the_encoding_that_the_client_prefers_is_used(accepted: str, expected: str | None) -> None:
    assert encoding_for(Headers({"accept-encoding": accepted}), "10.0.0.7") == expected
