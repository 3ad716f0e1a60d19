"""Accounts in the relational database: the only SQL about them. One `Repository` a unit of work."""

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
    """All tables of accounts within one unit of work."""

    def __init__(self, session: AsyncSession) -> None:
        self.users = UserTable(session)
        self.sessions = SessionTable(session)
        self.tokens = TokenTable(session)
        self.keys = DeviceKeyTable(session)
        self.links = MailTokenTable(session)
        self.outbox = OutboxTable(session)
        self.audit = AuditTable(session)


class AccountStore:
    """Hands out units of work."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def begin(self, *, alone: bool = False) -> AsyncIterator[Repository]:
        """What is done in the block is kept when it ends, or not at all if it raises. `alone`: see `Database.unit_of_work`.

        Raises `TransientError` where the database cannot be reached.
        """
        async with self._database.unit_of_work(alone=alone) as session:
            yield Repository(session)
