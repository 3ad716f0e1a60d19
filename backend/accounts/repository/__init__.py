"""The accounts in the relational database. All SQL about accounts is in this package; a unit of work has one `Repository`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from backend.accounts.repository.audit import AuditTable
from backend.accounts.repository.credentials import DeviceKeyTable, SessionTable, TokenTable
from backend.accounts.repository.mail import MailTokenTable, OutboxTable
from backend.accounts.repository.users import UserTable
from backend.db.engine import Database


class Repository:
    """All account tables in one unit of work."""

    def __init__(self, session: AsyncSession) -> None:
        self.users = UserTable(session)
        self.sessions = SessionTable(session)
        self.tokens = TokenTable(session)
        self.keys = DeviceKeyTable(session)
        self.links = MailTokenTable(session)
        self.outbox = OutboxTable(session)
        self.audit = AuditTable(session)


class AccountStore:
    """Opens units of work."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def begin(self, *, exclusive: bool = False) -> AsyncIterator[Repository]:
        """Open a unit of work. It is committed when the block ends, or rolled back if the block raises.

        `exclusive`: see `Database.unit_of_work`. Raises `TransientError` if the database cannot be reached.
        """
        async with self._database.unit_of_work(exclusive=exclusive) as session:
            yield Repository(session)
