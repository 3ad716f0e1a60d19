"""Sign-up, confirmation, approval and password reset, all by mailed links.

No answer reveals whether an address is registered: the texts are the same, and so is the duration.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.accounts.credentials import hash_secret, new_id
from backend.accounts.errors import Conflict, InvalidInput, InvalidLink
from backend.accounts.fields import normalize_email, parse_email, parse_name
from backend.accounts.log import Actor, AuditLog
from backend.accounts.model import AuditKind, MailKind, MailToken, Purpose, User, UserEvent, UserState
from backend.accounts.passwords import Passwords, check_password
from backend.accounts.rates import LINK_ADDRESS, LOG_IN_ACCOUNT, MAIL_ACCOUNT, SIGN_UP_ADDRESS, Rates
from backend.accounts.repository import AccountStore, Repository
from backend.accounts.user_steps import change_state, enqueue_mail, get_user
from backend.core.clock import Clock

_UNCONFIRMED = (UserState.CREATED, UserState.WAITING_CONFIRMATION_EMAIL)


@dataclass(frozen=True, slots=True)
class SignUpRequest:
    """The input of a sign-up."""

    email: str
    password: str
    first_name: str
    last_name: str


@dataclass(frozen=True, slots=True)
class Link:
    """The purpose of a mailed link, and the user it concerns."""

    purpose: Purpose
    user: User


class SignUpService:
    def __init__(
        self, store: AccountStore, clock: Clock, passwords: Passwords, rates: Rates, log: AuditLog
    ) -> None:
        self._store = store
        self._clock = clock
        self._passwords = passwords
        self._rates = rates
        self._log = log

    async def sign_up(self, request: SignUpRequest, address: str) -> None:
        """Register a user, and mail the next step. Raises `InvalidInput`, `TooManyAttempts`."""
        email = parse_email(request.email)
        first, last = parse_name(request.first_name, "firstName"), parse_name(request.last_name, "lastName")
        if not first and not last:
            raise InvalidInput(
                "lastName", "Enter your name: an administrator needs it to approve your account."
            )
        check_password(request.password, [email, *email.split("@"), first, last])
        await self._rates.take("sign-up", address, SIGN_UP_ADDRESS)
        async with self._rates.minimum_duration():
            await self._rates.take("mail", normalize_email(email), MAIL_ACCOUNT)
            user = User(
                id=new_id(),
                email=email,
                email_key=normalize_email(email),
                password_hash=await self._passwords.hash(request.password),
                first_name=first,
                last_name=last,
                picture_url="",
                is_admin=False,
                state=UserState.CREATED,
                created_ns=self._clock.now_ns(),
                login_ns=None,
            )
            async with self._store.begin(exclusive=True) as repo:
                await self._store_sign_up(repo, user, Actor(address=address))

    async def _store_sign_up(self, repo: Repository, user: User, actor: Actor) -> None:
        existing = await repo.users.find_by_email(user.email_key)
        if existing is None:
            await repo.users.add(user)
            await self._log.write(repo, AuditKind.SIGNED_UP, actor, user.id)
            await enqueue_mail(repo, self._clock, MailKind.CONFIRMATION, user.id, user.id)
        elif existing.state in _UNCONFIRMED:
            # Nobody has proved yet that the address is theirs. The latest sign-up wins: its link needs its password.
            await repo.users.update(
                existing.id,
                password_hash=user.password_hash,
                first_name=user.first_name,
                last_name=user.last_name,
            )
            await repo.links.delete_for(existing.id, Purpose.CONFIRM)
            await repo.outbox.delete_for(MailKind.CONFIRMATION, existing.id)
            await self._log.write(repo, AuditKind.SIGNED_UP, actor, existing.id, again=True)
            await enqueue_mail(repo, self._clock, MailKind.CONFIRMATION, existing.id, existing.id)
        else:
            await enqueue_mail(repo, self._clock, MailKind.KNOWN_ADDRESS, existing.id, existing.id)

    async def find_link(self, secret: str, address: str) -> Link:
        """Return the purpose of a link, for the page that shows it. It stays valid. Raises `InvalidLink`, `TooManyAttempts`."""
        await self._rates.take("link", address, LINK_ADDRESS)
        async with self._store.begin() as repo:
            token = await self._find_valid(repo, secret)
            return Link(token.purpose, await get_user(repo, token.user_id))

    async def confirm(self, secret: str, password: str, address: str) -> None:
        """Confirm the address: the user has the mail, and enters the password of the sign-up.

        The password prevents an attack: signing up with a foreign address and letting its owner confirm it.
        Raises `InvalidLink`, `InvalidInput` for a wrong password, `TooManyAttempts`.
        """
        await self._rates.take("link", address, LINK_ADDRESS)
        async with self._store.begin() as repo:
            token = await self._find_valid(repo, secret, Purpose.CONFIRM)
            user = await get_user(repo, token.user_id)
        await self._rates.take("confirm", user.id, LOG_IN_ACCOUNT)
        if not await self._passwords.matches(password, user.password_hash):
            raise InvalidInput(
                "password", "The password is wrong. Enter the password that you chose when you signed up."
            )
        actor = Actor(user.id, address)
        async with self._store.begin(exclusive=True) as repo:
            user = await get_user(repo, token.user_id)
            if not await repo.links.consume(token.secret_hash, self._clock.now_ns()):
                raise InvalidLink
            state = user.state
            if state is UserState.CREATED:  # the sender has not recorded yet that the mail was sent
                state = await change_state(repo, self._log, user.id, state, UserEvent.EMAIL_SENT, actor)
            await change_state(repo, self._log, user.id, state, UserEvent.CONFIRM_EMAIL, actor)
            await repo.links.delete_for(user.id, Purpose.CONFIRM)
            await repo.outbox.delete_for(MailKind.CONFIRMATION, user.id)
            await self._log.write(repo, AuditKind.CONFIRMED, actor, user.id)

    async def decide(self, secret: str, *, approve: bool, address: str) -> User:
        """An administrator's word, by mailed link. Raises `InvalidLink`, `Conflict`, `TooManyAttempts`."""
        await self._rates.take("link", address, LINK_ADDRESS)
        async with self._store.begin(exclusive=True) as repo:
            token = await self._find_valid(repo, secret, Purpose.DECIDE)
            holder = await get_user(repo, token.holder_id)
            if not (holder.is_admin and holder.can_log_in):
                raise Conflict("This link was sent to a user who is no longer an administrator.")
            user = await get_user(repo, token.user_id)
            await decide(repo, self._log, self._clock, user, approve=approve, actor=Actor(holder.id, address))
            return await get_user(repo, user.id)

    async def request_password_reset(self, email: str, address: str) -> None:
        """Mail a reset link, if a user has this address. Raises `InvalidInput`, `TooManyAttempts`."""
        key = normalize_email(parse_email(email))
        await self._rates.take("sign-up", address, SIGN_UP_ADDRESS)
        async with self._rates.minimum_duration():
            await self._rates.take("mail", key, MAIL_ACCOUNT)
            async with self._store.begin(exclusive=True) as repo:
                user = await repo.users.find_by_email(key)
                if user is not None and user.state not in _UNCONFIRMED:
                    await self._log.write(repo, AuditKind.RESET_ASKED, Actor(address=address), user.id)
                    await enqueue_mail(repo, self._clock, MailKind.RESET, user.id, user.id)

    async def reset_password(self, secret: str, password: str, address: str) -> None:
        """A new password; all sessions of the user end. Raises `InvalidLink`, `InvalidInput`, `TooManyAttempts`."""
        await self._rates.take("link", address, LINK_ADDRESS)
        async with self._store.begin() as repo:
            token = await self._find_valid(repo, secret, Purpose.RESET)
            user = await get_user(repo, token.user_id)
        check_password(password, [user.email, *user.email.split("@"), user.first_name, user.last_name])
        hashed = await self._passwords.hash(password)
        async with self._store.begin(exclusive=True) as repo:
            if not await repo.links.consume(token.secret_hash, self._clock.now_ns()):
                raise InvalidLink
            await repo.users.update(user.id, password_hash=hashed)
            await repo.links.delete_for(user.id, Purpose.RESET)
            await repo.sessions.delete_for_user(user.id)
            await self._log.write(
                repo, AuditKind.PASSWORD_CHANGED, Actor(user.id, address), user.id, by="mail"
            )
            await enqueue_mail(repo, self._clock, MailKind.PASSWORD_CHANGED, user.id, user.id)
        await self._rates.forget("log-in", user.email_key)

    async def _find_valid(self, repo: Repository, secret: str, purpose: Purpose | None = None) -> MailToken:
        token = await repo.links.find(hash_secret(secret), self._clock.now_ns())
        if token is None or purpose not in (None, token.purpose):
            raise InvalidLink
        return token


async def decide(
    repo: Repository, log: AuditLog, clock: Clock, user: User, *, approve: bool, actor: Actor
) -> None:
    """Apply an administrator's decision: change the state, delete the links about it, and mail the user."""
    state = user.state
    if state is UserState.CONFIRMED:  # the administrator decides before a request was mailed
        state = await change_state(repo, log, user.id, state, UserEvent.NOTIFY_ADMIN, actor)
    event = UserEvent.APPROVE if approve else UserEvent.DISAPPROVE
    await change_state(repo, log, user.id, state, event, actor)
    await repo.links.delete_for(user.id, Purpose.DECIDE)
    await repo.outbox.delete_for(MailKind.AUTHORIZATION, user.id)
    mail_kind = MailKind.APPROVED if approve else MailKind.DISAPPROVED
    await enqueue_mail(repo, clock, mail_kind, user.id, user.id)
