"""Log-in, sessions, and the look-up of the principal behind a cookie or a token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.accounts.credentials import TOKEN_PREFIX, hash_secret, new_id, new_secret
from backend.accounts.errors import LogInRefused, NotFound
from backend.accounts.fields import normalize_email
from backend.accounts.log import Actor, AuditLog
from backend.accounts.model import AccessToken, AuditKind, Session, User
from backend.accounts.passwords import Passwords
from backend.accounts.rates import LOG_IN_ACCOUNT, LOG_IN_ADDRESS, Rates
from backend.accounts.repository import AccountStore, Repository
from backend.accounts.rules import TOKEN_AUDIT_NS, USE_RESOLUTION_NS, Rules
from backend.accounts.user_steps import describe_state
from backend.core.clock import Clock
from backend.core.rights import ANONYMOUS, Credential, Principal, TokenScope

_WRONG_CREDENTIALS = "The e-mail address or the password is wrong."


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that has just started. `secret` is the value of its cookie; it is not available later."""

    user: User
    secret: str


class SignInService:
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

    async def log_in(self, email: str, password: str, address: str, agent: str, old: str = "") -> NewSession:
        """Start a session. `old` is the cookie of the request; its session ends.

        Neither the answer nor its timing reveals whether the user exists. Raises `LogInRefused`, `TooManyAttempts`.
        """
        key = normalize_email(email)
        async with self._rates.minimum_duration():
            await self._rates.take("log-in", address, LOG_IN_ADDRESS)
            await self._rates.take("log-in", key, LOG_IN_ACCOUNT)
            async with self._store.begin() as repo:
                user = await repo.users.find_by_email(key)
            is_match = await self._passwords.matches(password, user.password_hash if user else None)
            if user is None or not is_match:
                await self._record_failure(user, address, "unknown" if user is None else "password")
                raise LogInRefused(_WRONG_CREDENTIALS)
            if not user.can_log_in:
                await self._record_failure(user, address, user.state.value)
                raise LogInRefused(f"This account {describe_state(user.state)}.")
            secret = await self._start_session(user, address, agent, old)
            await self._rates.forget("log-in", key)
            return NewSession(user, secret)

    async def _start_session(self, user: User, address: str, agent: str, old: str) -> str:
        secret, now = new_secret(), self._clock.now_ns()
        session = Session(new_id(), user.id, now, now, address[:64], agent[:200])
        async with self._store.begin(exclusive=True) as repo:
            if old and (previous := await repo.sessions.find_by_secret(hash_secret(old))):
                await repo.sessions.delete(previous[0].id, previous[0].user_id)
            await repo.sessions.delete_expired(
                now - self._rules.session_ns, now - self._rules.session_idle_ns
            )
            await repo.sessions.add(session, hash_secret(secret))
            await repo.users.update(user.id, login_ns=now)
            await self._log.write(repo, AuditKind.LOGGED_IN, Actor(user.id, address), user.id)
        return secret

    async def _record_failure(self, user: User | None, address: str, reason: str) -> None:
        async with self._store.begin() as repo:
            subject = user.id if user else ""
            await self._log.write(repo, AuditKind.LOG_IN_FAILED, Actor(address=address), subject, why=reason)

    async def log_out(self, principal: Principal, address: str) -> None:
        """End the session of `principal`. Does nothing for another kind of credential."""
        if principal.credential is not Credential.SESSION:
            return
        async with self._store.begin() as repo:
            await repo.sessions.delete(principal.credential_id, principal.user_id)
            await self._log.write(
                repo, AuditKind.LOGGED_OUT, Actor(principal.user_id, address), principal.user_id
            )

    async def list_sessions(self, user_id: str) -> Sequence[Session]:
        """Return the valid sessions of a user, the last used first."""
        async with self._store.begin() as repo:
            return [s for s in await repo.sessions.list_for_user(user_id) if self._is_within_lifetime(s)]

    async def end_session(self, session_id: str, user_id: str, address: str) -> None:
        """End a session of the user. Raises `NotFound` if the user has no such session."""
        async with self._store.begin() as repo:
            if not await repo.sessions.delete(session_id, user_id):
                raise NotFound("Session not found. It may have ended already.")
            await self._log.write(repo, AuditKind.SESSION_ENDED, Actor(user_id, address), user_id)

    async def end_other_sessions(self, principal: Principal, address: str) -> int:
        """End all sessions of the user except this one. Returns how many ended."""
        async with self._store.begin() as repo:
            count = await repo.sessions.delete_for_user(principal.user_id, except_id=principal.credential_id)
            actor = Actor(principal.user_id, address)
            await self._log.write(repo, AuditKind.SESSION_ENDED, actor, principal.user_id, count=count)
            return count

    async def authenticate_cookie(self, secret: str) -> Principal:
        """Return the session's principal, or `ANONYMOUS` for a cookie without a valid session. Raises `TransientError`."""
        if not (secret_hash := hash_secret(secret)):
            return ANONYMOUS
        async with self._store.begin() as repo:
            match = await repo.sessions.find_by_secret(secret_hash)
            if match is None or not self.is_session_valid(*match):
                return ANONYMOUS
            session, user = match
            now = self._clock.now_ns()
            if now - session.used_ns >= USE_RESOLUTION_NS:
                await repo.sessions.record_use([session.id], now)
            return Principal(user.id, user.is_admin, Credential.SESSION, session.id, frozenset(TokenScope))

    async def authenticate_token(self, secret: str, address: str) -> Principal:
        """Return the token's principal, or `ANONYMOUS` for a text that is no valid personal token. Raises `TransientError`."""
        if not secret.startswith(TOKEN_PREFIX) or not (secret_hash := hash_secret(secret)):
            return ANONYMOUS
        async with self._store.begin() as repo:
            match = await repo.tokens.find_by_secret(secret_hash)
            if match is None or not self.is_token_valid(*match):
                return ANONYMOUS
            token, user = match
            await self._record_token_use(repo, token, address)
            return Principal(user.id, user.is_admin, Credential.TOKEN, token.id, token.scopes)

    async def _record_token_use(self, repo: Repository, token: AccessToken, address: str) -> None:
        now, last_use = self._clock.now_ns(), token.used_ns
        is_new_address = token.address != address[:64]
        if last_use is None or is_new_address or now - last_use >= USE_RESOLUTION_NS:
            await repo.tokens.record_use(token.id, now, address[:64])
        if last_use is None or is_new_address or now - last_use >= TOKEN_AUDIT_NS:
            actor = Actor(token.user_id, address)
            await self._log.write(repo, AuditKind.TOKEN_USED, actor, token.user_id, token=token.name)

    def is_session_valid(self, session: Session, user: User) -> bool:
        """Return whether the session still gives its user access."""
        return user.can_log_in and self._is_within_lifetime(session)

    def is_token_valid(self, token: AccessToken, user: User) -> bool:
        """Return whether the token still gives its user access."""
        return user.can_log_in and self._clock.now_ns() < token.expires_ns

    def _is_within_lifetime(self, session: Session) -> bool:
        now = self._clock.now_ns()
        idle, age = now - session.used_ns, now - session.created_ns
        return idle < self._rules.session_idle_ns and age < self._rules.session_ns
