"""Personal access tokens, and device keys for pushes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Sequence
from typing import Final

from backend.accounts.credentials import KEY_PREFIX, TOKEN_PREFIX, hash_secret, new_id, new_secret
from backend.accounts.errors import Conflict, InvalidInput, NotFound
from backend.accounts.fields import parse_name
from backend.accounts.log import Actor, AuditLog
from backend.accounts.model import AccessToken, AuditKind, DeviceKey
from backend.accounts.repository import AccountStore
from backend.accounts.rules import DAY_NS, MAX_TOKEN_DAYS, MAX_TOKENS
from backend.accounts.user_steps import get_user
from backend.core.clock import Clock
from backend.core.rights import TokenScope

_KEY_NAME: Final = re.compile(r"[0-9A-Za-z_.-]{1,64}")


class TokenService:
    """Manages a user's personal tokens. The secret of a token is available only when the token is created."""

    def __init__(self, store: AccountStore, clock: Clock, log: AuditLog) -> None:
        self._store = store
        self._clock = clock
        self._log = log

    async def create(
        self, name: str, scopes: Collection[TokenScope], days: int, actor: Actor
    ) -> tuple[AccessToken, str]:
        """Create a token, and return it with its secret. Raises `InvalidInput`, `Conflict`."""
        token_name = parse_name(name, "name")
        if not token_name:
            raise InvalidInput("name", "Enter a name for the token.")
        if not scopes:
            raise InvalidInput("scopes", "Select at least one scope.")
        if not 1 <= days <= MAX_TOKEN_DAYS:
            raise InvalidInput("days", f"Enter a lifetime of 1 to {MAX_TOKEN_DAYS} days.")
        secret, now = new_secret(TOKEN_PREFIX), self._clock.now_ns()
        token = AccessToken(
            new_id(), actor.user_id, token_name, frozenset(scopes), now, now + days * DAY_NS, None, ""
        )
        async with self._store.begin(exclusive=True) as repo:
            user = await get_user(repo, actor.user_id)
            if TokenScope.ADMIN in scopes and not user.is_admin:
                raise InvalidInput("scopes", "Only administrators can create tokens with the scope ADMIN.")
            if len(await repo.tokens.list_for_user(user.id)) >= MAX_TOKENS:
                raise Conflict(f"You already have {MAX_TOKENS} tokens, the maximum. Delete one first.")
            await repo.tokens.add(token, hash_secret(secret))
            scope_list = ",".join(sorted(scopes))
            await self._log.write(
                repo, AuditKind.TOKEN_MADE, actor, user.id, token=token_name, scopes=scope_list, days=days
            )
        return token, secret

    async def list_for_user(self, user_id: str) -> Sequence[AccessToken]:
        async with self._store.begin() as repo:
            return await repo.tokens.list_for_user(user_id)

    async def delete(self, token_id: str, actor: Actor) -> None:
        """Delete a token of the actor. Raises `NotFound` if the actor has no such token."""
        async with self._store.begin() as repo:
            if not await repo.tokens.delete(token_id, actor.user_id):
                raise NotFound("Token not found. It may have been deleted already.")
            await self._log.write(repo, AuditKind.TOKEN_DELETED, actor, actor.user_id)


class DeviceKeyService:
    """Manages the keys with which devices push readings."""

    def __init__(self, store: AccountStore, clock: Clock, log: AuditLog) -> None:
        self._store = store
        self._clock = clock
        self._log = log

    async def create(self, name: str, network: str, actor: Actor) -> tuple[DeviceKey, str]:
        """Create a key, and return it with its secret. Raises `InvalidInput`, `Conflict`."""
        if not _KEY_NAME.fullmatch(name):
            raise InvalidInput("name", "Enter a device name of 1 to 64 letters, digits, `_`, `.` or `-`.")
        try:
            key_network = str(ipaddress.ip_network(network.strip())) if network.strip() else ""
        except ValueError:
            raise InvalidInput(
                "network", "This is not a valid network. Enter a network such as 10.0.0.0/8."
            ) from None
        secret = new_secret(KEY_PREFIX)
        key = DeviceKey(new_id(), name, key_network, self._clock.now_ns(), None)
        async with self._store.begin(exclusive=True) as repo:
            if await repo.keys.find_by_name(name):
                raise Conflict(
                    f"A key named {name} already exists. Choose another name, or delete the existing key."
                )
            await repo.keys.add(key, hash_secret(secret))
            await self._log.write(repo, AuditKind.KEY_MADE, actor, key=name, network=key_network)
        return key, secret

    async def list_all(self) -> Sequence[DeviceKey]:
        async with self._store.begin() as repo:
            return await repo.keys.list_all()

    async def delete(self, key_id: str, actor: Actor) -> None:
        """Delete a key. Raises `NotFound`."""
        async with self._store.begin(exclusive=True) as repo:
            key = await repo.keys.delete(key_id)
            if key is None:
                raise NotFound("Key not found. It may have been deleted already.")
            await self._log.write(repo, AuditKind.KEY_DELETED, actor, key=key.name)
