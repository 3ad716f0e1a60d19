"""Rights of long-lived connections, checked again and again because a session, a token or a user can lose them at any time."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final

from backend.accounts.repository import AccountStore
from backend.accounts.sign_in import SignInService
from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.outage import Outage
from backend.core.rights import Credential, Principal

log = logging.getLogger(__name__)

CHECK_INTERVAL_S: Final = 2.0
"""Seconds between two checks. A check costs two queries for all connections together."""
MAX_FAILED_CHECKS: Final = 15
"""Consecutive failed checks after which all connections end: rights that cannot be verified are not granted."""


class EndReason(Enum):
    """The reason why a connection must end."""

    INVALID = "invalid"
    """The session or token is no longer valid."""
    CHANGED = "changed"
    """The user has other rights now."""


class WatchedConnection:
    """One connection. `changed` is set when its rights have changed; `reason` then says how."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.reason = EndReason.INVALID


class ConnectionRights:
    """Compares the rights of each open connection with those at its start, and flags the connections that differ."""

    def __init__(self, store: AccountStore, sign_ins: SignInService, clock: Clock) -> None:
        self._store = store
        self._sign_ins = sign_ins
        self._clock = clock
        self._connections: dict[Principal, set[WatchedConnection]] = defaultdict(set)
        self._outage = Outage(log, "rights_check", level=logging.WARNING)

    @contextmanager
    def watch(self, principal: Principal) -> Iterator[WatchedConnection]:
        """Watch a connection of `principal` during the block."""
        connection = WatchedConnection()
        self._connections[principal].add(connection)
        try:
            yield connection
        finally:
            self._connections[principal].discard(connection)
            if not self._connections[principal]:
                del self._connections[principal]

    async def run(self) -> None:
        """Check all connections until cancelled."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            try:
                await self.check_all()
            except TransientError as error:
                self._outage.failed(error)
                if self._outage.failures >= MAX_FAILED_CHECKS:
                    for principal in self._identified():
                        self._flag(principal, EndReason.INVALID)
            else:
                self._outage.recovered()

    async def check_all(self) -> None:
        """Check every connection once. An open connection counts as use of its session."""
        principals = self._identified()
        if not principals:
            return
        ids = {kind: [p.credential_id for p in principals if p.credential is kind] for kind in Credential}
        is_admin_by_credential: dict[str, bool] = {}
        async with self._store.begin() as repo:
            for session, user in await repo.sessions.find_many(ids[Credential.SESSION]):
                if self._sign_ins.is_session_valid(session, user):
                    is_admin_by_credential[session.id] = user.is_admin
            session_ids = sorted(is_admin_by_credential)
            for token, user in await repo.tokens.find_many(ids[Credential.TOKEN]):
                if self._sign_ins.is_token_valid(token, user):
                    is_admin_by_credential[token.id] = user.is_admin
            if session_ids:
                await repo.sessions.record_use_if_old(session_ids, self._clock.now_ns())
        for principal in principals:
            is_admin = is_admin_by_credential.get(principal.credential_id)
            if is_admin is None:
                self._flag(principal, EndReason.INVALID)
            elif is_admin != principal.is_admin:
                self._flag(principal, EndReason.CHANGED)

    def _identified(self) -> list[Principal]:
        return [principal for principal in self._connections if principal.is_authenticated]

    def _flag(self, principal: Principal, reason: EndReason) -> None:
        for connection in self._connections.get(principal, ()):
            connection.reason = reason
            connection.changed.set()
