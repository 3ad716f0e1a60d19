"""`seduce user …`: the first administrator, and what a locked door needs. Works on the database, beside a running dashboard."""

from __future__ import annotations

import argparse
import asyncio
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


def run(settings: Settings, args: argparse.Namespace) -> int:
    """One verb. Raises `UserError` and `TransientError`, which tell what is wrong."""
    return asyncio.run(_run(settings, args))


async def _run(settings: Settings, args: argparse.Namespace) -> int:
    url = database_url(settings)
    database, clock = Database(url), SystemClock()
    rates = create_rates(settings, clock)
    try:
        await migrate(url)
        accounts = build_accounts(settings, database, clock, rates)
        await _verb(accounts, args)
    finally:
        await rates.close()
        await database.close()
    return 0


async def _verb(accounts: Accounts, args: argparse.Namespace) -> None:
    users = accounts.users
    if args.verb == "list":
        return await _list(accounts, args.state)
    if args.verb == "add":
        password = _password(args)
        _show(await users.add(args.email, password, admin=args.admin, actor=OPERATOR, name=args.name))
        return None
    user = await users.find_by_email(args.email)
    if args.verb == "password":
        await users.set_password(user.id, _password(args), OPERATOR)
        print(f"{user.email}: the password is changed, and all sessions have ended")
    elif args.verb == "delete":
        await users.delete(user.id, OPERATOR)
        print(f"{user.email}: deleted")
    else:
        change: dict[str, Callable[[], Awaitable[User]]] = {
            "promote": lambda: users.set_admin(user.id, OPERATOR, admin=True),
            "demote": lambda: users.set_admin(user.id, OPERATOR, admin=False),
            "authorize": lambda: users.authorize(user.id, OPERATOR),
            "deauthorize": lambda: users.deauthorize(user.id, OPERATOR),
        }
        _show(await change[args.verb]())
    return None


async def _list(accounts: Accounts, state: str | None) -> None:
    which, seen = UserFilter(UserState(state) if state else None), 0
    while True:
        found, total = await accounts.users.page(which, 200, seen)
        for user in found:
            _show(user)
        seen += len(found)
        if not found or seen >= total:
            return


def _show(user: User) -> None:
    role = " administrator" if user.is_admin else ""
    print(f"{user.email}\t{user.state}{role}")


def _password(args: argparse.Namespace) -> str:
    if args.generate:
        made = secrets.token_urlsafe(15)
        print(f"Password of {args.email}, shown this once: {made}")
        return made
    if args.password_file:
        return _read(args.password_file)
    if not sys.stdin.isatty():
        raise UserError(
            "give the password by --password-file FILE (- is the standard input), or --generate one"
        )
    first = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != first:
        raise UserError("the two passwords differ")
    return first


def _read(file: str) -> str:
    if file == "-":
        return sys.stdin.readline().rstrip("\r\n")
    try:
        return Path(file).read_text().splitlines()[0]
    except (OSError, UnicodeDecodeError, IndexError) as cause:
        raise UserError(f"--password-file {file} cannot be read: {cause}") from cause
