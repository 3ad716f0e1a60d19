"""Every body gets an answer, and the readings that it acknowledges are in the spool exactly once."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest

from backend.bus.memory import MemoryBus
from backend.core.asgi import App, Message
from backend.core.ports import SensorTags
from backend.ingest.endpoints.cards import MAX_BODY, PATH, cards_endpoint
from backend.ingest.endpoints.readings import readings_endpoint
from backend.ingest.service import Ingest
from backend.ingest.spool import SqliteSpool
from tests.support.fuzz import COUNT, anything, inputs, mutated
from tests.support.manual_clock import ManualClock
from tests.support.rawhttp import exchange, post
from tests.support.serving import serving
from tests.support.stores import FailingStore

pytestmark = pytest.mark.timeout(120 + COUNT // 50)

NOW = 1_790_000_000 * 10**9
NAMES = [f"28b8fb2909{i:06}" for i in range(200)]
AT_ONCE = 64


@dataclass
class Bench:
    ingest: Ingest
    spool: SqliteSpool

    async def drain_counts(self) -> Counter[str]:
        """Return the number of readings in the spool by sensor, and empty it."""
        counts: Counter[str] = Counter()
        while self.spool.depth:
            mark, readings = await self.spool.peek(100_000)
            counts.update(r.sensor for r in readings)
            await self.spool.remove_up_to(mark)
        return counts


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    spool = SqliteSpool(folder / "spool.sqlite", 2**30)
    await spool.open()
    known = {name: SensorTags("Z1.1", "temperature", "celsius") for name in NAMES}
    yield Bench(Ingest(spool, FailingStore(), MemoryBus(), known, clock=ManualClock(NOW)), spool)
    await spool.close()


async def ask(app: App, body: bytes, pieces: int = 1) -> tuple[int, dict[str, Any]]:
    """Status and JSON of one POST whose body comes in pieces."""
    cut = [body[i * len(body) // pieces : (i + 1) * len(body) // pieces] for i in range(pieces)]
    parts = [{"type": "http.request", "body": part, "more_body": True} for part in cut]
    parts[-1]["more_body"] = False
    sent: list[Message] = []

    async def receive() -> Message:
        return parts.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "method": "POST", "path": PATH, "headers": []}, receive, send)
    return sent[0]["status"], orjson.loads(sent[1]["body"])


def element(name: str, value: str) -> str:
    return (
        f'{{"sensor": "{":".join(name[i : i + 2] for i in range(0, len(name), 2))}", "t": "T", "v": {value}}}'
    )


def card(chance: random.Random) -> tuple[bytes, Counter[str]]:
    """A push whose elements are good, bad or nonsense, and the good ones, none of which may be lost."""
    good: Counter[str] = Counter()
    rows = []
    for _ in range(chance.randrange(1, 12)):
        name = chance.choice(NAMES)
        kind = chance.randrange(4)
        if kind < 2:
            good[name] += 1
            rows.append(element(name, chance.choice(("21.44", '"20.5"', "-9.99", "75", "0"))))
        elif kind == 2:
            rows.append(
                element(
                    name,
                    chance.choice(("nan", "-nan", "inf", "-127", "85", '""', "null", "1e999", "true", "[]")),
                )
            )
        else:
            # What other elements hold must not change what is read of these: plain JSON, no words of C.
            rows.append(orjson.dumps(_jsonable(anything(chance))).decode())
    text = "[" + ", ".join(rows) + "]"
    wide = chance.random() < 0.05
    return text.encode("utf-16" if wide else "utf-8"), good


def _jsonable(value: Any) -> Any:
    """Without numbers that the JSON library of this test refuses; flat objects with the keys of an element stay out."""
    if isinstance(value, dict):
        return {f"x{k}": _jsonable(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_jsonable(v) for v in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


async def test_arbitrary_elements_lose_no_valid_card_reading(tmp_path: Path) -> None:
    async with bench(tmp_path) as its:
        endpoint, expected = cards_endpoint(its.ingest), Counter[str]()

        async def one(chance: random.Random) -> None:
            body, good = card(chance)
            status, answer = await ask(endpoint, body, chance.randrange(1, 4))
            assert (status, answer["status"], answer["update_count"]) == (200, "success", good.total()), body
            expected.update(good)

        await many(one, inputs("cards", share=2))
        assert await its.drain_counts() == expected


async def test_acknowledged_readings_of_damaged_card_pushes_are_kept(tmp_path: Path) -> None:
    async with bench(tmp_path) as its:
        endpoint, acknowledged = cards_endpoint(its.ingest), 0

        async def one(chance: random.Random) -> None:
            nonlocal acknowledged
            status, answer = await ask(endpoint, mutated(chance, card(chance)[0]))
            assert (status, answer["status"]) in ((200, "success"), (400, "failure"))
            acknowledged += answer.get("update_count", 0)

        await many(one, inputs("torn cards", share=2))
        assert (await its.drain_counts()).total() == acknowledged > 0


async def test_acknowledged_readings_of_damaged_crawler_pushes_are_kept(tmp_path: Path) -> None:
    async with bench(tmp_path) as its:
        endpoint, acknowledged = readings_endpoint(its.ingest.accept_columns), 0

        async def one(chance: random.Random) -> None:
            nonlocal acknowledged
            rows = chance.randrange(1, 8)
            columns = {
                "sensors": [chance.choice((chance.choice(NAMES), anything(chance, 1))) for _ in range(rows)],
                "values": [chance.choice((21.5, 7, anything(chance, 1))) for _ in range(rows)],
                "times": [chance.choice((NOW, None, anything(chance, 1))) for _ in range(rows)],
            }
            body = json.dumps(columns).encode()  # writes NaN and numbers of any size, as some libraries do
            status, answer = await ask(endpoint, body if chance.random() < 0.5 else mutated(chance, body))
            assert (status, answer["status"]) in ((200, "success"), (400, "failure")), body
            if status == 200:
                acknowledged += answer["update_count"]
                assert all(r["reason"] for r in answer["rejected"])

        await many(one, inputs("columns"))
        assert (await its.drain_counts()).total() == acknowledged > 0


async def many(one: Callable[[random.Random], Awaitable[None]], chances: Iterator[random.Random]) -> None:
    """All of them, some at once."""
    while some := list(islice(chances, AT_ONCE)):
        await asyncio.gather(*map(one, some))


async def test_ten_thousand_elements_with_bad_ones_among_them(tmp_path: Path) -> None:
    rows = [element(NAMES[i % 200], "nan" if i % 100 == 7 else "21.44") for i in range(10_000)]
    body = f"[{', '.join(rows)}]".encode()
    assert len(body) < MAX_BODY
    async with bench(tmp_path) as its, serving(cards_endpoint(its.ingest)) as port:
        answer = await exchange(port, post(PATH, body))
        assert (answer.status, answer.json) == (200, {"status": "success", "update_count": 9_900})
        assert (await its.drain_counts()).total() == 9_900


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"]
)
async def test_card_pushes_in_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    text = element(NAMES[0], "21.44").replace('"T"', '"°C"')
    for whole in (f"[{text}, {text}]", f"[{text}, {text.replace('21.44', 'nan')}, {text}", text):
        async with bench(tmp_path) as its:
            status, answer = await ask(cards_endpoint(its.ingest), whole.encode(encoding))
            assert status == 200
            assert answer["update_count"] == whole.count("21.44") == (await its.drain_counts()).total()
