"""Migrations, units of work, and the settings of SQLite."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, select, text

from backend.core.errors import PermanentError, TransientError
from backend.db.base import Base
from backend.db.engine import Database, database_url
from backend.db.migrate import MIGRATIONS, config, downgrade, migrate, newest_revision
from backend.db.models import RollupMark
from tests.support import postgres


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    reason = postgres.why_not()
    if reason:
        pytest.skip(reason)
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'folder' / 'x.db'}"
    url: str = request.getfixturevalue("postgres_url")
    await postgres.drop_everything(url)
    return url


async def test_migrations_make_exactly_the_declared_tables(url: str) -> None:
    await migrate(url)
    await migrate(url)

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    database = Database(url)
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


def test_the_newest_migration_is_the_one_that_alembic_ends_with(tmp_path: Path) -> None:
    with create_engine(f"sqlite:///{tmp_path / 'x.db'}").connect() as connection:
        assert ScriptDirectory.from_config(config(connection)).get_current_head() == newest_revision()


async def test_processes_that_start_together_migrate_once(url: str) -> None:
    await asyncio.gather(*(migrate(url) for _ in range(4)))
    database = Database(url)
    async with database.engine.connect() as connection:
        tables = await connection.run_sync(lambda c: inspect(c).get_table_names())
        assert set(tables) == {"alembic_version", *Base.metadata.tables}
        assert len((await connection.execute(text("SELECT * FROM alembic_version"))).all()) == 1
    await database.close()


async def test_every_migration_can_be_reverted_and_repeated(url: str) -> None:
    steps = [step.revision for step in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
    await migrate(url)
    database = Database(url)

    async def tables() -> set[str]:
        async with database.engine.connect() as connection:
            return set(await connection.run_sync(lambda c: inspect(c).get_table_names())) - {
                "alembic_version"
            }

    whole = await tables()
    for older in [*steps[1:], "base"]:
        before = await tables()
        await downgrade(url, older)
        assert await tables() < before, f"down to {older}"
    assert await tables() == set()
    await migrate(url)
    assert await tables() == whole
    await database.close()


async def test_exclusive_units_of_work_do_not_overlap(url: str) -> None:
    await migrate(url)
    database = Database(url)

    async def count_up() -> None:
        async with database.unit_of_work(exclusive=True) as session:
            at = await session.scalar(select(RollupMark.at_ns).where(RollupMark.name == "count"))
            await asyncio.sleep(0)
            await session.merge(RollupMark(name="count", at_ns=(at or 0) + 1))

    await asyncio.gather(*(count_up() for _ in range(12)))
    async with database.unit_of_work() as session:
        assert await session.scalar(select(RollupMark.at_ns)) == 12
    await database.close()


async def test_a_unit_of_work_is_all_or_nothing(url: str) -> None:
    await migrate(url)
    database = Database(url)
    with pytest.raises(RuntimeError):
        async with database.unit_of_work() as session:
            session.add(RollupMark(name="a", at_ns=1))
            await session.flush()
            raise RuntimeError
    async with database.unit_of_work() as session:
        assert (await session.scalars(select(RollupMark.name))).all() == []
        session.add(RollupMark(name="b", at_ns=2))
    async with database.unit_of_work() as session:
        assert (await session.scalars(select(RollupMark.name))).all() == ["b"]
    await database.close()


async def test_sqlite_writes_ahead_and_checks_references(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    async with database.unit_of_work() as session:
        assert await session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await session.scalar(text("PRAGMA foreign_keys")) == 1
    await database.close()


async def test_an_unreachable_database_is_a_transient_error(tmp_path: Path) -> None:
    url = f"postgresql://seduce@/postgres?host={tmp_path}"
    database = Database(url)
    with pytest.raises(TransientError):
        async with database.unit_of_work() as session:
            await session.execute(text("SELECT 1"))
    with pytest.raises(TransientError):
        await migrate(url)
    await database.close()


def test_urls_get_their_driver() -> None:
    assert database_url("sqlite:///x.db").drivername == "sqlite+aiosqlite"
    assert database_url("sqlite+aiosqlite:///x.db").drivername == "sqlite+aiosqlite"
    assert database_url("postgresql://u@h/d").drivername == "postgresql+psycopg"
    with pytest.raises(PermanentError, match="mysql is not supported; use sqlite or postgresql"):
        database_url("mysql://u:secret@h/d")


SLOW = {
    "sqlite": "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000) select max(i) from n",
    "postgresql": "select pg_sleep(0.5)",
}


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_repeated_cancellation_leaves_no_hanging_connection(url: str, times: int) -> None:
    database = Database(url)
    others = asyncio.all_tasks()

    async def work() -> None:
        async with database.unit_of_work(exclusive=True) as unit:
            working.set()
            await unit.execute(text(SLOW[database.dialect]))

    working = asyncio.Event()
    task = asyncio.create_task(work())
    await working.wait()
    await asyncio.sleep(0.05)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0.02)
    await asyncio.wait({task}, timeout=10)
    # What a closing event loop does: it tells all that is left, once, and waits.
    left = asyncio.all_tasks() - others
    for one in left:
        one.cancel()
    if left:
        _, waiting = await asyncio.wait(left, timeout=10)
        assert not waiting
    assert task.cancelled()
    await database.close()
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()
    another = Database(url)
    async with another.unit_of_work(exclusive=True) as unit:  # nothing is left locked
        assert (await unit.execute(text("select 1"))).scalar() == 1
    await another.close()
