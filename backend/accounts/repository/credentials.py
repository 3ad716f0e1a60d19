"""Sessions, personal tokens and device keys, each found by the hash of its secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, exists, insert, select, update

from backend.accounts.model import AccessToken, DeviceKey, Session, User, UserState
from backend.accounts.repository.rows import Table, columns, pick, values
from backend.accounts.rules import TOUCH_NS
from backend.core.rights import Scope
from backend.db.account_tables import DeviceKeyRow, SessionRow, TokenRow, UserRow


class SessionTable(Table):
    async def add(self, session: Session, secret_hash: str) -> None:
        await self._change(insert(SessionRow).values({**values(session), "secret_hash": secret_hash}))

    async def with_secret(self, secret_hash: str) -> tuple[Session, User] | None:
        chosen = (
            select(*columns(SessionRow, Session), UserRow.is_admin, UserRow.state)
            .join(UserRow, UserRow.id == SessionRow.user_id)
            .where(SessionRow.secret_hash == secret_hash)
        )
        row = await self._row(chosen)
        return None if row is None else (Session(**_part(row, Session)), _holder(row))

    async def of(self, user_id: str) -> Sequence[Session]:
        chosen = pick(SessionRow, Session).where(SessionRow.user_id == user_id)
        return [Session(**row) for row in await self._rows(chosen.order_by(SessionRow.used_ns.desc()))]

    async def living(self, ids: Iterable[str]) -> Sequence[tuple[Session, User]]:
        chosen = (
            select(*columns(SessionRow, Session), UserRow.is_admin, UserRow.state)
            .join(UserRow, UserRow.id == SessionRow.user_id)
            .where(SessionRow.id.in_(list(ids)))
        )
        return [(Session(**_part(row, Session)), _holder(row)) for row in await self._rows(chosen)]

    async def touch(self, ids: Sequence[str], at_ns: int) -> None:
        await self._change(update(SessionRow).where(SessionRow.id.in_(ids)).values(used_ns=at_ns))

    async def touch_stale(self, ids: Sequence[str], at_ns: int) -> None:
        """Those that were not touched for a while; usually none, and then nothing is written."""
        stale = (SessionRow.id.in_(ids), SessionRow.used_ns < at_ns - TOUCH_NS)
        if await self._session.scalar(select(exists().where(*stale))):
            await self._change(update(SessionRow).where(*stale).values(used_ns=at_ns))

    async def end(self, session_id: str, user_id: str) -> bool:
        chosen = delete(SessionRow).where(SessionRow.id == session_id, SessionRow.user_id == user_id)
        return await self._change(chosen) == 1

    async def end_all(self, user_id: str, but: str = "") -> int:
        return await self._change(
            delete(SessionRow).where(SessionRow.user_id == user_id, SessionRow.id != but)
        )

    async def end_stale(self, created_before_ns: int, used_before_ns: int) -> int:
        old = (SessionRow.created_ns < created_before_ns) | (SessionRow.used_ns < used_before_ns)
        return await self._change(delete(SessionRow).where(old))


class TokenTable(Table):
    async def add(self, token: AccessToken, secret_hash: str) -> None:
        row = {**values(token), "scopes": ",".join(sorted(token.scopes)), "secret_hash": secret_hash}
        await self._change(insert(TokenRow).values(row))

    async def with_secret(self, secret_hash: str) -> tuple[AccessToken, User] | None:
        return next(iter(await self._with_users(TokenRow.secret_hash == secret_hash)), None)

    async def living(self, ids: Iterable[str]) -> Sequence[tuple[AccessToken, User]]:
        return await self._with_users(TokenRow.id.in_(list(ids)))

    async def of(self, user_id: str) -> Sequence[AccessToken]:
        chosen = pick(TokenRow, AccessToken).where(TokenRow.user_id == user_id)
        return [_token(row) for row in await self._rows(chosen.order_by(TokenRow.created_ns, TokenRow.id))]

    async def used(self, token_id: str, at_ns: int, address: str) -> None:
        chosen = update(TokenRow).where(TokenRow.id == token_id)
        await self._change(chosen.values(used_ns=at_ns, address=address))

    async def delete(self, token_id: str, user_id: str) -> bool:
        chosen = delete(TokenRow).where(TokenRow.id == token_id, TokenRow.user_id == user_id)
        return await self._change(chosen) == 1

    async def _with_users(self, condition: Any) -> Sequence[tuple[AccessToken, User]]:
        chosen = select(*columns(TokenRow, AccessToken), UserRow.is_admin, UserRow.state)
        rows = await self._rows(chosen.join(UserRow, UserRow.id == TokenRow.user_id).where(condition))
        return [(_token(_part(row, AccessToken)), _holder(row)) for row in rows]


class DeviceKeyTable(Table):
    async def add(self, key: DeviceKey, secret_hash: str) -> None:
        await self._change(insert(DeviceKeyRow).values({**values(key), "secret_hash": secret_hash}))

    async def all(self) -> Sequence[DeviceKey]:
        return [
            DeviceKey(**row)
            for row in await self._rows(pick(DeviceKeyRow, DeviceKey).order_by(DeviceKeyRow.name))
        ]

    async def hashes(self) -> Mapping[str, DeviceKey]:
        """Every key by the hash of its secret."""
        chosen = select(*columns(DeviceKeyRow, DeviceKey), DeviceKeyRow.secret_hash)
        return {row["secret_hash"]: DeviceKey(**_part(row, DeviceKey)) for row in await self._rows(chosen)}

    async def named(self, name: str) -> DeviceKey | None:
        row = await self._row(pick(DeviceKeyRow, DeviceKey).where(DeviceKeyRow.name == name))
        return None if row is None else DeviceKey(**row)

    async def used(self, key_id: str, at_ns: int) -> None:
        await self._change(update(DeviceKeyRow).where(DeviceKeyRow.id == key_id).values(used_ns=at_ns))

    async def delete(self, key_id: str) -> DeviceKey | None:
        row = await self._row(pick(DeviceKeyRow, DeviceKey).where(DeviceKeyRow.id == key_id))
        await self._change(delete(DeviceKeyRow).where(DeviceKeyRow.id == key_id))
        return None if row is None else DeviceKey(**row)


def _part(row: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    names = kind.__dataclass_fields__
    return {name: value for name, value in row.items() if name in names}


def _token(row: Mapping[str, Any]) -> AccessToken:
    scopes = frozenset(Scope(word) for word in row["scopes"].split(",") if word)
    return AccessToken(**{**row, "scopes": scopes})


def _holder(row: Mapping[str, Any]) -> User:
    """Of whose user only what rights depend on is known here: no need to read more a thousand times a second."""
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
