"""Mailed links, and mails that wait to be sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, exists, insert, select, update

from backend.accounts.model import MailKind, MailToken, Purpose, Waiting
from backend.accounts.repository.rows import Table, pick, values
from backend.db.account_tables import MailTokenRow, OutboxRow


class MailTokenTable(Table):
    async def add(self, token: MailToken) -> None:
        await self._change(insert(MailTokenRow).values(values(token)))

    async def look(self, secret_hash: str, now_ns: int) -> MailToken | None:
        """None where it was used, has expired, or never was."""
        chosen = pick(MailTokenRow, MailToken)
        living = (MailTokenRow.secret_hash == secret_hash, MailTokenRow.expires_ns > now_ns)
        row = await self._row(chosen.where(*living))
        return None if row is None else MailToken(**{**row, "purpose": Purpose(row["purpose"])})

    async def take(self, secret_hash: str, now_ns: int) -> bool:
        """Uses it up; False where somebody else was faster."""
        living = (MailTokenRow.secret_hash == secret_hash, MailTokenRow.expires_ns > now_ns)
        return await self._change(delete(MailTokenRow).where(*living)) == 1

    async def drop(self, user_id: str, purpose: Purpose) -> None:
        """All links about a user for a purpose: what they were for is done."""
        about = (MailTokenRow.user_id == user_id, MailTokenRow.purpose == purpose.value)
        await self._change(delete(MailTokenRow).where(*about))

    async def drop_expired(self, now_ns: int) -> int:
        return await self._change(delete(MailTokenRow).where(MailTokenRow.expires_ns <= now_ns))


class OutboxTable(Table):
    async def add(self, mail: Waiting) -> None:
        await self._change(insert(OutboxRow).values(values(mail)))

    async def has(self, kind: MailKind, user_id: str) -> bool:
        about = (OutboxRow.kind == kind.value, OutboxRow.user_id == user_id)
        return bool(await self._session.scalar(select(exists().where(*about))))

    async def claim(
        self, kinds: Collection[MailKind], now_ns: int, until_ns: int, claim: str, most: int
    ) -> Sequence[Waiting]:
        """Takes those that are due for itself until `until_ns`, when they are due again if they are still here."""
        due = (OutboxRow.kind.in_([k.value for k in kinds]), OutboxRow.due_ns <= now_ns)
        ids = (
            await self._session.scalars(
                select(OutboxRow.id).where(*due).order_by(OutboxRow.due_ns).limit(most)
            )
        ).all()
        # `due_ns` again: another sender may have taken some since they were looked up.
        mine = update(OutboxRow).where(OutboxRow.id.in_(ids), OutboxRow.due_ns <= now_ns)
        await self._change(mine.values(claim=claim, due_ns=until_ns, attempts=OutboxRow.attempts + 1))
        rows = await self._rows(pick(OutboxRow, Waiting).where(OutboxRow.claim == claim))
        return [_waiting(row) for row in rows]

    async def sent(self, mail: Waiting) -> None:
        """It need not be sent again."""
        await self._change(delete(OutboxRow).where(OutboxRow.id == mail.id))

    async def put_off(self, mail: Waiting, due_ns: int, error: str) -> None:
        mine = update(OutboxRow).where(OutboxRow.id == mail.id, OutboxRow.claim == mail.claim)
        await self._change(mine.values(due_ns=due_ns, claim="", error=error[:300]))

    async def drop(self, kind: MailKind, user_id: str) -> None:
        about = (OutboxRow.kind == kind.value, OutboxRow.user_id == user_id)
        await self._change(delete(OutboxRow).where(*about))

    async def all(self) -> Sequence[Waiting]:
        return [
            _waiting(row) for row in await self._rows(pick(OutboxRow, Waiting).order_by(OutboxRow.due_ns))
        ]


def _waiting(row: Mapping[str, Any]) -> Waiting:
    return Waiting(**{**row, "kind": MailKind(row["kind"])})
