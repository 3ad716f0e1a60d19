"""What administrators and operators do with users, and what users change about themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.accounts.credentials import new_id
from backend.accounts.errors import Conflict, InvalidInput, NotFound
from backend.accounts.fields import email_of, key_of, name_of, picture_of
from backend.accounts.log import Actor, AuditLog
from backend.accounts.model import AuditKind, MailKind, User, UserEvent, UserState, events_towards
from backend.accounts.passwords import Passwords, check_password
from backend.accounts.rates import LOG_IN_ACCOUNT, Rates
from backend.accounts.repository import AccountStore
from backend.accounts.repository.users import UserFilter
from backend.accounts.sign_up import decide
from backend.accounts.steps import found, keep_an_admin, post, transit
from backend.core.clock import Clock


class Users:
    """Rights are looked at where users come in; here it is looked at what can be."""

    def __init__(
        self, store: AccountStore, clock: Clock, passwords: Passwords, rates: Rates, log: AuditLog
    ) -> None:
        self._store = store
        self._clock = clock
        self._passwords = passwords
        self._rates = rates
        self._log = log

    async def find(self, user_id: str) -> User | None:
        async with self._store.begin() as within:
            return await within.users.find(user_id)

    async def with_email(self, email: str) -> User:
        """Raises `NotFound`."""
        async with self._store.begin() as within:
            user = await within.users.with_email(key_of(email))
        if user is None:
            raise NotFound(f"There is no user with the address {email}.")
        return user

    async def named(self, ids: Sequence[str]) -> Mapping[str, User]:
        async with self._store.begin() as within:
            return await within.users.named(ids)

    async def page(self, which: UserFilter, first: int, skip: int) -> tuple[Sequence[User], int]:
        async with self._store.begin() as within:
            return await within.users.page(which, first, skip)

    async def add(self, email: str, password: str, *, admin: bool, actor: Actor, name: str = "") -> User:
        """An authorized user, without mails: the operator vouches. Raises `InvalidInput`, `Conflict`."""
        address = email_of(email)
        check_password(password, [address, *address.split("@")])
        user = User(
            id=new_id(),
            email=address,
            email_key=key_of(address),
            password_hash=await self._passwords.hash(password),
            first_name="",
            last_name=name_of(name, "name"),
            picture_url="",
            is_admin=admin,
            state=UserState.CREATED,
            created_ns=self._clock.now_ns(),
            login_ns=None,
        )
        async with self._store.begin(alone=True) as within:
            if await within.users.with_email(user.email_key):
                raise Conflict(f"There is a user with the address {address} already.")
            await within.users.add(user)
            await self._log.write(within, AuditKind.USER_ADDED, actor, user.id, admin=admin)
            state = user.state
            for event in events_towards(state, UserState.AUTHORIZED) or ():
                state = await transit(within, self._log, user.id, state, event, actor)
            return await found(within, user.id)

    async def authorize(self, user_id: str, actor: Actor) -> User:
        """By whatever way leads there, for an operator who mends what got stuck."""
        async with self._store.begin(alone=True) as within:
            user = await found(within, user_id)
            state = user.state
            for event in events_towards(state, UserState.AUTHORIZED) or ():
                state = await transit(within, self._log, user.id, state, event, actor)
            return await found(within, user_id)

    async def decide(self, user_id: str, *, approve: bool, actor: Actor) -> User:
        async with self._store.begin(alone=True) as within:
            user = await found(within, user_id)
            await decide(within, self._log, self._clock, user, approve=approve, actor=actor)
            return await found(within, user_id)

    async def deauthorize(self, user_id: str, actor: Actor) -> User:
        """Sessions end at once; tokens are without power until the user is reauthorized."""
        async with self._store.begin(alone=True) as within:
            user = await found(within, user_id)
            await keep_an_admin(within, user)
            await transit(within, self._log, user_id, user.state, UserEvent.DEAUTHORIZE, actor)
            await within.sessions.end_all(user_id)
            return await found(within, user_id)

    async def reauthorize(self, user_id: str, actor: Actor) -> User:
        async with self._store.begin(alone=True) as within:
            user = await found(within, user_id)
            await transit(within, self._log, user_id, user.state, UserEvent.REAUTHORIZE, actor)
            return await found(within, user_id)

    async def set_admin(self, user_id: str, actor: Actor, *, admin: bool) -> User:
        """Promotes or demotes. Raises `Conflict` where it is so already, for who is not authorized, and for the last one."""
        async with self._store.begin(alone=True) as within:
            user = await found(within, user_id)
            if user.is_admin == admin:
                raise Conflict(f"The user is {'an' if admin else 'no'} administrator already.")
            if admin and not user.may_enter:
                raise Conflict("Only an authorized user can be promoted.")
            if not admin:
                await keep_an_admin(within, user)
            await within.users.change(user_id, is_admin=admin)
            await self._log.write(within, AuditKind.PROMOTED if admin else AuditKind.DEMOTED, actor, user_id)
            return await found(within, user_id)

    async def delete(self, user_id: str, actor: Actor) -> None:
        """With sessions, tokens, links and mails. The audit log keeps what was done, under an id that leads nowhere."""
        async with self._store.begin(alone=True) as within:
            user = await found(within, user_id)
            await keep_an_admin(within, user)
            await within.users.delete(user_id)
            await self._log.write(within, AuditKind.USER_DELETED, actor, user_id)

    async def set_password(self, user_id: str, password: str, actor: Actor) -> None:
        """For an operator. All sessions of the user end."""
        async with self._store.begin() as within:
            user = await found(within, user_id)
        check_password(password, _words(user))
        await self._keep_password(user, password, actor, by="operator")

    async def change_password(self, user_id: str, current: str, password: str, actor: Actor) -> None:
        """Raises `InvalidInput`, `TooManyAttempts`. All sessions of the user end; whoever changed it logs in anew."""
        user = await self.prove(user_id, current, "currentPassword")
        check_password(password, _words(user), "newPassword")
        await self._keep_password(user, password, actor, by="user")

    async def has_password(self, user_id: str, password: str) -> bool:
        async with self._store.begin() as within:
            user = await found(within, user_id)
        return await self._passwords.matches(password, user.password_hash)

    async def prove(self, user_id: str, password: str, where: str) -> User:
        """It is the user who sits there, not somebody at a screen left alone. Raises `InvalidInput`, `TooManyAttempts`."""
        async with self._store.begin() as within:
            user = await found(within, user_id)
        await self._rates.take("prove", user_id, LOG_IN_ACCOUNT)
        if not await self._passwords.matches(password, user.password_hash):
            raise InvalidInput(where, "This is not your password.")
        await self._rates.forget("prove", user_id)
        return user

    async def change_profile(
        self, user_id: str, first_name: str, last_name: str, picture_url: str, actor: Actor
    ) -> User:
        changed = {
            "first_name": name_of(first_name, "firstName"),
            "last_name": name_of(last_name, "lastName"),
            "picture_url": picture_of(picture_url),
        }
        async with self._store.begin(alone=True) as within:
            await found(within, user_id)
            await within.users.change(user_id, **changed)
            await self._log.write(within, AuditKind.PROFILE_CHANGED, actor, user_id)
            return await found(within, user_id)

    async def _keep_password(self, user: User, password: str, actor: Actor, by: str) -> None:
        hashed = await self._passwords.hash(password)
        async with self._store.begin(alone=True) as within:
            await within.users.change(user.id, password_hash=hashed)
            await within.sessions.end_all(user.id)
            await self._log.write(within, AuditKind.PASSWORD_CHANGED, actor, user.id, by=by)
            await post(within, self._clock, MailKind.PASSWORD_CHANGED, user.id, user.id)
        await self._rates.forget("log-in", user.email_key)


def _words(user: User) -> list[str]:
    return [user.email, *user.email.split("@"), user.first_name, user.last_name]
