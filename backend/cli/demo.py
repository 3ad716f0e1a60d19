"""`seduce demo`: a simulated data centre on loopback, crawled by the real crawlers, with a past.

The devices run in a thread of their own with an event loop of its own; everything else is the one-process application.
History is made by the same model that drives the devices, so that the curves go on where it ends. What was made is noted hour
by hour: a start that was cut short goes on, and a later start makes no history again. The time in which the demo did not run
stays a gap, as it would in a real data centre.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never

from tqdm import tqdm

from backend.accounts.log import OPERATOR
from backend.accounts.services import Accounts
from backend.core.errors import NotFound, PermanentError
from backend.core.reading import Readings
from backend.core.windows import NS_PER_SECOND, Window
from backend.inventory.loader import load
from backend.inventory.model import Inventory
from backend.processes.one_process import Parts, Services, crawling, create_app
from backend.processes.server import listen, serve
from backend.processes.shared import CONSOLE
from backend.settings import Settings
from crawlers.simulators.backfill import history
from crawlers.simulators.fault_schedule import ScheduledFault
from crawlers.simulators.faults import typical_faults
from crawlers.simulators.fleet import SimulatedFleet
from crawlers.simulators.model import DataCentreModel
from crawlers.simulators.relocate import relocate

log = logging.getLogger("seduce.demo")

ADMIN: Final = "admin@example.org"
HOUR_NS: Final = Window.H1.ns
CLOSE_ENOUGH_NS: Final = 2 * NS_PER_SECOND
BAR: Final = "{desc}  {bar:30} {percentage:3.0f} %  {elapsed}"


@dataclass(frozen=True, slots=True)
class Options:
    """What `seduce demo` was asked for."""

    days: float
    seed: int
    quiet: bool = False
    troubles: Sequence[ScheduledFault] = ()


def run(settings: Settings, options: Options) -> int:
    """Serve until Ctrl-C. Returns the exit code; raises `UserError` or `PermanentError` for what the user can mend."""
    listener = listen(settings)
    url = f"http://{settings.host}:{listener.getsockname()[1]}"
    chosen = {"public_url": settings.public_url or url, "mail_url": settings.mail_url or CONSOLE}
    settings = settings.model_copy(update=chosen)
    demo = _Demo(settings, options, load(settings.description_dir), url)
    app = create_app(settings, Parts(inventory=demo.inventory), demo.alongside)
    return serve(app, listener, demo.greeting, settings)


class _Demo:
    """The simulated side of the demo, for as long as the application runs."""

    def __init__(self, settings: Settings, options: Options, described: Inventory, url: str) -> None:
        self.url = url
        self._options = options
        # Beside another demo, or as a test, the described ports may be taken; any free ones serve as well.
        self.inventory = relocate(described)
        self._notes = settings.data_dir / "demo.json"
        self._login = _LogIn(settings.data_dir / "login.json")

    def greeting(self) -> str:
        return f"\nThe simulated data centre is live at {self.url} (Ctrl-C stops it)\n{self._login.text}\n"

    @asynccontextmanager
    async def alongside(self, services: Services) -> AsyncIterator[None]:
        await self._login.ensure(services.accounts)
        now = services.clock.now_ns()
        model = DataCentreModel(
            self.inventory, self._options.seed, typical_faults(self.inventory, self._options.seed, now)
        )
        await self._make_history(services, model)
        fleet = SimulatedFleet(
            self.inventory, model, f"{self.url}/temperature/list", schedule=self._options.troubles
        )
        await asyncio.to_thread(fleet.start_in_thread)
        try:
            async with crawling(services):
                await self._roll_up(services)
                yield
        finally:
            await asyncio.to_thread(fleet.stop)

    async def _make_history(self, services: Services, model: DataCentreModel) -> None:
        """Up to now: the crawlers go on a moment later."""
        now = services.clock.now_ns()
        notes = _Notes.read(self._notes) or _Notes(now - round(self._options.days * Window.D1.ns))
        if notes.live:
            return
        bar = self._bar("Making history  ", now - notes.made_ns)
        while (end := services.clock.now_ns()) - notes.made_ns > CLOSE_ENOUGH_NS:
            for chunk in history(self.inventory, model, notes.made_ns, end, HOUR_NS):
                await services.ingest.import_history(chunk)
                made = min(end, Window.H1.floor(notes.made_ns) + HOUR_NS)
                bar.update(made - notes.made_ns)
                notes.made_ns = made
                notes.write(self._notes)
        bar.close()
        services.last_values.merge(Readings.of((await services.store.latest()).values()))
        notes.live = True
        notes.write(self._notes)

    async def _roll_up(self, services: Services) -> None:
        """Everything up to now, so that every chart has a past when the page opens."""
        end = Window.S30.floor(services.clock.now_ns())
        start = await services.state.watermark(Window.S30) or await services.store.first_time() or end
        bar = self._bar("Rolling it up   ", max(end - start, 1))
        rolling = asyncio.create_task(services.rollups.step())
        reached = start
        while not rolling.done():
            await asyncio.wait({rolling}, timeout=0.25)
            mark = await services.state.watermark(Window.D1) or start
            bar.update(max(0, mark - reached))
            reached = max(reached, mark)
        bar.update(max(0, end - reached))
        bar.close()
        await rolling

    def _bar(self, text: str, total_ns: int) -> tqdm[Never]:
        return tqdm(
            total=total_ns,
            desc=text,
            bar_format=BAR,
            file=sys.stderr,
            disable=self._options.quiet,
            leave=True,
            mininterval=0.2 if sys.stderr.isatty() else 5.0,
        )


class _LogIn:
    """The demo's administrator, made at the first start with a password of chance, which only the file's owner can read."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.text = ""

    async def ensure(self, accounts: Accounts) -> None:
        password = self._kept() or secrets.token_urlsafe(12)
        try:
            user = await accounts.users.find_by_email(ADMIN)
        except NotFound:
            self._keep(password)
            await accounts.users.add(ADMIN, password, admin=True, actor=OPERATOR, name="Demo")
        else:
            if not await accounts.users.is_password_correct(user.id, password):
                self.text = f"Log in as {ADMIN} with the password that you gave it"
                return
        self.text = f"Log in as {ADMIN} with the password {password}"

    def _kept(self) -> str:
        try:
            return str(json.loads(self._file.read_text())["password"])
        except FileNotFoundError:
            return ""
        except (ValueError, KeyError, TypeError) as cause:
            raise PermanentError(f"{self._file} is damaged; remove its folder to begin anew") from cause

    def _keep(self, password: str) -> None:
        self._file.unlink(missing_ok=True)
        made = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(made, "w") as file:
            json.dump({"email": ADMIN, "password": password}, file)


@dataclass(slots=True)
class _Notes:
    """How far history is made, and whether the devices have taken over from it."""

    made_ns: int
    live: bool = False

    @classmethod
    def read(cls, path: Path) -> _Notes | None:
        try:
            kept = json.loads(path.read_text())
            return cls(int(kept["made_ns"]), bool(kept["live"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as cause:
            raise PermanentError(f"{path} is damaged; remove its folder to begin anew") from cause

    def write(self, path: Path) -> None:
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps({"made_ns": self.made_ns, "live": self.live}))
        beside.replace(path)
