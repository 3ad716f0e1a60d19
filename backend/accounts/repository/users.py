"""Users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, exists, func, insert, or_, select, update

from backend.accounts.model import User, UserState
from backend.accounts.repository.rows import Table, pick, values
from backend.db.account_tables import UserRow


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users; None and empty mean all."""

    state: UserState | None = None
    search: str = ""


class UserTable(Table):
    async def add(self, user: User) -> None:
        await self._change(insert(UserRow).values(values(user)))

    async def find(self, user_id: str) -> User | None:
        return _user(await self._row(pick(UserRow, User).where(UserRow.id == user_id)))

    async def with_email(self, email_key: str) -> User | None:
        return _user(await self._row(pick(UserRow, User).where(UserRow.email_key == email_key)))

    async def named(self, ids: Sequence[str]) -> Mapping[str, User]:
        rows = await self._rows(pick(UserRow, User).where(UserRow.id.in_(ids)))
        return {user.id: user for row in rows if (user := _user(row))}

    async def page(self, which: UserFilter, first: int, skip: int) -> tuple[Sequence[User], int]:
        """Some of them in the order in which they signed up, and how many there are."""
        conditions = _conditions(which)
        order = (UserRow.created_ns, UserRow.id)
        rows = await self._rows(
            pick(UserRow, User).where(*conditions).order_by(*order).limit(first).offset(skip)
        )
        count = await self._session.scalar(select(func.count()).select_from(UserRow).where(*conditions))
        return [user for row in rows if (user := _user(row))], count or 0

    async def in_state(self, state: UserState) -> Sequence[User]:
        rows = await self._rows(pick(UserRow, User).where(UserRow.state == state.value))
        return [user for row in rows if (user := _user(row))]

    async def admins(self) -> Sequence[User]:
        """Those who can act as administrators."""
        conditions = (UserRow.is_admin, UserRow.state == UserState.AUTHORIZED.value)
        rows = await self._rows(pick(UserRow, User).where(*conditions).order_by(UserRow.created_ns))
        return [user for row in rows if (user := _user(row))]

    async def move(self, user_id: str, start: UserState, end: UserState) -> bool:
        """False where the user is not in `start` any more."""
        chosen = update(UserRow).where(UserRow.id == user_id, UserRow.state == start.value)
        return await self._change(chosen.values(state=end.value)) == 1

    async def change(self, user_id: str, **columns: Any) -> None:
        await self._change(update(UserRow).where(UserRow.id == user_id).values(columns))

    async def drop_unconfirmed(self, before_ns: int) -> None:
        """Sign-ups of before then that nobody confirmed."""
        unconfirmed = (UserState.CREATED.value, UserState.WAITING_CONFIRMATION_EMAIL.value)
        old = (UserRow.state.in_(unconfirmed), UserRow.created_ns < before_ns)
        if await self._session.scalar(select(exists().where(*old))):
            await self._change(delete(UserRow).where(*old))

    async def delete(self, user_id: str) -> None:
        """With all that belongs to the user."""
        await self._change(delete(UserRow).where(UserRow.id == user_id))


def _conditions(which: UserFilter) -> list[Any]:
    conditions: list[Any] = []
    if which.state is not None:
        conditions.append(UserRow.state == which.state.value)
    for word in which.search.split():
        columns = (UserRow.email, UserRow.first_name, UserRow.last_name)
        conditions.append(or_(*(c.icontains(word, autoescape=True) for c in columns)))
    return conditions


def _user(row: Mapping[str, Any] | None) -> User | None:
    return None if row is None else User(**{**row, "state": UserState(row["state"])})
