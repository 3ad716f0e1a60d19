"""All account services, built together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.accounts.connection_rights import ConnectionRights
from backend.accounts.log import Actor, AuditLog
from backend.accounts.model import AuditEvent, AuditKind
from backend.accounts.outbox_sender import OutboxSender
from backend.accounts.passwords import Passwords
from backend.accounts.rates import Rates
from backend.accounts.repository import AccountStore
from backend.accounts.repository.audit import AuditFilter
from backend.accounts.rules import Rules
from backend.accounts.sign_in import SignInService
from backend.accounts.sign_up import SignUpService
from backend.accounts.tokens import DeviceKeyService, TokenService
from backend.accounts.users import UserService
from backend.core.clock import Clock
from backend.core.mail import Mailer, Templates


class AuditService:
    """Reads the audit log, and writes entries for code outside this package."""

    def __init__(self, store: AccountStore, log: AuditLog) -> None:
        self._store = store
        self._log = log

    async def page(self, audit_filter: AuditFilter, first: int) -> Sequence[AuditEvent]:
        """Return at most `first` entries, newest first."""
        async with self._store.begin() as repo:
            return await repo.audit.page(audit_filter, first)

    async def write(
        self, kind: AuditKind, actor: Actor, detail: Mapping[str, str | int | float | bool | None]
    ) -> None:
        """Write an entry; it is durable on return. Raises `TransientError`: then the caller must not perform the action."""
        async with self._store.begin() as repo:
            await self._log.write(repo, kind, actor, "", **detail)


@dataclass(frozen=True, slots=True)
class Accounts:
    rules: Rules
    store: AccountStore
    users: UserService
    sign_ups: SignUpService
    sign_ins: SignInService
    tokens: TokenService
    keys: DeviceKeyService
    audit: AuditService
    outbox_sender: OutboxSender
    connection_rights: ConnectionRights

    @classmethod
    def build(
        cls,
        store: AccountStore,
        clock: Clock,
        rates: Rates,
        mailer: Mailer,
        templates: Templates,
        rules: Rules,
        passwords: Passwords | None = None,
    ) -> Accounts:
        log = AuditLog(clock)
        hashes = passwords or Passwords()
        sign_ins = SignInService(store, clock, hashes, rates, log, rules)
        return cls(
            rules=rules,
            store=store,
            users=UserService(store, clock, hashes, rates, log),
            sign_ups=SignUpService(store, clock, hashes, rates, log),
            sign_ins=sign_ins,
            tokens=TokenService(store, clock, log),
            keys=DeviceKeyService(store, clock, log),
            audit=AuditService(store, log),
            outbox_sender=OutboxSender(store, clock, mailer, templates, log, rules),
            connection_rights=ConnectionRights(store, sign_ins, clock),
        )
