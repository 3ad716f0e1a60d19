"""Personal access tokens, and device keys for pushes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Sequence
from typing import Final

from backend.accounts.credentials import KEY_PREFIX, TOKEN_PREFIX, hash_of, new_id, new_secret
from backend.accounts.errors import Conflict, InvalidInput, NotFound
from backend.accounts.fields import name_of
from backend.accounts.log import Actor, AuditLog
from backend.accounts.model import AccessToken, AuditKind, DeviceKey
from backend.accounts.repository import AccountStore
from backend.accounts.rules import DAY_NS, LONGEST_TOKEN_DAYS, MOST_TOKENS
from backend.accounts.steps import found
from backend.core.clock import Clock
from backend.core.rights import Scope

_KEY_NAME: Final = re.compile(r"[0-9A-Za-z_.-]{1,64}")


class Tokens:
    """A user's personal tokens. A secret is handed out when it is made, and never again."""

    def __init__(self, store: AccountStore, clock: Clock, log: AuditLog) -> None:
        self._store = store
        self._clock = clock
        self._log = log

    async def make(
        self, name: str, scopes: Collection[Scope], days: int, actor: Actor
    ) -> tuple[AccessToken, str]:
        """The token and its secret. Raises `InvalidInput`, `Conflict`."""
        called = name_of(name, "name")
        if not called:
            raise InvalidInput("name", "A token needs a name by which you will know it.")
        if not scopes:
            raise InvalidInput("scopes", "A token needs at least one scope.")
        if not 1 <= days <= LONGEST_TOKEN_DAYS:
            raise InvalidInput("days", f"A token lasts 1 to {LONGEST_TOKEN_DAYS} days.")
        secret, now = new_secret(TOKEN_PREFIX), self._clock.now_ns()
        token = AccessToken(
            new_id(), actor.user_id, called, frozenset(scopes), now, now + days * DAY_NS, None, ""
        )
        async with self._store.begin(alone=True) as within:
            user = await found(within, actor.user_id)
            if Scope.ADMIN in scopes and not user.is_admin:
                raise InvalidInput("scopes", "Only an administrator's token can have the scope ADMIN.")
            if len(await within.tokens.of(user.id)) >= MOST_TOKENS:
                raise Conflict(f"You have {MOST_TOKENS} tokens: delete one first.")
            await within.tokens.add(token, hash_of(secret))
            said = ",".join(sorted(scopes))
            await self._log.write(
                within, AuditKind.TOKEN_MADE, actor, user.id, token=called, scopes=said, days=days
            )
        return token, secret

    async def of(self, user_id: str) -> Sequence[AccessToken]:
        async with self._store.begin() as within:
            return await within.tokens.of(user_id)

    async def delete(self, token_id: str, actor: Actor) -> None:
        """Raises `NotFound` for one that is not the actor's."""
        async with self._store.begin() as within:
            if not await within.tokens.delete(token_id, actor.user_id):
                raise NotFound("There is no such token.")
            await self._log.write(within, AuditKind.TOKEN_DELETED, actor, actor.user_id)


class DeviceKeys:
    """Keys by which devices push."""

    def __init__(self, store: AccountStore, clock: Clock, log: AuditLog) -> None:
        self._store = store
        self._clock = clock
        self._log = log

    async def make(self, name: str, network: str, actor: Actor) -> tuple[DeviceKey, str]:
        """The key and its secret. Raises `InvalidInput`, `Conflict`."""
        if not _KEY_NAME.fullmatch(name):
            raise InvalidInput("name", "A device's name is 1 to 64 letters, digits, `_`, `.` or `-`.")
        try:
            good_from = str(ipaddress.ip_network(network.strip())) if network.strip() else ""
        except ValueError:
            raise InvalidInput("network", "This is no network: expected such as 10.0.0.0/8.") from None
        secret = new_secret(KEY_PREFIX)
        key = DeviceKey(new_id(), name, good_from, self._clock.now_ns(), None)
        async with self._store.begin(alone=True) as within:
            if await within.keys.named(name):
                raise Conflict(f"There is a key of the name {name} already.")
            await within.keys.add(key, hash_of(secret))
            await self._log.write(within, AuditKind.KEY_MADE, actor, key=name, network=good_from)
        return key, secret

    async def all(self) -> Sequence[DeviceKey]:
        async with self._store.begin() as within:
            return await within.keys.all()

    async def delete(self, key_id: str, actor: Actor) -> None:
        """Raises `NotFound`."""
        async with self._store.begin(alone=True) as within:
            key = await within.keys.delete(key_id)
            if key is None:
                raise NotFound("There is no such key.")
            await self._log.write(within, AuditKind.KEY_DELETED, actor, key=key.name)
