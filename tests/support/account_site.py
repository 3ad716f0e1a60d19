"""A running dashboard where reads need a log-in: a clock that stands, log-ins that need not wait, no task but a test's own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets

from backend.accounts.log import OPERATOR, Actor
from backend.accounts.services import Accounts
from backend.core.rights import TokenScope
from backend.inventory.model import Inventory
from backend.processes.one_process import create_app
from backend.processes.shared import Overrides
from backend.settings import Settings
from tests.support.accounts import HERE, NOW, PASSWORD, MailBox, quick_passwords
from tests.support.manual_clock import ManualClock
from tests.support.reference_store import ReferenceStore
from tests.support.serve import serving
from tests.support.small_site import small_inventory


@dataclass
class Site:
    """A running dashboard where reads need a log-in."""

    address: str
    accounts: Accounts
    clock: ManualClock
    mailbox: MailBox
    client: httpx2.AsyncClient
    count: int = 0

    async def user(self, *, admin: bool = False) -> str:
        self.count += 1
        email = f"user{self.count}@example.org"
        return (await self.accounts.users.add(email, PASSWORD, admin=admin, actor=OPERATOR)).id

    async def cookie(self, user_id: str) -> dict[str, str]:
        user = await self.accounts.users.find(user_id)
        assert user is not None
        return {"Cookie": f"seduce={await self.accounts.sign_ins._start_session(user, HERE, 'test', '')}"}

    async def token(self, user_id: str, *scopes: TokenScope, days: int = 1) -> dict[str, str]:
        _, secret = await self.accounts.tokens.create("t", scopes, days, Actor(user_id))
        return {"Authorization": f"Bearer {secret}"}

    async def ask(self, document: str, headers: Mapping[str, str]) -> Any:
        """The answer, or the status where it is not 200."""
        answer = await self.client.post("/graphql", json={"query": document}, headers=dict(headers))
        return answer.json() if answer.status_code == 200 else answer.status_code

    async def watch(self, document: str, headers: Mapping[str, str]) -> Any:
        """The first answer over a WebSocket, the code it is closed with, or the status that it does not begin with."""
        url = f"ws://{self.address}/graphql"
        options: dict[str, Any] = {
            "subprotocols": ["graphql-transport-ws"],
            "additional_headers": dict(headers),
        }
        try:
            async with websockets.connect(url, **options) as socket:
                await socket.send('{"type": "connection_init"}')
                assert json.loads(await socket.recv())["type"] == "connection_ack"
                message = {"id": "1", "type": "subscribe", "payload": {"query": document}}
                await socket.send(json.dumps(message))
                answer = json.loads(await socket.recv())
                payload = answer["payload"]
                return {"errors": payload} if answer["type"] == "error" else payload
        except websockets.ConnectionClosedError as closed:
            return closed.rcvd.code if closed.rcvd else 1006
        except websockets.InvalidStatus as refused:
            return refused.response.status_code


@asynccontextmanager
async def running_site(
    folder: Path, monkeypatch: pytest.MonkeyPatch, inventory: Inventory | None = None, **settings: Any
) -> AsyncIterator[Site]:
    monkeypatch.setattr("backend.accounts.rates.MIN_ANSWER_S", 0.0)
    monkeypatch.setattr("backend.accounts.tokens.MAX_TOKENS", 1000)
    site_settings = Settings(**{"data_dir": folder, "public_read": False, **settings})
    clock, mailbox = ManualClock(NOW), MailBox()
    parts = Overrides(
        clock=clock,
        inventory=inventory or small_inventory(),
        store=ReferenceStore(),
        mailer=mailbox,
        passwords=quick_passwords(),
        page=folder,
    )
    app = create_app(site_settings, parts)
    async with (
        serving(app) as address,
        httpx2.AsyncClient(base_url=f"http://{address}", timeout=60) as client,
    ):
        # A task of the schedule may otherwise have claimed the mail that a test is about to send.
        await app.state.services.runner.stop()
        yield Site(address, app.state.services.accounts, clock, mailbox, client)
