"""Locks between processes: each `SqlLeases` here represents a process."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from backend.core.errors import TransientError
from backend.db.engine import Database
from backend.db.leases import SqlLeases


def leases(database: Database, ttl_s: float = 30.0) -> SqlLeases:
    return SqlLeases(database, ttl_s=ttl_s, poll_s=0.01)


async def seize(database: Database, name: str) -> None:
    """Simulate an expired lease that another process took."""
    async with database.unit_of_work() as session:
        await session.execute(text(f"UPDATE lease SET owner = 'other' WHERE name = '{name}'"))


async def test_at_most_one_process_holds_the_lock(database: Database) -> None:
    inside, most, order = 0, 0, []

    async def work(process: int) -> None:
        nonlocal inside, most
        lock = leases(database).lock("x")
        for _ in range(5):
            async with lock:
                inside += 1
                most = max(most, inside)
                order.append(process)
                await asyncio.sleep(0.002)
                lock.check()
                inside -= 1

    await asyncio.gather(*(work(process) for process in range(3)))
    assert (most, len(order)) == (1, 15)


async def test_the_last_holder_lets_another_have_the_lock(database: Database) -> None:
    one, two = leases(database).lock("x"), leases(database).lock("x")
    order: list[str] = []

    async def greedy() -> None:
        for _ in range(20):
            async with one:
                order.append("one")
                await asyncio.sleep(0.02)
            if "two" in order:
                return

    async def patient() -> None:
        async with two:
            order.append("two")

    running = asyncio.create_task(greedy())
    while not order:
        await asyncio.sleep(0)
    await asyncio.gather(running, patient())
    assert "two" in order[:4], order


async def test_the_lock_works_within_a_process_too(database: Database) -> None:
    lock, inside = leases(database).lock("x"), 0

    async def work() -> None:
        nonlocal inside
        async with lock:
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(5)))


async def test_an_attempt_does_not_wait(database: Database) -> None:
    one, two = leases(database), leases(database)
    async with (
        one.attempt("x") as first_lease,
        two.attempt("x") as second_lease,
        two.attempt("y") as other_lease,
    ):
        assert first_lease is not None
        assert second_lease is None
        assert other_lease is not None
        first_lease()
    async with two.attempt("x") as second_lease:
        assert second_lease is not None


async def test_the_lease_of_a_dead_holder_expires(database: Database) -> None:
    assert await leases(database, ttl_s=0.3).acquire("x", "the dead one")
    async with leases(database, ttl_s=0.3).attempt("x") as early:
        assert early is None
    async with asyncio.timeout(10), leases(database, ttl_s=0.3).lock("x"):
        pass


async def test_a_living_holder_renews_its_lease(database: Database) -> None:
    async with leases(database, ttl_s=0.4).attempt("x") as mine:
        assert mine is not None
        for _ in range(10):
            await asyncio.sleep(0.1)
            async with leases(database, ttl_s=0.4).attempt("x") as other:
                assert other is None


async def test_a_holder_that_lost_the_lock_gets_an_error(database: Database) -> None:
    lock = leases(database, ttl_s=0.2).lock("x")
    with pytest.raises(TransientError, match="lock 'x' expired"):
        async with lock:
            await seize(database, "x")
            await asyncio.sleep(0.4)
            lock.check()
    async with database.unit_of_work() as session:
        held = await session.scalar(text("SELECT count(*) FROM lease WHERE owner = 'other'"))
    assert held == 1, "what another holds is not released by who lost it"


async def test_a_cancelled_wait_leaves_nothing_behind(database: Database) -> None:
    one, two = leases(database), leases(database)
    waiting = two.lock("x")

    async def wait() -> None:
        async with waiting:
            raise AssertionError("it was held")

    async with one.lock("x"):
        task = asyncio.create_task(wait())
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(5), waiting:
        pass


async def test_a_failure_inside_releases_the_lock(database: Database) -> None:
    lock = leases(database).lock("x")
    with pytest.raises(RuntimeError):
        async with lock:
            raise RuntimeError
    async with leases(database).attempt("x") as free:
        assert free is not None
