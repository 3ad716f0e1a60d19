"""The audit log: written and read, never changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, or_

from backend.accounts.model import AuditEvent, AuditKind
from backend.accounts.repository.rows import Table, pick, values
from backend.db.account_tables import AuditRow


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events; empty and None mean all. `before_id` goes on from the last one seen."""

    kinds: Collection[AuditKind] = field(default_factory=tuple)
    user_id: str = ""
    start_ns: int | None = None
    end_ns: int | None = None
    before_id: int | None = None


class AuditTable(Table):
    async def add(self, event: AuditEvent) -> None:
        row = values(event)
        del row["id"]
        row["detail"] = json.dumps(dict(event.detail), sort_keys=True)
        await self._change(insert(AuditRow).values(row))

    async def page(self, which: AuditFilter, first: int) -> Sequence[AuditEvent]:
        """Newest first."""
        conditions: list[Any] = []
        if which.kinds:
            conditions.append(AuditRow.kind.in_([k.value for k in which.kinds]))
        if which.user_id:
            conditions.append(or_(AuditRow.actor_id == which.user_id, AuditRow.subject_id == which.user_id))
        if which.start_ns is not None:
            conditions.append(AuditRow.at_ns >= which.start_ns)
        if which.end_ns is not None:
            conditions.append(AuditRow.at_ns < which.end_ns)
        if which.before_id is not None:
            conditions.append(AuditRow.id < which.before_id)
        chosen = pick(AuditRow, AuditEvent).where(*conditions).order_by(AuditRow.id.desc()).limit(first)
        return [_event(row) for row in await self._rows(chosen)]


def _event(row: Mapping[str, Any]) -> AuditEvent:
    return AuditEvent(**{**row, "kind": AuditKind(row["kind"]), "detail": json.loads(row["detail"])})
