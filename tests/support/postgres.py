"""A PostgreSQL server of the test run's own, on a Unix socket in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from backend.db.engine import create_engine


def _program(name: str) -> Path | None:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    program = installed[-1] if installed else shutil.which(name)
    return Path(program) if program else None


def why_not() -> str | None:
    """Return the reason why no server can be started, or None."""
    if os.environ.get("SEDUCE_TEST_FAST"):
        return "PostgreSQL is not started in the fast run (make test-fast)"
    if os.environ.get("SEDUCE_TEST_POSTGRES_URL") or (_program("initdb") and _program("postgres")):
        return None
    return (
        "no PostgreSQL: install the package postgresql or set SEDUCE_TEST_POSTGRES_URL to an empty database"
    )


@contextmanager
def server() -> Iterator[str]:
    """URL of an empty database, for as long as the context lasts."""
    external_url = os.environ.get("SEDUCE_TEST_POSTGRES_URL")
    if external_url:
        yield external_url
        return
    with stoppable() as own:
        yield own.url


async def drop_everything(url: str) -> None:
    """Delete all tables, functions and triggers of the database."""
    engine = create_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await engine.dispose()


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server of our own, which can be killed, as in a crash, and started again over its files."""

    url: str
    kill: Callable[[], None]
    start: Callable[[], None]


@contextmanager
def stoppable() -> Iterator[Postgres]:
    """As `server`, never the one that the environment names."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    assert initdb and pg_ctl
    with tempfile.TemporaryDirectory(prefix="seduce-pg-") as folder:
        other: dict[str, Any] = {}
        if os.geteuid() == 0:  # the server refuses to run as root
            user = pwd.getpwnam(next(u for u in ("postgres", "nobody") if _has_user(u)))
            os.chown(folder, user.pw_uid, user.pw_gid)
            other = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

        def run(*command: str | Path) -> None:
            done = subprocess.run(
                list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=300, **other
            )
            assert done.returncode == 0, done.stdout + done.stderr

        data = Path(folder) / "data"
        run(initdb, "-D", data, "-U", "seduce", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"

        # -l keeps the server from holding the pipe open
        def start() -> None:
            run(pg_ctl, "-D", data, "-w", "-l", Path(folder) / "log", "-o", options, "-t", "300", "start")

        def kill() -> None:
            run(pg_ctl, "-D", data, "-w", "-m", "immediate", "-t", "300", "stop")

        start()
        try:
            yield Postgres(f"postgresql://seduce@/postgres?host={folder}", kill, start)
        finally:
            if (data / "postmaster.pid").exists():
                kill()


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
