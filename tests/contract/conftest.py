"""The stores and databases that the contract suite runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from backend.core.ports import TimeSeriesStore
from backend.db.engine import Database
from tests.support import postgres
from tests.support.databases import DATABASES, opened_database
from tests.support.store_cases import IMPLEMENTATIONS, Bench


@pytest.fixture(params=IMPLEMENTATIONS, ids=lambda implementation: implementation.__name__)
def make_bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Bench]:
    return lambda: Bench(request.param(request, tmp_path_factory.mktemp("store")))


@pytest.fixture
async def bench(make_bench: Callable[[], Bench]) -> AsyncIterator[Bench]:
    bench = make_bench()
    await bench.store.open()
    yield bench
    await bench.store.close()


@pytest.fixture
def store(bench: Bench) -> TimeSeriesStore:
    return bench.store


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    reason = postgres.why_not()
    if reason:
        pytest.skip(reason)
    with postgres.server() as url:
        yield url


@pytest.fixture(params=DATABASES)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with opened_database(request, tmp_path) as database:
        yield database
