"""The table of users."""

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
    """Selects users; None and empty mean all. Every word of `search` must occur in the address or a name."""

    state: UserState | None = None
    search: str = ""


class UserTable(Table):
    async def add(self, user: User) -> None:
        await self._change(insert(UserRow).values(values(user)))

    async def find(self, user_id: str) -> User | None:
        return _user(await self._row(pick(UserRow, User).where(UserRow.id == user_id)))

    async def find_by_email(self, email_key: str) -> User | None:
        return _user(await self._row(pick(UserRow, User).where(UserRow.email_key == email_key)))

    async def find_many(self, ids: Sequence[str]) -> Mapping[str, User]:
        rows = await self._rows(pick(UserRow, User).where(UserRow.id.in_(ids)))
        return {user.id: user for row in rows if (user := _user(row))}

    async def page(self, user_filter: UserFilter, first: int, skip: int) -> tuple[Sequence[User], int]:
        """Return a page of users in the order of their sign-up, and the total number."""
        conditions = _conditions(user_filter)
        order = (UserRow.created_ns, UserRow.id)
        rows = await self._rows(
            pick(UserRow, User).where(*conditions).order_by(*order).limit(first).offset(skip)
        )
        count = await self._session.scalar(select(func.count()).select_from(UserRow).where(*conditions))
        return [user for row in rows if (user := _user(row))], count or 0

    async def list_in_state(self, state: UserState) -> Sequence[User]:
        rows = await self._rows(pick(UserRow, User).where(UserRow.state == state.value))
        return [user for row in rows if (user := _user(row))]

    async def list_admins(self) -> Sequence[User]:
        """Return the authorized administrators."""
        conditions = (UserRow.is_admin, UserRow.state == UserState.AUTHORIZED.value)
        rows = await self._rows(pick(UserRow, User).where(*conditions).order_by(UserRow.created_ns))
        return [user for row in rows if (user := _user(row))]

    async def change_state(self, user_id: str, start: UserState, end: UserState) -> bool:
        """Change the state from `start` to `end`. Returns False if the user is no longer in `start`."""
        statement = update(UserRow).where(UserRow.id == user_id, UserRow.state == start.value)
        return await self._change(statement.values(state=end.value)) == 1

    async def update(self, user_id: str, **columns: Any) -> None:
        await self._change(update(UserRow).where(UserRow.id == user_id).values(columns))

    async def delete_unconfirmed(self, before_ns: int) -> None:
        """Delete the sign-ups before `before_ns` that were never confirmed."""
        unconfirmed = (UserState.CREATED.value, UserState.WAITING_CONFIRMATION_EMAIL.value)
        is_old = (UserRow.state.in_(unconfirmed), UserRow.created_ns < before_ns)
        if await self._session.scalar(select(exists().where(*is_old))):
            await self._change(delete(UserRow).where(*is_old))

    async def delete(self, user_id: str) -> None:
        """Delete the user with all sessions, tokens, links and mails."""
        await self._change(delete(UserRow).where(UserRow.id == user_id))


def _conditions(user_filter: UserFilter) -> list[Any]:
    conditions: list[Any] = []
    if user_filter.state is not None:
        conditions.append(UserRow.state == user_filter.state.value)
    for word in user_filter.search.split():
        columns = (UserRow.email, UserRow.first_name, UserRow.last_name)
        conditions.append(or_(*(c.icontains(word, autoescape=True) for c in columns)))
    return conditions


def _user(row: Mapping[str, Any] | None) -> User | None:
    return None if row is None else User(**{**row, "state": UserState(row["state"])})
