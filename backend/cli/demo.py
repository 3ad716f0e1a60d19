"""`seduce demo`: a simulated data centre on loopback with generated history, read by the real crawlers.

The simulated devices run in a thread with its own event loop. Everything else is the one-process application. One model
generates the history and drives the devices, so the curves continue without a jump. Progress is saved every hour of history:
an interrupted start continues, and a later start generates nothing again. While the demo is stopped, a gap remains, as in a
real data centre.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never

from tqdm import tqdm

from backend.accounts.log import OPERATOR
from backend.accounts.services import Accounts
from backend.cli.console import progress_bar
from backend.core.errors import NotFound, PermanentError
from backend.core.reading import Readings
from backend.core.windows import NS_PER_SECOND, Window
from backend.inventory.loader import load
from backend.inventory.model import Inventory
from backend.processes.accounts import CONSOLE
from backend.processes.one_process import Services, create_app, run_crawlers
from backend.processes.server import listen, serve
from backend.processes.shared import Overrides
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


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `seduce demo`."""

    days: float
    seed: int
    quiet: bool = False
    fault_schedule: Sequence[ScheduledFault] = ()


def run(settings: Settings, options: Options) -> int:
    """Serve until Ctrl-C and return the exit code. Raise `UserError` or `PermanentError` for what the user can fix."""
    listener = listen(settings)
    url = f"http://{settings.host}:{listener.getsockname()[1]}"
    urls = {"public_url": settings.public_url or url, "mail_url": settings.mail_url or CONSOLE}
    settings = settings.model_copy(update=urls)
    demo = _Demo(settings, options, load(settings.description_dir), url)
    app = create_app(settings, Overrides(inventory=demo.inventory), demo.run)
    return serve(app, listener, demo.greeting, settings)


class _Demo:
    """The simulated devices and the history, while the application runs."""

    def __init__(self, settings: Settings, options: Options, described: Inventory, url: str) -> None:
        self.url = url
        self._options = options
        # The described ports may be in use by another demo or a test; any free ports serve as well.
        self.inventory = relocate(described)
        self._progress_file = settings.data_dir / "demo.json"
        self._login = _LogIn(settings.data_dir / "login.json")

    def greeting(self) -> str:
        return f"\nThe simulated data centre is live at {self.url} (Ctrl-C stops it)\n{self._login.text}\n"

    @asynccontextmanager
    async def run(self, services: Services) -> AsyncIterator[None]:
        await self._login.ensure(services.accounts)
        now = services.clock.now_ns()
        model = DataCentreModel(
            self.inventory, self._options.seed, typical_faults(self.inventory, self._options.seed, now)
        )
        await self._generate_history(services, model)
        fleet = SimulatedFleet(
            self.inventory, model, f"{self.url}/temperature/list", schedule=self._options.fault_schedule
        )
        await asyncio.to_thread(fleet.start_in_thread)
        try:
            async with run_crawlers(services):
                await self._roll_up(services)
                yield
        finally:
            await asyncio.to_thread(fleet.stop)

    async def _generate_history(self, services: Services, model: DataCentreModel) -> None:
        """Generate history up to now; the crawlers continue from there."""
        now = services.clock.now_ns()
        progress = _Progress.read(self._progress_file) or _Progress(
            now - round(self._options.days * Window.D1.ns)
        )
        if progress.live:
            return
        bar = self._bar("Generating history  ", now - progress.end_ns)
        while (end := services.clock.now_ns()) - progress.end_ns > CLOSE_ENOUGH_NS:
            for chunk in history(self.inventory, model, progress.end_ns, end, HOUR_NS):
                await services.ingest.import_history(chunk)
                chunk_end = min(end, Window.H1.floor(progress.end_ns) + HOUR_NS)
                bar.update(chunk_end - progress.end_ns)
                progress.end_ns = chunk_end
                progress.write(self._progress_file)
        bar.close()
        services.last_values.merge(Readings.of((await services.store.latest()).values()))
        progress.live = True
        progress.write(self._progress_file)

    async def _roll_up(self, services: Services) -> None:
        """Compute all roll-ups up to now, so that every chart has history when the page opens."""
        end = Window.S30.floor(services.clock.now_ns())
        start = await services.state.watermark(Window.S30) or await services.store.first_time() or end
        bar = self._bar("Computing roll-ups  ", max(end - start, 1))
        step = asyncio.create_task(services.rollups.step())
        reached = start
        while not step.done():
            await asyncio.wait({step}, timeout=0.25)
            watermark = await services.state.watermark(Window.D1) or start
            bar.update(max(0, watermark - reached))
            reached = max(reached, watermark)
        bar.update(max(0, end - reached))
        bar.close()
        await step

    def _bar(self, text: str, total_ns: int) -> tqdm[Never]:
        return progress_bar(text, total_ns, self._options.quiet)


class _LogIn:
    """The administrator of the demo. The first start writes a random password to a file that only its owner can read."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.text = ""

    async def ensure(self, accounts: Accounts) -> None:
        password = self._read_password() or secrets.token_urlsafe(12)
        try:
            user = await accounts.users.find_by_email(ADMIN)
        except NotFound:
            self._save_password(password)
            await accounts.users.add(ADMIN, password, admin=True, actor=OPERATOR, name="Demo")
        else:
            if not await accounts.users.is_password_correct(user.id, password):
                self.text = f"Log in as {ADMIN} with the password that you set"
                return
        self.text = f"Log in as {ADMIN} with the password {password}"

    def _read_password(self) -> str:
        try:
            return str(json.loads(self._file.read_text())["password"])
        except FileNotFoundError:
            return ""
        except (ValueError, KeyError, TypeError) as cause:
            raise PermanentError(
                f"{self._file} is damaged: remove its folder to start from scratch"
            ) from cause

    def _save_password(self, password: str) -> None:
        self._file.unlink(missing_ok=True)
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"email": ADMIN, "password": password}, file)


@dataclass(slots=True)
class _Progress:
    """The end of the generated history, and whether the simulated devices have taken over."""

    end_ns: int
    live: bool = False

    @classmethod
    def read(cls, path: Path) -> _Progress | None:
        try:
            saved = json.loads(path.read_text())
            return cls(int(saved["made_ns"]), bool(saved["live"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as cause:
            raise PermanentError(f"{path} is damaged: remove its folder to start from scratch") from cause

    def write(self, path: Path) -> None:
        part = path.with_suffix(".new")
        part.write_text(json.dumps({"made_ns": self.end_ns, "live": self.live}))
        part.replace(path)
