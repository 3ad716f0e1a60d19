"""The roll-up engine that the tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backend.store.duckdb.store import DuckDBStore
from tests.support.engine_bench import EngineBench
from tests.support.reference_store import ReferenceStore


@pytest.fixture
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[EngineBench]:
    reference = getattr(request, "param", "duckdb") == "reference"
    store = ReferenceStore() if reference else DuckDBStore(":memory:", readers=2)
    await store.open()
    yield EngineBench(store)
    await store.close()
