"""Connections that last, and the rights of those behind them, which may end at any time."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final

from backend.accounts.repository import AccountStore
from backend.accounts.sign_in import SignIns
from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.outage import Outage
from backend.core.rights import Credential, Principal

log = logging.getLogger(__name__)

LOOK_S: Final = 2.0
"""Seconds between two looks: all connections together cost two queries each."""
UNKNOWN_LOOKS: Final = 15
"""Looks that may fail one after another before everybody counts as gone: who cannot be checked has no rights."""


class Ending(Enum):
    """Why a connection must end."""

    GONE = "gone"
    """Nobody is known by that credential any more."""
    CHANGED = "changed"
    """Whoever it is has other rights now."""


class Watched:
    """One connection; `changed` is set once its rights are not what they were."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.how = Ending.GONE


class LiveRights:
    """Tells each watched connection when its rights are not those any more with which it began."""

    def __init__(self, store: AccountStore, sign_ins: SignIns, clock: Clock) -> None:
        self._store = store
        self._sign_ins = sign_ins
        self._clock = clock
        self._watched: dict[Principal, set[Watched]] = defaultdict(set)
        self._outage = Outage(log, "rights_check", level=logging.WARNING)

    @contextmanager
    def watch(self, who: Principal) -> Iterator[Watched]:
        watched = Watched()
        self._watched[who].add(watched)
        try:
            yield watched
        finally:
            self._watched[who].discard(watched)
            if not self._watched[who]:
                del self._watched[who]

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except TransientError as error:
                self._outage.failed(error)
                if self._outage.failures >= UNKNOWN_LOOKS:
                    for who in self._known():
                        self._end(who, Ending.GONE)
            else:
                self._outage.recovered()

    async def look(self) -> None:
        """Once. An open connection counts as use of its session."""
        known = self._known()
        if not known:
            return
        ids = {kind: [who.credential_id for who in known if who.credential is kind] for kind in Credential}
        standing: dict[str, bool] = {}
        """Credential -> whether its user is an administrator."""
        async with self._store.begin() as within:
            for session, user in await within.sessions.living(ids[Credential.SESSION]):
                if self._sign_ins.stands(session, user):
                    standing[session.id] = user.is_admin
            used = sorted(standing)
            for token, user in await within.tokens.living(ids[Credential.TOKEN]):
                if self._sign_ins.holds(token, user):
                    standing[token.id] = user.is_admin
            if used:
                await within.sessions.touch_stale(used, self._clock.now_ns())
        for who in known:
            is_admin = standing.get(who.credential_id)
            if is_admin is None:
                self._end(who, Ending.GONE)
            elif is_admin != who.is_admin:
                self._end(who, Ending.CHANGED)

    def _known(self) -> list[Principal]:
        return [who for who in self._watched if who.is_authenticated]

    def _end(self, who: Principal, how: Ending) -> None:
        for watched in self._watched.get(who, ()):
            watched.how = how
            watched.changed.set()
