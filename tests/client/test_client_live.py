"""Live readings through lost connections, refusals and a client that is too slow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets

from backend.graphql.execution import fanout
from seduce_client import Batch, NotAllowed, Unavailable, connect, connect_async, documents
from tests.client.conftest import Served, served


async def until(batches: AsyncIterator[Batch], sensor: str, value: float) -> Batch:
    async for batch in batches:
        if batch.latest().get(sensor) == value:
            return batch
    raise AssertionError("it ended")


async def test_a_snapshot_and_then_what_comes(site: Served) -> None:
    # Either client has it: a cell of a notebook can await.
    async with aclosing(connect(site.url).live(["sun", "fan"])) as batches:
        first = await anext(batches)
        assert (first.snapshot, first.gap_from) == (True, None)
        await site.push(sun=3.5, b_pdu_1=1.0)
        result = await until(batches, "sun", 3.5)
        assert (result.snapshot, result.gap_from, list(result.sensors)) == (False, None, ["sun"])
        assert len(result.times_ms) == len(result.values) == 1


async def test_a_lost_connection_is_made_again_and_the_gap_is_told(tmp_path: Path) -> None:
    async with connect_async("http://127.0.0.1:1") as seduce:
        async with served(tmp_path / "a") as site:
            port = int(site.url.rpartition(":")[2])
            batches = connect_async(site.url).live(types="wattmeter")
            await anext(batches)
            await site.push(sun=1.0)
            before = await until(batches, "sun", 1.0)
        assert seduce  # the server has gone; the iterator has not
        async with served(tmp_path / "a", port) as site:
            after = await anext(batches)
            assert after.snapshot
            assert after.gap_from is not None
            assert round(after.gap_from.timestamp() * 1000) == min(before.times_ms)
            await site.push(sun=2.0)
            assert (await until(batches, "sun", 2.0)).gap_from is None
        await batches.aclose()


async def test_a_client_that_is_too_slow_is_told_of_its_gap(
    site: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "MAX_QUEUED", 1)
    async with aclosing(connect_async(site.url).live("sun")) as batches:
        await anext(batches)
        await site.push(sun=0.0)
        await until(batches, "sun", 0.0)
        for n in range(1, 200):
            await site.push(sun=float(n))
        values: list[float] = []
        async for batch in batches:
            values += batch.values
            if batch.gap_from is not None or values[-1] == 199.0:
                break
        # Whoever keeps up misses nothing; whoever does not is told.
        assert batch.gap_from is not None or values == [float(n) for n in range(1, 200)]


@asynccontextmanager
async def speaking(
    *replies: Any, close: int = 1000, let_in: bool = False
) -> AsyncIterator[tuple[str, list[str | None]]]:
    """A server that acknowledges, sends the replies to a subscription and closes. Yields its address and the tokens it saw."""
    tokens: list[str | None] = []

    async def talk(socket: websockets.ServerConnection) -> None:
        tokens.append(socket.request.headers.get("Authorization") if socket.request else None)
        assert json.loads(await socket.recv())["type"] == "connection_init"
        if close < 4000 or let_in:
            await socket.send(json.dumps({"type": "connection_ack"}))
            subscribed = json.loads(await socket.recv())
            assert subscribed["payload"]["query"] == documents.READINGS
            for reply in replies:
                await socket.send(json.dumps({"id": subscribed["id"], **reply}))
        await socket.close(close, "not for you")

    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.serve(talk, "127.0.0.1", 0, subprotocols=protocols) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"http://127.0.0.1:{port}", tokens


async def test_a_refusal_is_not_tried_again() -> None:
    async with speaking(close=4403) as (url, tokens):
        with pytest.raises(NotAllowed, match="not for you"):
            await anext(connect_async(url, "a-token").live())
    assert tokens == ["Bearer a-token"]


async def test_rights_that_changed_are_looked_up_by_a_new_connection(site: Served) -> None:
    batch = {"snapshot": True, "sensors": ["a"], "timestamps": [5000], "values": [1.0]}
    reply = {"type": "next", "payload": {"data": {"readings": batch}}}
    async with speaking(reply, close=4403, let_in=True) as (url, tokens):
        batches = connect_async(url).live()
        assert (await anext(batches)).snapshot
        assert (await anext(batches)).gap_from is not None
        await batches.aclose()
    assert len(tokens) == 2


async def test_an_error_of_the_subscription_says_what_it_is() -> None:
    error = {"message": "sensors: there is no sensor 'x'.", "extensions": {"code": "FORBIDDEN"}}
    async with speaking({"type": "error", "payload": [error]}) as (url, _):
        with pytest.raises(NotAllowed, match="no sensor 'x'"):
            await anext(connect_async(url).live("x"))


async def test_pings_are_answered_and_an_end_is_a_lost_connection() -> None:
    batch = {"snapshot": True, "sensors": ["a"], "timestamps": [5000], "values": [1.0]}
    payload = {"data": {"readings": batch}}
    async with (
        speaking({"type": "ping"}, {"type": "next", "payload": payload}) as (url, tokens),
        aclosing(connect_async(url).live()) as batches,
    ):
        assert (await anext(batches)).gap_from is None
        repeated = await anext(batches)
        assert repeated.gap_from is not None
        assert repeated.gap_from.timestamp() == 5
    assert len(tokens) == 2


async def test_an_unknown_sensor_is_told_at_once(site: Served) -> None:
    with pytest.raises(Exception, match="nobody"):
        await asyncio.wait_for(anext(connect_async(site.url).live("nobody")), 10)


async def test_a_server_that_is_not_there() -> None:
    with pytest.raises(Unavailable, match="is the server up"):
        await anext(connect_async("http://127.0.0.1:1").live())
