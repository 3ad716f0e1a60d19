"""The audit log. Entries are added and read, never changed."""

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
    """Selects entries; empty and None mean all. `before_id` is the id of the last entry of the previous page."""

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

    async def page(self, audit_filter: AuditFilter, first: int) -> Sequence[AuditEvent]:
        """Return at most `first` entries, newest first."""
        conditions: list[Any] = []
        if audit_filter.kinds:
            conditions.append(AuditRow.kind.in_([k.value for k in audit_filter.kinds]))
        if audit_filter.user_id:
            conditions.append(
                or_(AuditRow.actor_id == audit_filter.user_id, AuditRow.subject_id == audit_filter.user_id)
            )
        if audit_filter.start_ns is not None:
            conditions.append(AuditRow.at_ns >= audit_filter.start_ns)
        if audit_filter.end_ns is not None:
            conditions.append(AuditRow.at_ns < audit_filter.end_ns)
        if audit_filter.before_id is not None:
            conditions.append(AuditRow.id < audit_filter.before_id)
        query = pick(AuditRow, AuditEvent).where(*conditions).order_by(AuditRow.id.desc()).limit(first)
        return [_event(row) for row in await self._rows(query)]


def _event(row: Mapping[str, Any]) -> AuditEvent:
    return AuditEvent(**{**row, "kind": AuditKind(row["kind"]), "detail": json.loads(row["detail"])})
