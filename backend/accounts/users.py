"""User management by administrators and operators, and changes that users make to their own account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.accounts.credentials import new_id
from backend.accounts.errors import Conflict, InvalidInput, NotFound
from backend.accounts.fields import normalize_email, parse_email, parse_name, parse_picture_url
from backend.accounts.log import Actor, AuditLog
from backend.accounts.model import AuditKind, MailKind, User, UserEvent, UserState, events_leading_to
from backend.accounts.passwords import Passwords, check_password
from backend.accounts.rates import LOG_IN_ACCOUNT, Rates
from backend.accounts.repository import AccountStore
from backend.accounts.repository.users import UserFilter
from backend.accounts.sign_up import decide
from backend.accounts.user_steps import change_state, enqueue_mail, get_user, require_another_admin
from backend.core.clock import Clock


class UserService:
    """Checks whether an action is possible. The caller checks the rights."""

    def __init__(
        self, store: AccountStore, clock: Clock, passwords: Passwords, rates: Rates, log: AuditLog
    ) -> None:
        self._store = store
        self._clock = clock
        self._passwords = passwords
        self._rates = rates
        self._log = log

    async def find(self, user_id: str) -> User | None:
        async with self._store.begin() as repo:
            return await repo.users.find(user_id)

    async def find_by_email(self, email: str) -> User:
        """Return the user with this address. Raises `NotFound`."""
        async with self._store.begin() as repo:
            user = await repo.users.find_by_email(normalize_email(email))
        if user is None:
            raise NotFound(f"There is no user with the address {email}.")
        return user

    async def find_many(self, ids: Sequence[str]) -> Mapping[str, User]:
        async with self._store.begin() as repo:
            return await repo.users.find_many(ids)

    async def page(self, user_filter: UserFilter, first: int, skip: int) -> tuple[Sequence[User], int]:
        async with self._store.begin() as repo:
            return await repo.users.page(user_filter, first, skip)

    async def add(self, email: str, password: str, *, admin: bool, actor: Actor, name: str = "") -> User:
        """Add an authorized user without any mail: an operator adds it. Raises `InvalidInput`, `Conflict`."""
        address = parse_email(email)
        check_password(password, [address, *address.split("@")])
        user = User(
            id=new_id(),
            email=address,
            email_key=normalize_email(address),
            password_hash=await self._passwords.hash(password),
            first_name="",
            last_name=parse_name(name, "name"),
            picture_url="",
            is_admin=admin,
            state=UserState.CREATED,
            created_ns=self._clock.now_ns(),
            login_ns=None,
        )
        async with self._store.begin(exclusive=True) as repo:
            if await repo.users.find_by_email(user.email_key):
                raise Conflict(f"A user with the address {address} already exists.")
            await repo.users.add(user)
            await self._log.write(repo, AuditKind.USER_ADDED, actor, user.id, admin=admin)
            state = user.state
            for event in events_leading_to(state, UserState.AUTHORIZED) or ():
                state = await change_state(repo, self._log, user.id, state, event, actor)
            return await get_user(repo, user.id)

    async def authorize(self, user_id: str, actor: Actor) -> User:
        """Authorize a user in any state, through all states between. For an operator, when a sign-up does not get through."""
        async with self._store.begin(exclusive=True) as repo:
            user = await get_user(repo, user_id)
            state = user.state
            for event in events_leading_to(state, UserState.AUTHORIZED) or ():
                state = await change_state(repo, self._log, user.id, state, event, actor)
            return await get_user(repo, user_id)

    async def decide(self, user_id: str, *, approve: bool, actor: Actor) -> User:
        async with self._store.begin(exclusive=True) as repo:
            user = await get_user(repo, user_id)
            await decide(repo, self._log, self._clock, user, approve=approve, actor=actor)
            return await get_user(repo, user_id)

    async def deauthorize(self, user_id: str, actor: Actor) -> User:
        """Withdraw the authorization. Sessions end at once; tokens are refused until the user is authorized again."""
        async with self._store.begin(exclusive=True) as repo:
            user = await get_user(repo, user_id)
            await require_another_admin(repo, user)
            await change_state(repo, self._log, user_id, user.state, UserEvent.DEAUTHORIZE, actor)
            await repo.sessions.delete_for_user(user_id)
            return await get_user(repo, user_id)

    async def reauthorize(self, user_id: str, actor: Actor) -> User:
        async with self._store.begin(exclusive=True) as repo:
            user = await get_user(repo, user_id)
            await change_state(repo, self._log, user_id, user.state, UserEvent.REAUTHORIZE, actor)
            return await get_user(repo, user_id)

    async def set_admin(self, user_id: str, actor: Actor, *, admin: bool) -> User:
        """Make the user an administrator, or remove the role.

        Raises `Conflict` if nothing would change, for a user who is not authorized, and for the only administrator.
        """
        async with self._store.begin(exclusive=True) as repo:
            user = await get_user(repo, user_id)
            if user.is_admin == admin:
                raise Conflict(f"The user is {'already' if admin else 'not'} an administrator.")
            if admin and not user.can_log_in:
                raise Conflict(
                    "Only an authorized user can become an administrator. Authorize the user first."
                )
            if not admin:
                await require_another_admin(repo, user)
            await repo.users.update(user_id, is_admin=admin)
            await self._log.write(repo, AuditKind.PROMOTED if admin else AuditKind.DEMOTED, actor, user_id)
            return await get_user(repo, user_id)

    async def delete(self, user_id: str, actor: Actor) -> None:
        """Delete the user with all sessions, tokens, links and mails. Audit entries keep only the id, which then names nobody."""
        async with self._store.begin(exclusive=True) as repo:
            user = await get_user(repo, user_id)
            await require_another_admin(repo, user)
            await repo.users.delete(user_id)
            await self._log.write(repo, AuditKind.USER_DELETED, actor, user_id)

    async def set_password(self, user_id: str, password: str, actor: Actor) -> None:
        """Set a password, for an operator. All sessions of the user end."""
        async with self._store.begin() as repo:
            user = await get_user(repo, user_id)
        check_password(password, _related_words(user))
        await self._store_password(user, password, actor, by="operator")

    async def change_password(self, user_id: str, current: str, password: str, actor: Actor) -> None:
        """Change the password. All sessions of the user end, this one too. Raises `InvalidInput`, `TooManyAttempts`."""
        user = await self.verify_password(user_id, current, "currentPassword")
        check_password(password, _related_words(user), "newPassword")
        await self._store_password(user, password, actor, by="user")

    async def is_password_correct(self, user_id: str, password: str) -> bool:
        async with self._store.begin() as repo:
            user = await get_user(repo, user_id)
        return await self._passwords.matches(password, user.password_hash)

    async def verify_password(self, user_id: str, password: str, field: str) -> User:
        """Verify the password again before a critical action, in case the screen was left unattended.

        Raises `InvalidInput` for the input field `field`, `TooManyAttempts`.
        """
        async with self._store.begin() as repo:
            user = await get_user(repo, user_id)
        await self._rates.take("prove", user_id, LOG_IN_ACCOUNT)
        if not await self._passwords.matches(password, user.password_hash):
            raise InvalidInput(field, "The password is wrong.")
        await self._rates.forget("prove", user_id)
        return user

    async def change_profile(
        self, user_id: str, first_name: str, last_name: str, picture_url: str, actor: Actor
    ) -> User:
        new_values = {
            "first_name": parse_name(first_name, "firstName"),
            "last_name": parse_name(last_name, "lastName"),
            "picture_url": parse_picture_url(picture_url),
        }
        async with self._store.begin(exclusive=True) as repo:
            await get_user(repo, user_id)
            await repo.users.update(user_id, **new_values)
            await self._log.write(repo, AuditKind.PROFILE_CHANGED, actor, user_id)
            return await get_user(repo, user_id)

    async def _store_password(self, user: User, password: str, actor: Actor, by: str) -> None:
        password_hash = await self._passwords.hash(password)
        async with self._store.begin(exclusive=True) as repo:
            await repo.users.update(user.id, password_hash=password_hash)
            await repo.sessions.delete_for_user(user.id)
            await self._log.write(repo, AuditKind.PASSWORD_CHANGED, actor, user.id, by=by)
            await enqueue_mail(repo, self._clock, MailKind.PASSWORD_CHANGED, user.id, user.id)
        await self._rates.forget("log-in", user.email_key)


def _related_words(user: User) -> list[str]:
    return [user.email, *user.email.split("@"), user.first_name, user.last_name]
