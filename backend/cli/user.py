"""The actions of `seduce user` on the accounts in the database."""

from __future__ import annotations

import getpass
import secrets
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from backend.accounts.log import OPERATOR
from backend.accounts.model import User, UserState
from backend.accounts.repository.users import UserFilter
from backend.accounts.services import Accounts
from backend.core.clock import SystemClock
from backend.core.errors import UserError
from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.processes.accounts import build_accounts
from backend.processes.stores import create_rates, database_url
from backend.settings import Settings

_PAGE = 200


async def run_with_accounts(settings: Settings, act: Callable[[Accounts], Awaitable[None]]) -> None:
    """Open the database, call `act`, and close it. Raises `UserError` and `TransientError` with the reason."""
    url = database_url(settings)
    database, clock = Database(url), SystemClock()
    rates = create_rates(settings, clock)
    try:
        await migrate(url)
        await act(build_accounts(settings, database, clock, rates))
    finally:
        await rates.close()
        await database.close()


async def list_users(accounts: Accounts, state: str | None) -> None:
    """Print a line for each user, or for those in one state."""
    user_filter, printed = UserFilter(UserState(state) if state else None), 0
    while True:
        users, total = await accounts.users.page(user_filter, _PAGE, printed)
        for user in users:
            _print_user(user)
        printed += len(users)
        if not users or printed >= total:
            return


async def add_user(accounts: Accounts, email: str, password: str, *, is_admin: bool, name: str) -> None:
    """Add an authorized user and print it."""
    _print_user(await accounts.users.add(email, password, admin=is_admin, actor=OPERATOR, name=name))


async def set_password(accounts: Accounts, email: str, read: Callable[[], str]) -> None:
    """Set the password that `read` returns. It is called only if the user exists."""
    user = await accounts.users.find_by_email(email)
    await accounts.users.set_password(user.id, read(), OPERATOR)
    print(f"{user.email}: the password is changed, and all sessions have ended")


async def set_admin(accounts: Accounts, email: str, *, is_admin: bool) -> None:
    """Promote or demote a user and print it."""
    user = await accounts.users.find_by_email(email)
    _print_user(await accounts.users.set_admin(user.id, OPERATOR, admin=is_admin))


async def set_authorized(accounts: Accounts, email: str, *, is_authorized: bool) -> None:
    """Authorize or deauthorize a user and print it."""
    user = await accounts.users.find_by_email(email)
    change = accounts.users.authorize if is_authorized else accounts.users.deauthorize
    _print_user(await change(user.id, OPERATOR))


async def delete_user(accounts: Accounts, email: str) -> None:
    """Delete a user."""
    user = await accounts.users.find_by_email(email)
    await accounts.users.delete(user.id, OPERATOR)
    print(f"{user.email}: deleted")


def read_password(email: str, file: str | None, is_generated: bool) -> str:
    """Return a generated password, the first line of a file, or what is typed at a terminal. Raise `UserError`."""
    if is_generated:
        password = secrets.token_urlsafe(15)
        print(f"Password of {email}, shown only once: {password}")
        return password
    if file:
        return _read_file(file)
    if not sys.stdin.isatty():
        raise UserError("no password: use --password-file FILE (- is the standard input) or --generate")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Repeat it: ") != password:
        raise UserError("the two passwords differ: run the command again")
    return password


def _read_file(file: str) -> str:
    if file == "-":
        return sys.stdin.readline().rstrip("\r\n")
    try:
        return Path(file).read_text().splitlines()[0]
    except (OSError, UnicodeDecodeError, IndexError) as cause:
        raise UserError(f"--password-file {file} cannot be read: {cause}") from cause


def _print_user(user: User) -> None:
    role = " administrator" if user.is_admin else ""
    print(f"{user.email}\t{user.state}{role}")
