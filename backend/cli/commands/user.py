"""`seduce user …`: manage users directly in the database, also while the dashboard runs.

It creates the first administrator, and recovers access when nobody can log in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import App, Group, Parameter
from cyclopts.validators import mutually_exclusive

from backend.cli.commands.options import command_settings

if TYPE_CHECKING:
    from backend.accounts.services import Accounts

app = App(name="user", help="Add, list and change users.")

# Never the password itself as an option: every user of the machine could read the command line.
_SOURCE = Group("Password", validator=mutually_exclusive)

Email: TypeAlias = Annotated[str, Parameter(name="EMAIL", help="E-mail address of the user.")]
PasswordFile: TypeAlias = Annotated[
    str | None,
    Parameter(
        group=_SOURCE,
        metavar="FILE",
        help="File to read the password from; - is the standard input.",
        allow_leading_hyphen=True,
    ),
]
Generate: TypeAlias = Annotated[bool, Parameter(group=_SOURCE, help="Generate a password and print it.")]
State: TypeAlias = Literal[
    "created",
    "waiting_confirmation_email",
    "confirmed",
    "waiting_authorization",
    "authorized",
    "unauthorized",
]


@app.command(name="list")
def list_(*, state: Annotated[State | None, Parameter(help="List only users in this state.")] = None) -> int:
    """List all users with their states."""
    from backend.cli import user

    return _run(lambda accounts: user.list_users(accounts, state))


@app.command
def add(
    email: Email,
    /,
    *,
    admin: Annotated[bool, Parameter(help="Add the user as an administrator.")] = False,
    name: Annotated[str, Parameter(help="Name of the user.")] = "",
    password_file: PasswordFile = None,
    generate: Generate = False,
) -> int:
    """Add an authorized user."""
    from backend.cli import user

    def act(accounts: Accounts) -> Awaitable[None]:
        password = user.read_password(email, password_file, generate)
        return user.add_user(accounts, email, password, is_admin=admin, name=name)

    return _run(act)


@app.command
def password(email: Email, /, *, password_file: PasswordFile = None, generate: Generate = False) -> int:
    """Set a new password, which ends all sessions of the user."""
    from backend.cli import user

    return _run(
        lambda accounts: user.set_password(
            accounts, email, lambda: user.read_password(email, password_file, generate)
        )
    )


@app.command
def promote(email: Email, /) -> int:
    """Make a user an administrator."""
    from backend.cli import user

    return _run(lambda accounts: user.set_admin(accounts, email, is_admin=True))


@app.command
def demote(email: Email, /) -> int:
    """Make an administrator an ordinary user."""
    from backend.cli import user

    return _run(lambda accounts: user.set_admin(accounts, email, is_admin=False))


@app.command
def authorize(email: Email, /) -> int:
    """Authorize a user in any state."""
    from backend.cli import user

    return _run(lambda accounts: user.set_authorized(accounts, email, is_authorized=True))


@app.command
def deauthorize(email: Email, /) -> int:
    """Withdraw the rights of a user."""
    from backend.cli import user

    return _run(lambda accounts: user.set_authorized(accounts, email, is_authorized=False))


@app.command
def delete(email: Email, /) -> int:
    """Delete a user and all that belongs to it."""
    from backend.cli import user

    return _run(lambda accounts: user.delete_user(accounts, email))


def _run(act: Callable[[Accounts], Awaitable[None]]) -> int:
    from backend.cli.user import run_with_accounts

    asyncio.run(run_with_accounts(command_settings(), act))
    return 0
