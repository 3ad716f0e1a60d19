"""Unfinished and missing heads of requests, over real connections."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from backend.rest import connection
from tests.support.rawhttp import read_answer
from tests.support.serve import serving


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def opened(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = address.split(":")
    return await asyncio.open_connection(host, int(port))


async def is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(1), 30) == b""
    except ConnectionError:
        return True


async def test_an_unfinished_head_has_a_maximum_size() -> None:
    async with serving(app) as address:
        reader, writer = await opened(address)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nx: ")
        sent = 0
        with pytest.raises(ConnectionError):
            while sent < 100 * connection.MAX_HEAD_BYTES:
                writer.write(b"a" * 65536)
                await writer.drain()
                sent += 65536
        assert await is_closed(reader)


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n"])
async def test_a_missing_head_times_out(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_TIMEOUT_S", 0.05)
    async with serving(app) as address:
        reader, writer = await opened(address)
        writer.write(head)
        assert await is_closed(reader)
        writer.close()


async def test_consecutive_requests_and_long_bodies_still_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "HEAD_TIMEOUT_S", 0.2)
    async with serving(app) as address:
        reader, writer = await opened(address)
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await read_answer(reader)).status == 200
        body = b"a" * (4 * connection.MAX_HEAD_BYTES)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body))
        await asyncio.sleep(0.4)  # longer than a head may take: a body has a time of its own
        writer.write(body)
        assert (await asyncio.wait_for(read_answer(reader), 30)).status == 200
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n")
        for _ in range(2):
            assert (await read_answer(reader)).status == 200
        writer.close()


async def test_a_body_in_the_same_packet_does_not_count_as_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "MAX_HEAD_BYTES", 200)
    async with serving(app) as address:
        reader, writer = await opened(address)
        body = b"a" * 2_000  # one segment with its head
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        assert (await read_answer(reader)).status == 200
        writer.close()
