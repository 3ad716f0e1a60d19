"""All that there is about accounts, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.accounts.live import LiveRights
from backend.accounts.log import Actor, AuditLog
from backend.accounts.model import AuditEvent, AuditKind
from backend.accounts.passwords import Passwords
from backend.accounts.postman import Postman
from backend.accounts.rates import Rates
from backend.accounts.repository import AccountStore
from backend.accounts.repository.audit import AuditFilter
from backend.accounts.rules import Rules
from backend.accounts.sign_in import SignIns
from backend.accounts.sign_up import SignUps
from backend.accounts.tokens import DeviceKeys, Tokens
from backend.accounts.users import Users
from backend.core.clock import Clock
from backend.core.mail import Mailer, Templates


class Audit:
    """The audit log for those who read it, and for doers outside of accounts."""

    def __init__(self, store: AccountStore, log: AuditLog) -> None:
        self._store = store
        self._log = log

    async def page(self, which: AuditFilter, first: int) -> Sequence[AuditEvent]:
        async with self._store.begin() as within:
            return await within.audit.page(which, first)

    async def write(
        self, kind: AuditKind, actor: Actor, detail: Mapping[str, str | int | float | bool | None]
    ) -> None:
        """Durable when it returns. Raises `TransientError`: what cannot be logged must not be done."""
        async with self._store.begin() as within:
            await self._log.write(within, kind, actor, "", **detail)


@dataclass(frozen=True, slots=True)
class Accounts:
    rules: Rules
    store: AccountStore
    users: Users
    sign_ups: SignUps
    sign_ins: SignIns
    tokens: Tokens
    keys: DeviceKeys
    audit: Audit
    postman: Postman
    live: LiveRights

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
        sign_ins = SignIns(store, clock, hashes, rates, log, rules)
        return cls(
            rules=rules,
            store=store,
            users=Users(store, clock, hashes, rates, log),
            sign_ups=SignUps(store, clock, hashes, rates, log),
            sign_ins=sign_ins,
            tokens=Tokens(store, clock, log),
            keys=DeviceKeys(store, clock, log),
            audit=Audit(store, log),
            postman=Postman(store, clock, mailer, templates, log, rules),
            live=LiveRights(store, sign_ins, clock),
        )
