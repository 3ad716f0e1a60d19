"""Log-in and sessions, and who it is that asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.accounts.credentials import TOKEN_PREFIX, hash_of, new_id, new_secret
from backend.accounts.errors import LogInRefused, NotFound
from backend.accounts.fields import key_of
from backend.accounts.log import Actor, AuditLog
from backend.accounts.model import AccessToken, AuditKind, Session, User
from backend.accounts.passwords import Passwords
from backend.accounts.rates import LOG_IN_ACCOUNT, LOG_IN_ADDRESS, Rates
from backend.accounts.repository import AccountStore, Repository
from backend.accounts.rules import TOKEN_AUDIT_NS, TOUCH_NS, Rules
from backend.accounts.steps import spoken
from backend.core.clock import Clock
from backend.core.rights import ANONYMOUS, Credential, Principal, Scope

_WRONG = "The address or the password is wrong."


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """`secret` is the cookie's value, handed out this once."""

    user: User
    secret: str


class SignIns:
    def __init__(
        self,
        store: AccountStore,
        clock: Clock,
        passwords: Passwords,
        rates: Rates,
        log: AuditLog,
        rules: Rules,
    ) -> None:
        self._store = store
        self._clock = clock
        self._passwords = passwords
        self._rates = rates
        self._log = log
        self._rules = rules

    async def log_in(self, email: str, password: str, address: str, agent: str, old: str = "") -> LoggedIn:
        """A new session; `old` is the cookie that came along, whose session ends. Raises `LogInRefused`, `TooManyAttempts`.

        Whether there is such a user is not told, and does not show in the time either.
        """
        key = key_of(email)
        async with self._rates.minimum_duration():
            await self._rates.take("log-in", address, LOG_IN_ADDRESS)
            await self._rates.take("log-in", key, LOG_IN_ACCOUNT)
            async with self._store.begin() as within:
                user = await within.users.with_email(key)
            right = await self._passwords.matches(password, user.password_hash if user else None)
            if user is None or not right:
                await self._failed(user, address, "unknown" if user is None else "password")
                raise LogInRefused(_WRONG)
            if not user.may_enter:
                await self._failed(user, address, user.state.value)
                raise LogInRefused(f"This account is {spoken(user.state)}.")
            secret = await self._begin(user, address, agent, old)
            await self._rates.forget("log-in", key)
            return LoggedIn(user, secret)

    async def _begin(self, user: User, address: str, agent: str, old: str) -> str:
        secret, now = new_secret(), self._clock.now_ns()
        session = Session(new_id(), user.id, now, now, address[:64], agent[:200])
        async with self._store.begin(alone=True) as within:
            if old and (before := await within.sessions.with_secret(hash_of(old))):
                await within.sessions.end(before[0].id, before[0].user_id)
            oldest = now - self._rules.session_ns, now - self._rules.session_idle_ns
            await within.sessions.end_stale(*oldest)
            await within.sessions.add(session, hash_of(secret))
            await within.users.change(user.id, login_ns=now)
            await self._log.write(within, AuditKind.LOGGED_IN, Actor(user.id, address), user.id)
        return secret

    async def _failed(self, user: User | None, address: str, why: str) -> None:
        async with self._store.begin() as within:
            subject = user.id if user else ""
            await self._log.write(within, AuditKind.LOG_IN_FAILED, Actor(address=address), subject, why=why)

    async def log_out(self, who: Principal, address: str) -> None:
        if who.credential is not Credential.SESSION:
            return
        async with self._store.begin() as within:
            await within.sessions.end(who.credential_id, who.user_id)
            await self._log.write(within, AuditKind.LOGGED_OUT, Actor(who.user_id, address), who.user_id)

    async def sessions(self, user_id: str) -> Sequence[Session]:
        async with self._store.begin() as within:
            return [s for s in await within.sessions.of(user_id) if self._lasts(s)]

    async def end(self, session_id: str, user_id: str, address: str) -> None:
        """Raises `NotFound` for one that is not the user's."""
        async with self._store.begin() as within:
            if not await within.sessions.end(session_id, user_id):
                raise NotFound("There is no such session.")
            await self._log.write(within, AuditKind.SESSION_ENDED, Actor(user_id, address), user_id)

    async def end_others(self, who: Principal, address: str) -> int:
        async with self._store.begin() as within:
            count = await within.sessions.end_all(who.user_id, but=who.credential_id)
            actor = Actor(who.user_id, address)
            await self._log.write(within, AuditKind.SESSION_ENDED, actor, who.user_id, count=count)
            return count

    async def by_cookie(self, secret: str) -> Principal:
        """Nobody for a cookie without a session. Raises `TransientError` where that cannot be known now."""
        if not (hashed := hash_of(secret)):
            return ANONYMOUS
        async with self._store.begin() as within:
            known = await within.sessions.with_secret(hashed)
            if known is None or not self.stands(*known):
                return ANONYMOUS
            session, user = known
            now = self._clock.now_ns()
            if now - session.used_ns >= TOUCH_NS:
                await within.sessions.touch([session.id], now)
            return Principal(user.id, user.is_admin, Credential.SESSION, session.id, frozenset(Scope))

    async def by_token(self, secret: str, address: str) -> Principal:
        """Nobody for what is no valid personal token. Raises `TransientError`."""
        if not secret.startswith(TOKEN_PREFIX) or not (hashed := hash_of(secret)):
            return ANONYMOUS
        async with self._store.begin() as within:
            known = await within.tokens.with_secret(hashed)
            if known is None or not self.holds(*known):
                return ANONYMOUS
            token, user = known
            await self._note_use(within, token, address)
            return Principal(user.id, user.is_admin, Credential.TOKEN, token.id, token.scopes)

    async def _note_use(self, within: Repository, token: AccessToken, address: str) -> None:
        now, before = self._clock.now_ns(), token.used_ns
        elsewhere = token.address != address[:64]
        if before is None or elsewhere or now - before >= TOUCH_NS:
            await within.tokens.used(token.id, now, address[:64])
        if before is None or elsewhere or now - before >= TOKEN_AUDIT_NS:
            actor = Actor(token.user_id, address)
            await self._log.write(within, AuditKind.TOKEN_USED, actor, token.user_id, token=token.name)

    def stands(self, session: Session, user: User) -> bool:
        """Whether a session lets its user in now."""
        return user.may_enter and self._lasts(session)

    def holds(self, token: AccessToken, user: User) -> bool:
        """Whether a token lets its user in now."""
        return user.may_enter and self._clock.now_ns() < token.expires_ns

    def _lasts(self, session: Session) -> bool:
        now = self._clock.now_ns()
        idle, age = now - session.used_ns, now - session.created_ns
        return idle < self._rules.session_idle_ns and age < self._rules.session_ns
