"""schemathesis asks what the schema allows, at random: no answer is an unexpected error.

The same for ten minutes: docs/graphql.md.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from backend.core.rights import Right, TokenScope
from backend.graphql.schema import build_schema
from tests.support.account_site import running_site
from tests.support.graphql_client import site_app
from tests.support.serve import serving
from tests.support.small_site import NOON, SmallSite

OPTIONS = ("--phases", "fuzzing", "--checks", "not_a_server_error", "--max-examples", "15", "--no-color")

READS = (
    "--include-name-regex",
    "|".join(n for n, rules in build_schema().field_rules.items() if rules.right is Right.READ),
)


async def fuzz(url: str, folder: Path, *more: str) -> tuple[int, str]:
    program = Path(sys.executable).with_name("schemathesis")
    process = await asyncio.create_subprocess_exec(
        str(program),
        "run",
        url,
        *OPTIONS,
        *more,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


@pytest.mark.slow
async def test_no_query_of_the_schema_is_an_unexpected_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = SmallSite()
    for name in ("a_pdu-1", "b_pdu-1", "fan", "sun"):
        await site.write(name, range(NOON - 600, NOON), [100.0] * 600)
    await site.roll_up()
    site.hear({"fan": 100.0, "front1": 21.0})
    app = site_app(site)
    async with serving(app) as address:
        code, report = await fuzz(f"http://{address}/graphql", tmp_path, *READS)
    assert code == 0, report
    assert app.state.schema.operations.started["query"] > 100
    assert app.state.schema.operations.errors["INTERNAL"] == 0, caplog.text


@pytest.mark.slow
async def test_an_unexpected_error_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = SmallSite()

    def broken() -> None:
        raise RuntimeError("a fault of our own")

    monkeypatch.setattr(site.queries.racks, "room", broken)
    async with serving(site_app(site)) as address:
        code, report = await fuzz(f"http://{address}/graphql", tmp_path, *READS)
    assert code == 1, report
    assert "roomMap" in report


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False], ids=["an administrator", "anybody"])
async def test_nobody_finds_an_unexpected_error_among_accounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    async with running_site(tmp_path, monkeypatch) as site:
        header: tuple[str, ...] = ()
        if known:
            token = await site.token(await site.user(admin=True), TokenScope.READ, TokenScope.ADMIN)
            header = ("-H", f"Authorization: {token['Authorization']}")
        code, report = await fuzz(f"http://{site.address}/graphql", tmp_path, *header)
        assert "INTERNAL" not in report, report
        # What is refused for want of rights counts as an error to the fuzzer.
        assert code in (0, 1), report
