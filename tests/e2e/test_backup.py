"""The contents of a backup equal the stored data, point for point, on every store and database."""

from __future__ import annotations

import asyncio
import itertools
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import numpy as np
import pytest
from sqlalchemy import text

from backend.cli.backup import run_backup
from backend.cli.restore import run_restore
from backend.cli.upgrade import run_upgrade
from backend.core.bucket import SeriesKind
from backend.core.errors import PermanentError, SeduceError, UserError
from backend.core.ports import TimeSeriesStore
from backend.core.windows import Window
from backend.db.engine import Database
from backend.db.migrate import migrate, revisions
from backend.ingest.spoolfile import SpoolFile
from backend.processes.one_process import Services, create_app
from backend.processes.shared import Overrides
from backend.processes.stores import create_store
from backend.settings import Settings, redacted
from backend.store.influxdb.store import InfluxDBStore
from tests.support import postgres
from tests.support.history import DAY0, EXAMPLE, KNOWN, assert_holds, expected, readings
from tests.support.influx import InfluxServer, fresh_name
from tests.support.serve import serving

HISTORY = [readings(DAY0, 7200, 1.0, names=KNOWN), readings(DAY0 + 86_400, 3600, 1.0, seed=2, names=KNOWN)]


def settings(folder: Path, **more: object) -> Settings:
    return Settings(data_dir=folder, description_dir=EXAMPLE, **more)  # type: ignore[arg-type]


@asynccontextmanager
async def running(settings_of_site: Settings) -> AsyncIterator[tuple[Services, str]]:
    """A dashboard with a past that is rolled up."""
    app = create_app(settings_of_site, Overrides())
    async with serving(app) as address:
        services: Services = app.state.services
        yield services, address


async def with_a_past(services: Services) -> None:
    for part in HISTORY:
        await services.ingest.import_history(part)
    await services.rollups.step()
    await healed(services)


async def healed(services: Services) -> None:
    """The timers roll up as well, and what was imported after them is late."""
    while await services.state.dirty(1):
        await services.rollups.heal()


async def rolled_up(store: TimeSeriesStore) -> dict[str, np.ndarray]:
    contents = {}
    for kind, names in ((SeriesKind.SENSOR, KNOWN), (SeriesKind.NODE, ("datacenter", "rack_z1_1"))):
        for window in Window:
            buckets = await store.buckets(kind, names, window, DAY0 * 10**9, (DAY0 + 2 * 86_400) * 10**9)
            rows = buckets.count > 0  # buckets of nothing may be there or not
            for column in ("codes", "starts", "count", "sum", "min", "max", "median", "expected"):
                contents[f"{kind} {window} {column}"] = getattr(buckets, column)[rows]
    return contents


async def restore(settings_of_site: Settings, source: Path, check_only: bool = False) -> int:
    return await asyncio.to_thread(run_restore, settings_of_site, source, check_only)


@asynccontextmanager
async def opened(settings_of_site: Settings) -> AsyncIterator[TimeSeriesStore]:
    store = create_store(settings_of_site)
    await store.open()
    yield store
    await store.close()


@pytest.mark.parametrize("name", ["backup", "backup.tar"])
async def test_a_backup_of_a_running_dashboard_has_all_that_was_acknowledged(
    tmp_path: Path, name: str
) -> None:
    here, there = settings(tmp_path / "here"), settings(tmp_path / "there")
    acknowledged: dict[int, float] = {}
    sent: dict[int, float] = {}
    sensor = KNOWN[0]

    async def push(address: str) -> None:
        async with httpx2.AsyncClient(base_url=f"http://{address}") as client:
            for number in itertools.count(1):
                at = (DAY0 + 10 * 86_400) * 10**9 + number
                sent[at] = float(number)
                body = {"sensors": [sensor], "values": [float(number)], "times": [at]}
                assert (await client.post("/ingest", json=body)).status_code == 200
                acknowledged[at] = float(number)

    async with running(here) as (services, address):
        await with_a_past(services)
        pushing = asyncio.create_task(push(address))
        while len(acknowledged) < 200:
            await asyncio.sleep(0.01)
        before = dict(acknowledged)
        assert await asyncio.to_thread(run_backup, here, tmp_path / name) == 0
        assert len(acknowledged) > len(before), "pushes were answered while the backup was made"
        pushing.cancel()
        await asyncio.gather(pushing, return_exceptions=True)
        rollups_before = await rolled_up(services.store)
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) & 0o077 == 0

    assert await restore(there, tmp_path / name, check_only=True) == 0
    assert not (there.data_dir / "series.duckdb").exists()
    assert await restore(there, tmp_path / name) == 0
    async with running(there) as (services, _):
        await services.ingest.wait_until_drained()
        points = (await services.store.raw([sensor], DAY0 * 10**9 + 10 * 86_400 * 10**9, 2**62))[sensor]
        contents = dict(zip(points.times.tolist(), points.values.tolist(), strict=True))
        assert {at: contents.get(at) for at in before} == before, (
            "an acknowledged reading is not in the backup"
        )
        assert {at: sent[at] for at in contents} == contents
        await services.store.delete([sensor], DAY0 * 10**9 + 10 * 86_400 * 10**9, 2**62)
        await assert_holds(services.store, expected(HISTORY))
        rollups_after = await rolled_up(services.store)
        for part, values in rollups_before.items():
            assert len(values), part
            assert np.array_equal(values, rollups_after[part], equal_nan=True), part


async def test_a_backup_without_a_dashboard_holds_what_waits_in_the_spool(tmp_path: Path) -> None:
    here, there = settings(tmp_path / "here"), settings(tmp_path / "there")
    async with running(here) as (services, _):
        await with_a_past(services)
    spool = SpoolFile(here.data_dir / "spool.sqlite", 1 << 30)
    spool.open()
    spool.write([readings(DAY0 + 2 * 86_400, 60, 1.0, seed=3, names=KNOWN)])
    spool.close()
    await asyncio.to_thread(run_backup, here, tmp_path / "backup")
    assert await restore(there, tmp_path / "backup") == 0
    async with running(there) as (services, _):
        await services.ingest.wait_until_drained()
        extra = readings(DAY0 + 2 * 86_400, 60, 1.0, seed=3, names=KNOWN)
        await assert_holds(services.store, expected([*HISTORY, extra]))


async def test_a_damaged_backup_is_refused_and_nothing_written(tmp_path: Path) -> None:
    here, there = settings(tmp_path / "here"), settings(tmp_path / "there")
    async with running(here) as (services, _):
        await with_a_past(services)
    backup = tmp_path / "backup"
    await asyncio.to_thread(run_backup, here, backup)
    with pytest.raises(UserError, match="already exists"):
        await asyncio.to_thread(run_backup, here, backup)
    whole = (backup / "series.duckdb").read_bytes()
    (backup / "series.duckdb").write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    (backup / "spool.sqlite").unlink()
    (backup / "other").write_text("")
    with pytest.raises(UserError) as refused:
        await restore(there, backup)
    for message in (
        "series.duckdb: the content differs",
        "spool.sqlite: missing",
        "other: not in the manifest",
    ):
        assert message in str(refused.value)
    assert not there.data_dir.exists() or not list(there.data_dir.iterdir())
    (backup / "manifest.json").unlink()
    with pytest.raises(UserError, match="not a complete backup"):
        await restore(there, backup)


async def test_restore_replaces_nothing(tmp_path: Path) -> None:
    here = settings(tmp_path / "here")
    async with running(here) as (services, _):
        await with_a_past(services)
        await asyncio.to_thread(run_backup, here, tmp_path / "backup")
        with pytest.raises(UserError, match="is used by a running dashboard"):
            await restore(here, tmp_path / "backup")
    with pytest.raises(UserError, match="already exists"):
        await restore(here, tmp_path / "backup")
    (here.data_dir / "series.duckdb").unlink()
    (here.data_dir / "spool.sqlite").unlink()
    with pytest.raises(UserError, match="is not empty"):
        await restore(here, tmp_path / "backup")


async def test_a_full_disk_leaves_no_half_backup(tmp_path: Path) -> None:
    here = settings(tmp_path / "here")
    async with running(here) as (services, _):
        await with_a_past(services)
        (tmp_path / "file").write_text("")
        with pytest.raises(PermanentError, match="cannot be written"):
            await asyncio.to_thread(run_backup, here, tmp_path / "file" / "backup")
        # The dashboard goes on: its writer was let go.
        await services.ingest.import_history(readings(DAY0, 10, 1.0, seed=9, names=KNOWN))
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.slow
async def test_influxdb_and_postgresql_come_back_point_for_point(
    tmp_path: Path, influxdb: InfluxServer
) -> None:
    if reason := postgres.why_not():
        pytest.skip(reason)
    with postgres.server() as url, postgres.server() as empty:
        here = settings(tmp_path / "here", store_url=influxdb.url(fresh_name()), database_url=url)
        there = settings(tmp_path / "there", store_url=influxdb.url(fresh_name()), database_url=empty)
        async with running(here) as (services, _):
            await with_a_past(services)
            rollups_before = await rolled_up(services.store)
            await asyncio.to_thread(run_backup, here, tmp_path / "backup")
        assert await restore(there, tmp_path / "backup") == 0
        async with opened(there) as store:
            assert isinstance(store, InfluxDBStore)
            await assert_holds(store, expected(HISTORY))
        async with running(there) as (services, _):
            await healed(services)
            rollups_after = await rolled_up(services.store)
        for part, values in rollups_before.items():
            assert np.allclose(values, rollups_after[part], rtol=1e-9, equal_nan=True), part


async def test_a_database_moves_from_sqlite_to_postgresql_and_back(tmp_path: Path) -> None:
    if reason := postgres.why_not():
        pytest.skip(reason)
    here = settings(tmp_path / "here")
    async with running(here) as (services, _):
        await with_a_past(services)
    await asyncio.to_thread(run_backup, here, tmp_path / "one")
    with postgres.server() as url:
        there = settings(tmp_path / "there", database_url=url)
        await restore(there, tmp_path / "one")
        await asyncio.to_thread(run_backup, there, tmp_path / "two")
    back = settings(tmp_path / "back")
    await restore(back, tmp_path / "two")
    assert await tables(here) == await tables(back)


async def tables(settings_of_site: Settings) -> dict[str, list[tuple[object, ...]]]:
    database = Database(f"sqlite:///{settings_of_site.data_dir / 'seduce.sqlite'}")
    contents = {}
    async with database.unit_of_work() as session:
        names = (await session.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))).scalars()
        for name in names:
            rows = (await session.execute(text(f'SELECT * FROM "{name}"'))).all()
            contents[name] = sorted(tuple(row) for row in rows)
    await database.close()
    assert any(len(rows) > 10 for rows in contents.values())
    return contents


async def test_upgrade_says_what_it_does_and_refuses_a_later_versions_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = settings(tmp_path)
    url = f"sqlite:///{tmp_path / 'seduce.sqlite'}"
    await migrate(url, "r0001")
    assert await asyncio.to_thread(run_upgrade, here, True) == 1
    assert "database: revision r0001; this version needs revision" in capsys.readouterr().err
    assert (await revisions(url))[0] == "r0001"
    assert await asyncio.to_thread(run_upgrade, here, False) == 0
    there, needed_revision = await revisions(url)
    assert there == needed_revision
    assert await asyncio.to_thread(run_upgrade, here, True) == 0
    database = Database(url)
    async with database.unit_of_work() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = 'r9999'"))
    await database.close()
    with pytest.raises(SeduceError, match="created by a newer version"):
        await asyncio.to_thread(run_upgrade, here, True)


def test_no_secret_is_shown() -> None:
    url = "influxdb+http://seduce:hunter2@127.0.0.1:8086/bucket?org=o&token=t0ken"
    assert redacted("store_url", url) == (
        "influxdb+http://seduce:(not shown)@127.0.0.1:8086/bucket?org=o&token=(not shown)"
    )
    assert (
        redacted("database_url", "postgresql://u:p%40ss@/db?host=/run")
        == "postgresql://u:(not shown)@/db?host=/run"
    )
    assert redacted("bus_url", "redis://:pw@127.0.0.1:6379/0") == "redis://:(not shown)@127.0.0.1:6379/0"
    assert redacted("ingest_key", Settings(ingest_key="k").ingest_key) == "(not shown)"  # type: ignore[arg-type]
    assert redacted("port", 8081) == "8081"
