"""Commands to real Modbus equipment over GraphQL, written to the audit log before they are sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.accounts.model import AuditKind
from backend.accounts.repository.audit import AuditFilter
from backend.core.errors import TransientError
from tests.devices.test_commands import REGISTERS, cooler
from tests.devices.test_modbus_device import holding, server
from tests.support.account_site import Site, running_site
from tests.support.processes import free_port
from tests.support.small_site import small_inventory

LIST = "{ commands { id name error actions { name } properties { name value state error } } }"
RUN = """mutation($target: ID!, $action: String!) { runCommand(target: $target, action: $action) {
  __typename
  ... on CommandRun { confirmed shown { name value state } }
  ... on CommandFailed { message certain }
  ... on InvalidInput { path } } }"""


async def run(site: Site, headers: dict[str, str], target: str, action: str) -> Any:
    body = {"query": RUN, "variables": {"target": target, "action": action}}
    answer = (await site.client.post("/graphql", json=body, headers=headers)).json()
    assert "errors" not in answer, answer
    return answer["data"]["runCommand"]


async def outcomes(site: Site) -> list[str]:
    events = await site.accounts.audit.page(AuditFilter([AuditKind.COMMAND]), 50)
    return [f"{e.detail['action']}: {e.detail['outcome']}" for e in reversed(events)]


async def test_a_command_is_sent_and_its_effect_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(holding(3, REGISTERS)) as port:
        described = replace(
            small_inventory(), commands=(cooler(port), cooler(free_port(), id="away", name="Away"))
        )
        async with running_site(tmp_path, monkeypatch, described) as site:
            admin = await site.user(admin=True)
            headers = await site.cookie(admin)
            inrow, away = (await site.ask(LIST, headers))["data"]["commands"]
            assert (inrow["error"], inrow["properties"][0]) == (
                "",
                {"name": "status", "value": 0.0, "state": "inactive", "error": ""},
            )
            assert "illegal data address" in inrow["properties"][2]["error"]
            assert "no connection" in away["error"]
            assert away["properties"] == []
            assert [a["name"] for a in away["actions"]][:2] == ["start", "stop"]
            assert await run(site, headers, "inrow", "start") == {
                "__typename": "CommandRun",
                "confirmed": True,
                "shown": [{"name": "status", "value": 1.0, "state": "active"}],
            }
            refused = await run(site, headers, "inrow", "nowhere")
            assert (refused["__typename"], refused["certain"]) == ("CommandFailed", True)
            unknown = await run(site, headers, "away", "start")
            assert (unknown["__typename"], unknown["certain"]) == ("CommandFailed", False)
            for target, action in (("inrow", "explode"), ("reactor", "start")):
                assert await run(site, headers, target, action) == {
                    "__typename": "InvalidInput",
                    "path": ["target"],
                }
            [event, *_] = await site.accounts.audit.page(AuditFilter([AuditKind.COMMAND]), 1)
            assert (event.actor_id, event.address) == (admin, "127.0.0.1")
            assert await outcomes(site) == [
                "start: begun",
                "start: confirmed",
                "nowhere: begun",
                "nowhere: refused",
                "start: begun",
                "start: unknown",
            ]


async def test_a_command_that_cannot_be_logged_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(holding(3, REGISTERS)) as port:
        described = replace(small_inventory(), commands=(cooler(port),))
        async with running_site(tmp_path, monkeypatch, described) as site:
            headers = await site.cookie(await site.user(admin=True))

            async def away(*_: Any) -> None:
                raise TransientError("no database")

            with monkeypatch.context() as patch:
                patch.setattr(type(site.accounts.audit), "write", away)
                body = {"query": RUN, "variables": {"target": "inrow", "action": "start"}}
                answer = (await site.client.post("/graphql", json=body, headers=headers)).json()
            assert answer["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
            [inrow] = (await site.ask(LIST, headers))["data"]["commands"]
            assert inrow["properties"][0]["state"] == "inactive"
