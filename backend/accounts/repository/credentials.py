"""Tables of sessions, personal tokens and device keys. Each is looked up by the hash of its secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, exists, insert, select, update

from backend.accounts.model import AccessToken, DeviceKey, Session, User, UserState
from backend.accounts.repository.rows import Table, columns, pick, values
from backend.accounts.rules import USE_RESOLUTION_NS
from backend.core.rights import TokenScope
from backend.db.account_tables import DeviceKeyRow, SessionRow, TokenRow, UserRow


class SessionTable(Table):
    async def add(self, session: Session, secret_hash: str) -> None:
        await self._change(insert(SessionRow).values({**values(session), "secret_hash": secret_hash}))

    async def find_by_secret(self, secret_hash: str) -> tuple[Session, User] | None:
        query = (
            select(*columns(SessionRow, Session), UserRow.is_admin, UserRow.state)
            .join(UserRow, UserRow.id == SessionRow.user_id)
            .where(SessionRow.secret_hash == secret_hash)
        )
        row = await self._row(query)
        return None if row is None else (Session(**_fields_of(row, Session)), _owner(row))

    async def list_for_user(self, user_id: str) -> Sequence[Session]:
        query = pick(SessionRow, Session).where(SessionRow.user_id == user_id)
        return [Session(**row) for row in await self._rows(query.order_by(SessionRow.used_ns.desc()))]

    async def find_many(self, ids: Iterable[str]) -> Sequence[tuple[Session, User]]:
        query = (
            select(*columns(SessionRow, Session), UserRow.is_admin, UserRow.state)
            .join(UserRow, UserRow.id == SessionRow.user_id)
            .where(SessionRow.id.in_(list(ids)))
        )
        return [(Session(**_fields_of(row, Session)), _owner(row)) for row in await self._rows(query)]

    async def record_use(self, ids: Sequence[str], at_ns: int) -> None:
        await self._change(update(SessionRow).where(SessionRow.id.in_(ids)).values(used_ns=at_ns))

    async def record_use_if_old(self, ids: Sequence[str], at_ns: int) -> None:
        """Record the use of those sessions whose recorded use is old. Usually there are none; then nothing is written."""
        stale = (SessionRow.id.in_(ids), SessionRow.used_ns < at_ns - USE_RESOLUTION_NS)
        if await self._session.scalar(select(exists().where(*stale))):
            await self._change(update(SessionRow).where(*stale).values(used_ns=at_ns))

    async def delete(self, session_id: str, user_id: str) -> bool:
        query = delete(SessionRow).where(SessionRow.id == session_id, SessionRow.user_id == user_id)
        return await self._change(query) == 1

    async def delete_for_user(self, user_id: str, except_id: str = "") -> int:
        return await self._change(
            delete(SessionRow).where(SessionRow.user_id == user_id, SessionRow.id != except_id)
        )

    async def delete_expired(self, created_before_ns: int, used_before_ns: int) -> int:
        is_expired = (SessionRow.created_ns < created_before_ns) | (SessionRow.used_ns < used_before_ns)
        return await self._change(delete(SessionRow).where(is_expired))


class TokenTable(Table):
    async def add(self, token: AccessToken, secret_hash: str) -> None:
        row = {**values(token), "scopes": ",".join(sorted(token.scopes)), "secret_hash": secret_hash}
        await self._change(insert(TokenRow).values(row))

    async def find_by_secret(self, secret_hash: str) -> tuple[AccessToken, User] | None:
        return next(iter(await self._with_users(TokenRow.secret_hash == secret_hash)), None)

    async def find_many(self, ids: Iterable[str]) -> Sequence[tuple[AccessToken, User]]:
        return await self._with_users(TokenRow.id.in_(list(ids)))

    async def list_for_user(self, user_id: str) -> Sequence[AccessToken]:
        query = pick(TokenRow, AccessToken).where(TokenRow.user_id == user_id)
        return [_token(row) for row in await self._rows(query.order_by(TokenRow.created_ns, TokenRow.id))]

    async def record_use(self, token_id: str, at_ns: int, address: str) -> None:
        query = update(TokenRow).where(TokenRow.id == token_id)
        await self._change(query.values(used_ns=at_ns, address=address))

    async def delete(self, token_id: str, user_id: str) -> bool:
        query = delete(TokenRow).where(TokenRow.id == token_id, TokenRow.user_id == user_id)
        return await self._change(query) == 1

    async def _with_users(self, condition: Any) -> Sequence[tuple[AccessToken, User]]:
        query = select(*columns(TokenRow, AccessToken), UserRow.is_admin, UserRow.state)
        rows = await self._rows(query.join(UserRow, UserRow.id == TokenRow.user_id).where(condition))
        return [(_token(_fields_of(row, AccessToken)), _owner(row)) for row in rows]


class DeviceKeyTable(Table):
    async def add(self, key: DeviceKey, secret_hash: str) -> None:
        await self._change(insert(DeviceKeyRow).values({**values(key), "secret_hash": secret_hash}))

    async def list_all(self) -> Sequence[DeviceKey]:
        return [
            DeviceKey(**row)
            for row in await self._rows(pick(DeviceKeyRow, DeviceKey).order_by(DeviceKeyRow.name))
        ]

    async def by_hash(self) -> Mapping[str, DeviceKey]:
        """Return all keys by the hash of their secret."""
        query = select(*columns(DeviceKeyRow, DeviceKey), DeviceKeyRow.secret_hash)
        return {
            row["secret_hash"]: DeviceKey(**_fields_of(row, DeviceKey)) for row in await self._rows(query)
        }

    async def find_by_name(self, name: str) -> DeviceKey | None:
        row = await self._row(pick(DeviceKeyRow, DeviceKey).where(DeviceKeyRow.name == name))
        return None if row is None else DeviceKey(**row)

    async def record_use(self, key_id: str, at_ns: int) -> None:
        await self._change(update(DeviceKeyRow).where(DeviceKeyRow.id == key_id).values(used_ns=at_ns))

    async def delete(self, key_id: str) -> DeviceKey | None:
        row = await self._row(pick(DeviceKeyRow, DeviceKey).where(DeviceKeyRow.id == key_id))
        await self._change(delete(DeviceKeyRow).where(DeviceKeyRow.id == key_id))
        return None if row is None else DeviceKey(**row)


def _fields_of(row: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    names = kind.__dataclass_fields__
    return {name: value for name, value in row.items() if name in names}


def _token(row: Mapping[str, Any]) -> AccessToken:
    scopes = frozenset(TokenScope(word) for word in row["scopes"].split(",") if word)
    return AccessToken(**{**row, "scopes": scopes})


def _owner(row: Mapping[str, Any]) -> User:
    """Return the user with only those fields that rights depend on: this query runs about a thousand times a second."""
    return User(
        id=row["user_id"],
        email="",
        email_key="",
        password_hash="",
        first_name="",
        last_name="",
        picture_url="",
        is_admin=row["is_admin"],
        state=UserState(row["state"]),
        created_ns=0,
        login_ns=None,
    )
