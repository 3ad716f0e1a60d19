"""From a sign-up to an account, by mailed links; and a forgotten password.

No answer here tells whether an address is known: texts are the same, and so is the time that they take.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.accounts.credentials import hash_of, new_id
from backend.accounts.errors import Conflict, InvalidInput, LinkSpent
from backend.accounts.fields import email_of, key_of, name_of
from backend.accounts.log import Actor, AuditLog
from backend.accounts.model import AuditKind, MailKind, MailToken, Purpose, User, UserEvent, UserState
from backend.accounts.passwords import Passwords, check_password
from backend.accounts.rates import LINK_ADDRESS, LOG_IN_ACCOUNT, MAIL_ACCOUNT, SIGN_UP_ADDRESS, Rates
from backend.accounts.repository import AccountStore, Repository
from backend.accounts.steps import found, post, transit
from backend.core.clock import Clock

_UNCONFIRMED = (UserState.CREATED, UserState.WAITING_CONFIRMATION_EMAIL)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody who signs up writes."""

    email: str
    password: str
    first_name: str
    last_name: str


@dataclass(frozen=True, slots=True)
class Link:
    """What a mailed link is for, and about whom."""

    purpose: Purpose
    user: User


class SignUps:
    def __init__(
        self, store: AccountStore, clock: Clock, passwords: Passwords, rates: Rates, log: AuditLog
    ) -> None:
        self._store = store
        self._clock = clock
        self._passwords = passwords
        self._rates = rates
        self._log = log

    async def sign_up(self, wish: Wish, address: str) -> None:
        """A mail tells what comes next. Raises `InvalidInput` and `TooManyAttempts`."""
        email = email_of(wish.email)
        first, last = name_of(wish.first_name, "firstName"), name_of(wish.last_name, "lastName")
        if not first and not last:
            raise InvalidInput("lastName", "The administrators need a name to decide on.")
        check_password(wish.password, [email, *email.split("@"), first, last])
        await self._rates.take("sign-up", address, SIGN_UP_ADDRESS)
        async with self._rates.minimum_duration():
            await self._rates.take("mail", key_of(email), MAIL_ACCOUNT)
            user = User(
                id=new_id(),
                email=email,
                email_key=key_of(email),
                password_hash=await self._passwords.hash(wish.password),
                first_name=first,
                last_name=last,
                picture_url="",
                is_admin=False,
                state=UserState.CREATED,
                created_ns=self._clock.now_ns(),
                login_ns=None,
            )
            async with self._store.begin(alone=True) as within:
                await self._enter(within, user, Actor(address=address))

    async def _enter(self, within: Repository, user: User, actor: Actor) -> None:
        known = await within.users.with_email(user.email_key)
        if known is None:
            await within.users.add(user)
            await self._log.write(within, AuditKind.SIGNED_UP, actor, user.id)
            await post(within, self._clock, MailKind.CONFIRMATION, user.id, user.id)
        elif known.state in _UNCONFIRMED:
            # Nobody has shown yet whose address it is: the last who says so gets the link, and with it needs the password.
            await within.users.change(
                known.id,
                password_hash=user.password_hash,
                first_name=user.first_name,
                last_name=user.last_name,
            )
            await within.links.drop(known.id, Purpose.CONFIRM)
            await within.outbox.drop(MailKind.CONFIRMATION, known.id)
            await self._log.write(within, AuditKind.SIGNED_UP, actor, known.id, again=True)
            await post(within, self._clock, MailKind.CONFIRMATION, known.id, known.id)
        else:
            await post(within, self._clock, MailKind.KNOWN_ADDRESS, known.id, known.id)

    async def link(self, secret: str, address: str) -> Link:
        """What a link would do, for the page that asks. Uses nothing up. Raises `LinkSpent`, `TooManyAttempts`."""
        await self._rates.take("link", address, LINK_ADDRESS)
        async with self._store.begin() as within:
            token = await self._living(within, secret)
            return Link(token.purpose, await found(within, token.user_id))

    async def confirm(self, secret: str, password: str, address: str) -> None:
        """The address is the user's: they have its mail, and know the password of the sign-up.

        The password keeps somebody from signing up with another's address and having its owner confirm it.
        Raises `LinkSpent`, `InvalidInput` for another password, `TooManyAttempts`.
        """
        await self._rates.take("link", address, LINK_ADDRESS)
        async with self._store.begin() as within:
            token = await self._living(within, secret, Purpose.CONFIRM)
            user = await found(within, token.user_id)
        await self._rates.take("confirm", user.id, LOG_IN_ACCOUNT)
        if not await self._passwords.matches(password, user.password_hash):
            raise InvalidInput("password", "This is not the password of the sign-up.")
        actor = Actor(user.id, address)
        async with self._store.begin(alone=True) as within:
            user = await found(within, token.user_id)
            if not await within.links.take(token.secret_hash, self._clock.now_ns()):
                raise LinkSpent
            state = user.state
            if state is UserState.CREATED:  # faster than the note that the mail was sent
                state = await transit(within, self._log, user.id, state, UserEvent.EMAIL_SENT, actor)
            await transit(within, self._log, user.id, state, UserEvent.CONFIRM_EMAIL, actor)
            await within.links.drop(user.id, Purpose.CONFIRM)
            await within.outbox.drop(MailKind.CONFIRMATION, user.id)
            await self._log.write(within, AuditKind.CONFIRMED, actor, user.id)

    async def decide(self, secret: str, *, approve: bool, address: str) -> User:
        """An administrator's word, by mailed link. Raises `LinkSpent`, `Conflict`, `TooManyAttempts`."""
        await self._rates.take("link", address, LINK_ADDRESS)
        async with self._store.begin(alone=True) as within:
            token = await self._living(within, secret, Purpose.DECIDE)
            holder = await found(within, token.holder_id)
            if not (holder.is_admin and holder.may_enter):
                raise Conflict("This link was sent to somebody who is no administrator any more.")
            user = await found(within, token.user_id)
            await decide(
                within, self._log, self._clock, user, approve=approve, actor=Actor(holder.id, address)
            )
            return await found(within, user.id)

    async def ask_reset(self, email: str, address: str) -> None:
        """A mail with a link, if the address is a user's. Raises `InvalidInput`, `TooManyAttempts`."""
        key = key_of(email_of(email))
        await self._rates.take("sign-up", address, SIGN_UP_ADDRESS)
        async with self._rates.minimum_duration():
            await self._rates.take("mail", key, MAIL_ACCOUNT)
            async with self._store.begin(alone=True) as within:
                user = await within.users.with_email(key)
                if user is not None and user.state not in _UNCONFIRMED:
                    await self._log.write(within, AuditKind.RESET_ASKED, Actor(address=address), user.id)
                    await post(within, self._clock, MailKind.RESET, user.id, user.id)

    async def reset(self, secret: str, password: str, address: str) -> None:
        """A new password; all sessions of the user end. Raises `LinkSpent`, `InvalidInput`, `TooManyAttempts`."""
        await self._rates.take("link", address, LINK_ADDRESS)
        async with self._store.begin() as within:
            token = await self._living(within, secret, Purpose.RESET)
            user = await found(within, token.user_id)
        check_password(password, [user.email, *user.email.split("@"), user.first_name, user.last_name])
        hashed = await self._passwords.hash(password)
        async with self._store.begin(alone=True) as within:
            if not await within.links.take(token.secret_hash, self._clock.now_ns()):
                raise LinkSpent
            await within.users.change(user.id, password_hash=hashed)
            await within.links.drop(user.id, Purpose.RESET)
            await within.sessions.end_all(user.id)
            await self._log.write(
                within, AuditKind.PASSWORD_CHANGED, Actor(user.id, address), user.id, by="mail"
            )
            await post(within, self._clock, MailKind.PASSWORD_CHANGED, user.id, user.id)
        await self._rates.forget("log-in", user.email_key)

    async def _living(self, within: Repository, secret: str, purpose: Purpose | None = None) -> MailToken:
        token = await within.links.look(hash_of(secret), self._clock.now_ns())
        if token is None or purpose not in (None, token.purpose):
            raise LinkSpent
        return token


async def decide(
    within: Repository, log: AuditLog, clock: Clock, user: User, *, approve: bool, actor: Actor
) -> None:
    """An administrator has decided on a user who waits: the links about it are used up, and the user is told."""
    state = user.state
    if state is UserState.CONFIRMED:  # whoever decides has been told of it
        state = await transit(within, log, user.id, state, UserEvent.NOTIFY_ADMIN, actor)
    event = UserEvent.APPROVE if approve else UserEvent.DISAPPROVE
    await transit(within, log, user.id, state, event, actor)
    await within.links.drop(user.id, Purpose.DECIDE)
    await within.outbox.drop(MailKind.AUTHORIZATION, user.id)
    told = MailKind.APPROVED if approve else MailKind.DISAPPROVED
    await post(within, clock, told, user.id, user.id)
