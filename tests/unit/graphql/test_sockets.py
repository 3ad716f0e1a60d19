"""graphql-transport-ws in failure cases: close codes, slow or silent clients, an outage of the bus."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import websockets

from backend.bus.redis import RedisBus
from backend.core.errors import TransientError
from backend.graphql.context import Context
from backend.graphql.execution.fanout import MAX_QUEUED
from backend.graphql.transport.socket import Forbidden, Unauthorized
from backend.processes.server import SOCKETS
from tests.support.graphql_client import connected, site_app
from tests.support.redis import RedisServer
from tests.support.serve import serving
from tests.support.small_site import SmallSite

READINGS = "subscription { readings { snapshot gap sensors values } }"
INIT = {"type": "connection_init"}
SUBSCRIBE = {"id": "1", "type": "subscribe", "payload": {"query": READINGS}}


async def closed_with(address: str, *messages: Any) -> tuple[int, str]:
    """The code and reason that the server closes with after these messages; what it answers before is skipped."""
    url = f"ws://{address}/graphql"
    async with websockets.connect(url, subprotocols=["graphql-transport-ws"]) as connection:  # type: ignore[list-item]
        for message in messages:
            await connection.send(message if isinstance(message, str | bytes) else json.dumps(message))
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                await asyncio.wait_for(connection.recv(), 20)
        assert connection.close_code is not None
        return connection.close_code, connection.close_reason or ""


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with serving(site_app(SmallSite())) as where:
        yield where


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([SUBSCRIBE], 4401),
        ([INIT, INIT], 4429),
        ([INIT, SUBSCRIBE, SUBSCRIBE], 4409),
        (["nonsense"], 4400),
        ([b"\x00"], 4400),
        (["[1]"], 4400),
        (["5"], 4400),
        ([{"type": "nonsense"}], 4400),
        ([{}], 4400),
        ([{"type": "connection_init", "payload": []}], 4400),
        ([INIT, {"id": "1", "type": "subscribe"}], 4400),
        ([INIT, {"id": [], "type": "subscribe", "payload": {"query": READINGS}}], 4400),
        ([INIT, {"id": "1", "type": "subscribe", "payload": {"query": 5}}], 4400),
        ([INIT, {"id": "1", "type": "subscribe", "payload": {"query": READINGS, "variables": []}}], 4400),
    ],
)
async def test_violations_of_the_protocol_have_its_close_codes(
    address: str, messages: list[Any], code: int
) -> None:
    assert (await closed_with(address, *messages))[0] == code


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (Unauthorized("Log in first."), (4401, "Log in first.")),
        (Forbidden("Not yours."), (4403, "Not yours.")),
        (Forbidden(), (4403, "Forbidden")),
    ],
)
async def test_a_refused_connection_is_closed_with_code_and_reason(
    refusal: Exception, expected: tuple[int, str]
) -> None:
    parameters: list[dict[str, Any]] = []

    async def admit(context: Context) -> None:
        parameters.append(context.connection_params)
        raise refusal

    async with serving(site_app(SmallSite(), admit=admit)) as address:
        assert await closed_with(address, {**INIT, "payload": {"token": "t"}}, SUBSCRIBE) == expected
    assert parameters == [{"token": "t"}]


@pytest.mark.parametrize("query", ["subscription {", "subscription { nothing }", "{ nothing }", "{"])
async def test_an_invalid_document_does_not_close_the_connection(
    address: str, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(address) as client:
        await client.subscribe(query)
        message = await client.receive()
        assert (message["type"], message["id"]) == ("error", "1")
        assert message["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        await client.subscribe("{ roomMap { name } }", key="2")
        assert (await client.next())["roomMap"] == [{"name": "Row"}]
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


def many(site: SmallSite, value: float) -> Any:
    """Some 10 kB of news."""
    return site.hear({f"probe{n:03}": value for n in range(300)})


async def test_a_client_that_does_not_read_gets_a_new_snapshot_and_delays_no_other() -> None:
    site = SmallSite()
    many(site, 0.0)
    app = site_app(site)
    async with serving(app, **SOCKETS) as address, connected(address) as quick:
        host, port = address.split(":")
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((host, int(port)))
        deaf.setblocking(False)
        async with connected(address, sock=deaf, max_queue=1, compression=None) as slow:
            await slow.subscribe(READINGS)
            assert (await slow.next())["readings"]["gap"] is False
            await quick.subscribe(READINGS)
            await quick.next()
            for number in range(1, 1001):  # 10 MB, more than all buffers on the way take
                await site.bus.publish(many(site, float(number)))
                got = (await quick.next())["readings"]
                assert (got["snapshot"], got["values"][0]) == (False, float(number))
            (run,) = app.state.schema.fan_out._runs.values()
            assert max(len(subscriber.queue) for subscriber in run.subscribers) <= MAX_QUEUED
            received, newest = 0, 0.0
            while newest < 1000.0:
                batch = (await slow.next())["readings"]
                received += 1
                if batch["values"][0] > newest + 1:  # what was left out is told
                    assert (batch["snapshot"], batch["gap"]) == (True, True)
                newest = batch["values"][0]
            assert received < 1000


async def test_a_client_that_leaves_during_a_message_is_not_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = SmallSite()
    site.hear({"fan": 0.0})
    async with serving(site_app(site), **SOCKETS) as address:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connected(address)) for _ in range(40)]
            for client in clients:
                await client.subscribe(READINGS)
                await client.next()
            for number, client in enumerate(clients):
                client._connection.transport.abort()
                for step in range(8):
                    await site.bus.publish(site.hear({"fan": number + step / 8}))
                    await asyncio.sleep(0)
        while site.bus._subscriptions:
            await asyncio.sleep(0.01)
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


async def test_a_client_that_does_not_answer_pings_is_disconnected() -> None:
    site = SmallSite()
    often = {**SOCKETS, "ws_ping_interval": 0.5, "ws_ping_timeout": 0.5}
    async with serving(site_app(site), **often) as address:
        reader, writer = await asyncio.open_connection(*address.split(":"))
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET /graphql HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        for message in (INIT, SUBSCRIBE):
            text = json.dumps(message).encode()
            assert len(text) < 126  # one byte for the length; the mask is zeros
            writer.write(bytes([0x81, 0x80 | len(text)]) + b"\0\0\0\0" + text)
        received = await asyncio.wait_for(reader.read(), 30)  # until the server hangs up
        assert b'"connection_ack"' in received
        assert b"\x89\x04" in received  # a ping of four bytes
        while site.bus._subscriptions:
            await asyncio.sleep(0.01)
        writer.close()


async def test_a_client_that_answers_pings_stays_connected() -> None:
    site = SmallSite()
    often = {**SOCKETS, "ws_ping_interval": 0.05, "ws_ping_timeout": 5}
    async with serving(site_app(site), **often) as address, connected(address) as client:
        await client.subscribe(READINGS)
        await client.next()
        await asyncio.sleep(0.5)
        await site.bus.publish(site.hear({"fan": 2.0}))
        assert (await client.next())["readings"]["values"] == [2.0]


async def test_an_outage_of_the_bus_is_reported_as_a_gap(redis_server: RedisServer) -> None:
    bus = RedisBus(redis_server.url())
    site = SmallSite(bus=bus)  # type: ignore[arg-type]
    site.hear({"fan": 1.0})
    try:
        async with serving(site_app(site)) as address, connected(address) as client:
            await client.subscribe(READINGS)
            assert (await client.next())["readings"] == {
                "snapshot": True,
                "gap": False,
                "sensors": ["fan"],
                "values": [1.0],
            }
            await bus.publish(site.hear({"fan": 2.0}))
            assert (await client.next())["readings"]["gap"] is False
            redis_server.stop()
            site.hear({"fan": 3.0})  # read from the store, or heard by others: the bus did not bring it
            redis_server.start()
            async with asyncio.timeout(60):
                batch = (await client.next())["readings"]
                assert (batch["snapshot"], batch["gap"], batch["values"]) == (True, True, [3.0])
                while True:
                    try:
                        await bus.publish(site.hear({"fan": 4.0}))
                        break
                    except TransientError:
                        await asyncio.sleep(0.05)
                while batch["values"] != [4.0]:
                    batch = (await client.next())["readings"]
    finally:
        await bus.close()
