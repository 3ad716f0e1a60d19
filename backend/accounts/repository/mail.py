"""Tables of mailed links and of the mail outbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, exists, insert, select, update

from backend.accounts.model import MailKind, MailToken, OutboxMail, Purpose
from backend.accounts.repository.rows import Table, pick, values
from backend.db.account_tables import MailTokenRow, OutboxRow


class MailTokenTable(Table):
    async def add(self, token: MailToken) -> None:
        await self._change(insert(MailTokenRow).values(values(token)))

    async def find(self, secret_hash: str, now_ns: int) -> MailToken | None:
        """Return the link, or None if it has been used, has expired, or was never issued."""
        query = pick(MailTokenRow, MailToken)
        is_valid = (MailTokenRow.secret_hash == secret_hash, MailTokenRow.expires_ns > now_ns)
        row = await self._row(query.where(*is_valid))
        return None if row is None else MailToken(**{**row, "purpose": Purpose(row["purpose"])})

    async def consume(self, secret_hash: str, now_ns: int) -> bool:
        """Delete the link. Returns False if another request has deleted it first, or it has expired."""
        is_valid = (MailTokenRow.secret_hash == secret_hash, MailTokenRow.expires_ns > now_ns)
        return await self._change(delete(MailTokenRow).where(*is_valid)) == 1

    async def delete_for(self, user_id: str, purpose: Purpose) -> None:
        """Delete all links about a user for a purpose, once that purpose is fulfilled."""
        matches = (MailTokenRow.user_id == user_id, MailTokenRow.purpose == purpose.value)
        await self._change(delete(MailTokenRow).where(*matches))

    async def delete_expired(self, now_ns: int) -> int:
        return await self._change(delete(MailTokenRow).where(MailTokenRow.expires_ns <= now_ns))


class OutboxTable(Table):
    async def add(self, mail: OutboxMail) -> None:
        await self._change(insert(OutboxRow).values(values(mail)))

    async def contains(self, kind: MailKind, user_id: str) -> bool:
        matches = (OutboxRow.kind == kind.value, OutboxRow.user_id == user_id)
        return bool(await self._session.scalar(select(exists().where(*matches))))

    async def claim(
        self, kinds: Collection[MailKind], now_ns: int, until_ns: int, claim: str, limit: int
    ) -> Sequence[OutboxMail]:
        """Claim at most `limit` mails that are due. If a mail is still in the outbox at `until_ns`, it becomes due again."""
        is_due = (OutboxRow.kind.in_([k.value for k in kinds]), OutboxRow.due_ns <= now_ns)
        ids = (
            await self._session.scalars(
                select(OutboxRow.id).where(*is_due).order_by(OutboxRow.due_ns).limit(limit)
            )
        ).all()
        # Compare `due_ns` again: another sender may have claimed some of them since the query.
        claimed = update(OutboxRow).where(OutboxRow.id.in_(ids), OutboxRow.due_ns <= now_ns)
        await self._change(claimed.values(claim=claim, due_ns=until_ns, attempts=OutboxRow.attempts + 1))
        rows = await self._rows(pick(OutboxRow, OutboxMail).where(OutboxRow.claim == claim))
        return [_outbox_mail(row) for row in rows]

    async def remove(self, mail: OutboxMail) -> None:
        await self._change(delete(OutboxRow).where(OutboxRow.id == mail.id))

    async def postpone(self, mail: OutboxMail, due_ns: int, error: str) -> None:
        claimed = update(OutboxRow).where(OutboxRow.id == mail.id, OutboxRow.claim == mail.claim)
        await self._change(claimed.values(due_ns=due_ns, claim="", error=error[:300]))

    async def delete_for(self, kind: MailKind, user_id: str) -> None:
        matches = (OutboxRow.kind == kind.value, OutboxRow.user_id == user_id)
        await self._change(delete(OutboxRow).where(*matches))

    async def list_all(self) -> Sequence[OutboxMail]:
        return [
            _outbox_mail(row)
            for row in await self._rows(pick(OutboxRow, OutboxMail).order_by(OutboxRow.due_ns))
        ]


def _outbox_mail(row: Mapping[str, Any]) -> OutboxMail:
    return OutboxMail(**{**row, "kind": MailKind(row["kind"])})
