"""Audit entries, written in the same unit of work as the change that they record."""

from __future__ import annotations

from dataclasses import dataclass

from backend.accounts.model import AuditEvent, AuditKind
from backend.accounts.repository import Repository
from backend.core.clock import Clock


@dataclass(frozen=True, slots=True)
class Actor:
    """The user that performs an action, and the network address. Both are empty for an operator at the command line."""

    user_id: str = ""
    address: str = ""


OPERATOR = Actor()


@dataclass(frozen=True, slots=True)
class AuditLog:
    clock: Clock

    async def write(
        self,
        repo: Repository,
        kind: AuditKind,
        actor: Actor,
        subject_id: str = "",
        **detail: str | int | float | bool | None,
    ) -> None:
        """Add an entry about the user `subject_id`; empty for none."""
        event = AuditEvent(self.clock.now_ns(), kind, actor.user_id, subject_id, actor.address[:64], detail)
        await repo.audit.add(event)
