"""The stores that the contract suite runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from backend.core.ports import TimeSeriesStore
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
