"""The audit log: content, order, and protection against changes."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from backend.accounts.log import Actor
from backend.accounts.model import AuditKind
from backend.accounts.repository.audit import AuditFilter
from tests.support.accounts import HERE, AccountBench


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_event SET address = 'elsewhere'",
        "DELETE FROM audit_event",
        "UPDATE audit_event SET at_ns = 0 WHERE id = 1",
    ],
)
async def test_the_database_itself_refuses_changes(bench: AccountBench, change: str) -> None:
    await bench.admin()
    before = await bench.audited()
    assert before
    with pytest.raises(DBAPIError, match="append-only"):
        async with bench.database.unit_of_work() as session:
            await session.execute(text(change))
    assert await bench.audited() == before


async def test_pages_are_newest_first_and_filters_apply(bench: AccountBench) -> None:
    user, audit = await bench.user(), bench.accounts.audit
    start = bench.clock.now_ns()
    for number in range(5):
        bench.clock.advance(10)
        actor = Actor(user.id if number % 2 else "", HERE)
        await audit.write(AuditKind.COMMAND, actor, {"number": number, "certain": True, "why": None})
    page = await audit.page(AuditFilter([AuditKind.COMMAND]), 2)
    assert [e.detail["number"] for e in page] == [4, 3]
    page = await audit.page(AuditFilter([AuditKind.COMMAND], before_id=page[-1].id), 9)
    assert [e.detail["number"] for e in page] == [2, 1, 0]
    mine = await audit.page(AuditFilter([AuditKind.COMMAND], user_id=user.id), 9)
    assert [e.detail["number"] for e in mine] == [3, 1]
    span = await audit.page(AuditFilter(start_ns=start + 20 * 10**9, end_ns=start + 40 * 10**9), 9)
    assert [e.detail["number"] for e in span] == [2, 1]


async def test_a_failed_action_is_not_logged(bench: AccountBench) -> None:
    admin = await bench.admin()
    before = await bench.audited()
    with pytest.raises(Exception, match="only administrator"):
        await bench.accounts.users.delete(admin.id, Actor(admin.id))
    assert await bench.audited() == before
