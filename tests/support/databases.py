"""Relational databases under test, migrated and empty."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from backend.db.base import Base
from backend.db.engine import Database
from backend.db.migrate import migrate

DATABASES = ["sqlite", "postgresql"]


@asynccontextmanager
async def opened_database(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Database]:
    """The one that the fixture's parameter names."""
    url = f"sqlite:///{folder / 'seduce.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    await migrate(url)
    database = Database(url)
    async with database.unit_of_work() as session:
        for table in Base.metadata.tables:
            await session.execute(text(f"DELETE FROM {table}"))
    yield database
    await database.close()
