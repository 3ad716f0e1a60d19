"""The push endpoint of the crawlers, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from starlette.types import Receive, Scope, Send

from backend.bus.memory import MemoryBus
from backend.core.ports import SensorTags
from backend.core.reading import Reading
from backend.ingest.endpoints.readings import readings_endpoint
from backend.ingest.service import Ingest
from backend.ingest.spool import SqliteSpool
from tests.support.manual_clock import ManualClock
from tests.support.path_dispatcher import PathDispatcher
from tests.support.rawhttp import Answer, exchange, post, read_answer
from tests.support.serving import serving
from tests.support.stores import FailingStore

NOW = 1_700_000_000 * 10**9


@dataclass
class Endpoint:
    port: int
    spool: SqliteSpool

    async def push(self, **columns: object) -> Answer:
        return await exchange(self.port, post("/ingest", orjson.dumps(columns)))


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def endpoint(tmp_path: Path) -> AsyncIterator[Endpoint]:
    spool = SqliteSpool(tmp_path / "spool.db", 1 << 20)
    await spool.open()
    known = {name: SensorTags("room", "wattmeter", "W") for name in ("a", "b")}
    ingest = Ingest(spool, FailingStore(), MemoryBus(), known, clock=ManualClock(NOW))
    push_endpoint = readings_endpoint(ingest.accept_columns, max_body=200_000, body_timeout_s=0.2)
    async with serving(PathDispatcher({"/ingest": push_endpoint}, not_found)) as port:
        yield Endpoint(port, spool)
    await spool.close()


async def test_a_push_is_acknowledged_once_it_is_in_the_spool(endpoint: Endpoint) -> None:
    answer = await endpoint.push(sensors=["a", "b"], values=[1, 2.5], times=[NOW - 7, None])
    assert (answer.status, answer.json) == (200, {"status": "success", "update_count": 2, "rejected": []})
    assert answer.headers["content-type"] == "application/json"
    _, readings = await endpoint.spool.peek(10)
    assert list(readings) == [Reading("a", NOW - 7, 1.0), Reading("b", NOW, 2.5)]


async def test_rejected_elements_are_listed_in_the_answer(endpoint: Endpoint) -> None:
    answer = await endpoint.push(sensors=["a", "x", "b"], values=["1", 2, 3])
    assert answer.status == 200
    assert answer.json == {
        "status": "success",
        "update_count": 1,
        "rejected": [
            {"index": 0, "sensor": "a", "reason": "value is not a number"},
            {"index": 1, "sensor": "x", "reason": "unknown sensor"},
        ],
    }


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"sensors": ["a"]}', b"\xff\xfe", b'{"sensors": ["a"], "values": []}']
)
async def test_an_invalid_push_is_refused_with_a_reason(endpoint: Endpoint, body: bytes) -> None:
    answer = await exchange(endpoint.port, post("/ingest", body))
    assert answer.status == 400
    assert answer.json["status"] == "failure"
    assert answer.json["reason"]
    assert endpoint.spool.depth == 0


async def test_a_body_that_is_too_large_is_refused_early(endpoint: Endpoint) -> None:
    request = post("/ingest", b"x" * 10_000_000)[:300_000]
    answer = await exchange(endpoint.port, request)
    assert answer.status == 413


async def test_chunked_bodies_are_read(endpoint: Endpoint) -> None:
    body = orjson.dumps({"sensors": ["a"], "values": [1]})
    chunks = b"".join(b"1\r\n" + body[i : i + 1] + b"\r\n" for i in range(len(body)))
    head = b"POST /ingest HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    assert (await exchange(endpoint.port, head + chunks + b"0\r\n\r\n")).status == 200


async def test_a_full_spool_is_answered_503_with_retry_after(endpoint: Endpoint) -> None:
    many = {"sensors": ["a"] * 5000, "values": [1.0] * 5000}
    for _ in range(100):
        answer = await endpoint.push(**many)
        if answer.status != 200:
            break
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json == {"status": "failure", "reason": "the spool is full"}
    mark, _ = await endpoint.spool.peek(10**6)
    await endpoint.spool.remove_up_to(mark)
    assert (await endpoint.push(**many)).status == 200


async def test_other_methods_and_paths(endpoint: Endpoint) -> None:
    answer = await exchange(endpoint.port, b"GET /ingest HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert (await exchange(endpoint.port, b"GET /other HTTP/1.1\r\nhost: x\r\n\r\n")).status == 404


async def test_one_connection_carries_many_pushes(endpoint: Endpoint) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
    request = post("/ingest", orjson.dumps({"sensors": ["a"], "values": [1]}))
    writer.write(request * 3)  # even all at once
    for _ in range(3):
        assert (await asyncio.wait_for(read_answer(reader), 10)).status == 200
    writer.close()
    assert endpoint.spool.depth == 3


async def test_incomplete_requests_time_out_without_affecting_others(endpoint: Endpoint) -> None:
    half = post("/ingest", orjson.dumps({"sensors": ["a"], "values": [1]}))[:-5]
    stuck = [await asyncio.open_connection("127.0.0.1", endpoint.port) for _ in range(50)]
    for _, writer in stuck:
        writer.write(half)
    assert (await endpoint.push(sensors=["a"], values=[1])).status == 200
    for reader, writer in stuck:
        assert (await asyncio.wait_for(read_answer(reader), 10)).status == 408
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_a_client_that_hangs_up_half_way_leaves_nothing(endpoint: Endpoint) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
    writer.write(post("/ingest", orjson.dumps({"sensors": ["a"], "values": [1]}))[:-5])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await endpoint.push(sensors=["a"], values=[1])).status == 200
    assert endpoint.spool.depth == 1
