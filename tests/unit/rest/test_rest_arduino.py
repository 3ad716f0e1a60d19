"""The cards' route over real HTTP, down to the spool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from backend.bus.memory import MemoryBus
from backend.core.ports import SensorTags
from backend.core.reading import Reading
from backend.ingest.endpoints.cards import PATH, cards_endpoint
from backend.ingest.service import Ingest
from backend.ingest.spool import SqliteSpool
from tests.support.manual_clock import ManualClock
from tests.support.rawhttp import Answer, exchange, post, read_answer
from tests.support.serving import serving
from tests.support.stores import FailingStore

NOW = 1_700_000_000 * 10**9


@dataclass
class Cards:
    port: int
    spool: SqliteSpool

    async def post(self, body: bytes) -> Answer:
        return await exchange(self.port, post(PATH, body))


@pytest.fixture
async def cards(tmp_path: Path) -> AsyncIterator[Cards]:
    spool = SqliteSpool(tmp_path / "spool.db", 300_000)
    await spool.open()
    known = {"28b8fb2909000003": SensorTags("Z1.1", "temperature", "celsius")}
    ingest = Ingest(spool, FailingStore(), MemoryBus(), known, clock=ManualClock(NOW))
    async with serving(cards_endpoint(ingest, max_body=100_000, body_timeout_s=0.2)) as port:
        yield Cards(port, spool)
    await spool.close()


async def test_the_contract(cards: Cards) -> None:
    answer = await cards.post(
        b'[{"sensor": "28:b8:fb:29:09:00:00:03", "t": "T", "v": 21.44},'
        b' {"sensor": "28:b8:fb:29:09:00:00:04", "t": "T", "v": "20.5"}, {"sensor": "28:ff:01", "v": 19}]'
    )
    assert (answer.status, answer.json) == (200, {"status": "success", "update_count": 3})
    _, readings = await cards.spool.peek(10)
    assert list(readings) == [
        Reading("28b8fb2909000003", NOW, 21.44),
        Reading("28b8fb2909000004", NOW, 20.5),
        Reading("28ff01", NOW, 19.0),
    ]


@pytest.mark.parametrize("bad", [b"-127", b"85", b"nan", b'"nan"', b"", b"null", b"-127.00"])
async def test_one_bad_probe_does_not_cost_the_others(cards: Cards, bad: bytes) -> None:
    answer = await cards.post(
        b'[{"sensor": "28:01", "v": 20}, {"sensor": "28:02", "v": '
        + bad
        + b'}, {"sensor": "28:03", "v": 22}]'
    )
    assert (answer.status, answer.json) == (200, {"status": "success", "update_count": 2})


@pytest.mark.parametrize("body", [b"", b"nonsense", b"7"])
async def test_a_fault_says_why(cards: Cards, body: bytes) -> None:
    answer = await cards.post(body)
    assert answer.status == 400
    assert answer.json["status"] == "failure"
    assert answer.json["reason"]


async def test_an_empty_array_is_no_fault(cards: Cards) -> None:
    answer = await cards.post(b"[]")
    assert (answer.status, answer.json) == (200, {"status": "success", "update_count": 0})


async def test_nothing_kept_is_nothing_acknowledged(cards: Cards) -> None:
    body = orjson.dumps([{"sensor": "28:01", "v": 20}] * 2000)
    for _ in range(100):
        answer = await cards.post(body)
        if answer.status != 200:
            break
    assert (answer.status, answer.json["status"]) == (503, "failure")


async def test_too_large_and_wrong_method(cards: Cards) -> None:
    assert (await cards.post(b" " * 100_001)).status == 413
    assert (await exchange(cards.port, b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % PATH.encode())).status == 405


async def test_slow_cards_do_not_hurt_others(cards: Cards) -> None:
    half = post(PATH, b'[{"sensor": "28:01", "v": 20}]')[:-4]
    stuck = [await asyncio.open_connection("127.0.0.1", cards.port) for _ in range(50)]
    for _, writer in stuck:
        writer.write(half)
    assert (await cards.post(b'[{"sensor": "28:02", "v": 20}]')).status == 200
    for reader, writer in stuck:
        assert (await asyncio.wait_for(read_answer(reader), 10)).status == 408
        writer.close()
    assert cards.spool.depth == 1
