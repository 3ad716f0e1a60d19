"""Entries of the audit log, written in the unit of work of what they tell about."""

from __future__ import annotations

from dataclasses import dataclass

from backend.accounts.model import AuditEvent, AuditKind
from backend.accounts.repository import Repository
from backend.core.clock import Clock


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user by id, from an internet address. Empty for an operator at the command line."""

    user_id: str = ""
    address: str = ""


OPERATOR = Actor()


@dataclass(frozen=True, slots=True)
class AuditLog:
    clock: Clock

    async def write(
        self,
        within: Repository,
        kind: AuditKind,
        actor: Actor,
        subject_id: str = "",
        **detail: str | int | float | bool | None,
    ) -> None:
        event = AuditEvent(self.clock.now_ns(), kind, actor.user_id, subject_id, actor.address[:64], detail)
        await within.audit.add(event)
