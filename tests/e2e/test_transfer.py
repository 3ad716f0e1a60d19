"""History in and out by the command, in processes of their own where that matters: killed, crowded out, watched for memory."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from backend.cli.export_readings import Export, run_export
from backend.cli.import_readings import Import, run_import
from backend.core.bucket import Buckets, SeriesKind
from backend.core.errors import PermanentError, UserError
from backend.core.windows import NS_PER_SECOND as S
from backend.core.windows import Window
from backend.formats.file_formats import Format
from backend.processes.one_process import Services, create_app
from backend.processes.shared import Overrides
from backend.queries.export import ExportRequest
from backend.rollups.definitions import WINDOWS_OF
from backend.settings import Settings
from backend.store.duckdb.store import DuckDBStore
from backend.store.influxdb.store import InfluxDBStore
from tests.support import inspected
from tests.support.history import (
    DAY0,
    EVER,
    EXAMPLE,
    KNOWN,
    UNKNOWN_SENSOR,
    UNKNOWN_SENSOR_TAGS,
    check_stored,
    expected,
    lines,
    readings,
)
from tests.support.influx import InfluxServer, fresh_name
from tests.support.manual_clock import ManualClock

HOUR, DAY = 3600, 86_400
ROOT = EXAMPLE.parents[1]
IMPORT_MB = 500
"""Bound of an import's memory, whatever the size of the file; libraries alone take about half of it."""


def settings(folder: Path) -> Settings:
    return Settings(data_dir=folder, description_dir=EXAMPLE)


async def imported(folder: Path, *files: Path | str, **more: object) -> int:
    command = Import([str(f) for f in files], quiet=True, **more)  # type: ignore[arg-type]
    return await asyncio.to_thread(run_import, settings(folder), command)


@asynccontextmanager
async def running(folder: Path, now_s: int) -> AsyncIterator[Services]:
    app = create_app(settings(folder), Overrides(clock=ManualClock(now_s * S)))
    async with app.router.lifespan_context(app):
        yield app.state.services


async def rolled_up(folder: Path, now_s: int) -> dict[tuple[SeriesKind, Window], Buckets]:
    """Every roll-up, after the dashboard has run until nothing is left to do."""
    async with running(folder, now_s) as services:
        await (
            services.rollups.learn()
        )  # else how many readings are expected may come to be known after we looked
        await services.rollups.step()
        # Also what is not marked: windows of which another number is expected now.
        while (await services.rollups.heal()).rows or await services.state.dirty(1):
            pass
        definitions = services.rollups.definitions
        names = {
            SeriesKind.SENSOR: list(KNOWN),
            SeriesKind.TYPE: list(definitions.types),
            SeriesKind.NODE: list(definitions.nodes),
        }
        return {
            (kind, window): await services.store.buckets(kind, names[kind], window, *EVER)
            for kind in SeriesKind
            for window in WINDOWS_OF[kind]
        }


def same_rollups(
    actual: dict[tuple[SeriesKind, Window], Buckets],
    rollups: dict[tuple[SeriesKind, Window], Buckets],
) -> None:
    for key, buckets in rollups.items():
        assert len(buckets)
        # A node that nothing reached has no row, or one that says so: docs/decisions/0003.
        here, there = actual[key].reported > 0, buckets.reported > 0
        for field in fields(Buckets):
            a, b = getattr(actual[key], field.name), getattr(buckets, field.name)
            a, b = (a, b) if field.name == "names" else (a[here], b[there])
            if field.name == "names":
                assert a == b
            else:
                np.testing.assert_allclose(a, b, rtol=1e-12, err_msg=f"{key} {field.name}")


async def test_roll_ups_are_true_after_an_import_and_a_start(tmp_path: Path) -> None:
    newer = readings(DAY0 + DAY, DAY, 20)
    older = readings(DAY0, DAY, 20, seed=2)
    corrections = newer.take(np.flatnonzero(newer.times % 7 == 0))
    corrections = type(corrections)(
        corrections.names, corrections.codes, corrections.times, corrections.values + 5
    )
    between = readings(DAY0 + DAY + 7 * HOUR + 3, 2 * HOUR, 30, seed=3, names=KNOWN[:1])
    (tmp_path / "newer.line").write_bytes(lines([newer]))
    (tmp_path / "older.line.gz").write_bytes(gzip.compress(lines([older, corrections, between])))
    now = DAY0 + 2 * DAY + 3 * HOUR

    assert await imported(tmp_path / "a", tmp_path / "newer.line") == 0
    await rolled_up(tmp_path / "a", now)
    assert await imported(tmp_path / "a", tmp_path / "older.line.gz") == 0
    actual = await rolled_up(tmp_path / "a", now)

    async with running(
        tmp_path / "b", now
    ) as services:  # the same readings, all there before the first roll-up
        for part in (newer, older, corrections, between):
            await services.store.write(part)
    same_rollups(actual, await rolled_up(tmp_path / "b", now))


@pytest.mark.parametrize("packed", [True, False])
async def test_what_influx_inspect_exported_is_what_the_server_held(
    tmp_path: Path, influxdb: InfluxServer, packed: bool
) -> None:
    expected_points = inspected.POINTS
    file = inspected.FILE
    if not packed:
        file = tmp_path / "out"
        file.write_bytes(gzip.decompress(inspected.FILE.read_bytes()))
    assert await imported(tmp_path / "a", file) == 0
    tags = await check_stored(tmp_path / "a", expected_points)
    assert tags.items() >= inspected.TAGS.items()

    # What it was exported from: the same points in the server itself.
    name = fresh_name()
    store = InfluxDBStore(influxdb.url(name))
    await store.open()
    try:
        for body in inspected.WRITES:
            await asyncio.to_thread(influxdb.post, f"/write?db={name}", body.encode())
        actual = await store.raw(list(expected_points), *EVER)
        assert {name: p.times.tolist() for name, p in actual.items()} == {
            name: p.times.tolist() for name, p in expected_points.items()
        }
        assert all(
            np.array_equal(actual[name].values, expected_points[name].values) for name in expected_points
        )
    finally:
        await store.close()


@pytest.mark.parametrize("kind", Format)
async def test_export_then_import_gives_the_same_store(tmp_path: Path, kind: Format) -> None:
    parts = [readings(DAY0, 2 * DAY, 4), readings(DAY0 + 40 * DAY, HOUR, 0.5, seed=2, names=KNOWN[:2])]
    (tmp_path / "first.line").write_bytes(lines(parts))
    assert await imported(tmp_path / "a", tmp_path / "first.line") == 0
    tags = await check_stored(tmp_path / "a", expected(parts))
    assert tags[UNKNOWN_SENSOR] == UNKNOWN_SENSOR_TAGS
    file = tmp_path / f"out.{kind}.gz"
    await asyncio.to_thread(run_export, settings(tmp_path / "a"), Export(ExportRequest(), kind, file, True))
    assert await imported(tmp_path / "b", file, format=kind) == 0
    actual = await check_stored(tmp_path / "b", expected(parts))
    if kind is Format.CSV:  # it says nothing of tags; the description does, of those it knows
        del tags[UNKNOWN_SENSOR]  # type: ignore[attr-defined]
    assert actual == tags


async def test_an_export_of_some_sensors_in_some_time(tmp_path: Path) -> None:
    part = readings(DAY0, 2 * HOUR, 1)
    (tmp_path / "first.line").write_bytes(lines([part]))
    await imported(tmp_path / "a", tmp_path / "first.line")
    start, end = (DAY0 + 600) * S, (DAY0 + 1200) * S
    request = ExportRequest(KNOWN[1:2], (), start, end)
    await asyncio.to_thread(
        run_export, settings(tmp_path / "a"), Export(request, None, tmp_path / "x.parquet", True)
    )
    await imported(tmp_path / "b", tmp_path / "x.parquet")
    points = expected([part])[KNOWN[1]]
    is_selected = (points.times >= start) & (points.times < end)
    await check_stored(
        tmp_path / "b", {KNOWN[1]: type(points)(points.times[is_selected], points.values[is_selected])}
    )


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "backend.cli.main", *map(str, arguments)]


def child(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command(*arguments), cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.parametrize("kind, packed", [(Format.LINE, True), (Format.PARQUET, False)])
async def test_killed_in_the_midst_and_started_again(tmp_path: Path, kind: Format, packed: bool) -> None:
    parts = [readings(DAY0, 2 * DAY, 1), readings(DAY0 + HOUR, HOUR, 5, seed=2)]
    changed = type(parts[0])(parts[0].names, parts[0].codes, parts[0].times, parts[0].values + 1)
    parts.append(changed.take(np.arange(0, len(changed), 7)))  # said again later, with another value
    file = tmp_path / f"export.{kind}"
    if kind is Format.LINE:
        file.write_bytes(gzip.compress(lines(parts), 1) if packed else lines(parts))
    else:
        from backend.formats.write import writer

        out = writer(kind, parts[0].names, {})
        file.write_bytes(out.begin() + b"".join(out.write(part) for part in parts) + out.end())
    small = tmp_path / "small.line"
    small.write_bytes(lines([readings(DAY0 - DAY, HOUR, 60, seed=4)]))
    notes = tmp_path / "data" / "imports.json"
    arguments = (
        "import",
        "--data",
        tmp_path / "data",
        "--description",
        EXAMPLE,
        "--format",
        "auto",
        small,
        file,
    )
    previous = 0
    for _ in range(2):
        process = child(*arguments)
        while process.poll() is None:
            reached = (
                max((n["readings"] for n in json.loads(notes.read_text()).values()), default=0)
                if notes.exists()
                else 0
            )
            if reached > max(previous, 1000):
                previous = reached
                process.send_signal(signal.SIGKILL)
                break
            await asyncio.sleep(0.005)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert 0 < previous < sum(map(len, parts))
    process = child(*arguments)
    _, output = process.communicate()
    assert process.returncode == 0, output
    assert "already imported" in output.decode() and "continuing after" in output.decode()
    await check_stored(tmp_path / "data", expected([*parts, readings(DAY0 - DAY, HOUR, 60, seed=4)]))
    process = child(*arguments)
    _, output = process.communicate()
    assert output.decode().count("already imported") == 2


async def test_notes_of_another_store_do_not_count(tmp_path: Path) -> None:
    part = readings(DAY0, HOUR, 10)
    (tmp_path / "x.line").write_bytes(lines([part]))
    await imported(tmp_path / "a", tmp_path / "x.line")
    for file in (tmp_path / "a").glob("series.duckdb*"):
        file.unlink()
    await imported(tmp_path / "a", tmp_path / "x.line")
    await check_stored(tmp_path / "a", expected([part]))


async def test_a_store_that_a_server_owns(tmp_path: Path) -> None:
    (tmp_path / "x.line").write_bytes(lines([readings(DAY0, HOUR, 10)]))
    store = DuckDBStore(tmp_path / "a" / "series.duckdb")
    await store.open()
    process = await asyncio.to_thread(child, "import", "--data", tmp_path / "a", tmp_path / "x.line")
    _, output = await asyncio.to_thread(process.communicate)
    assert process.returncode == 1
    assert "is in use by" in output.decode() and "Stop the dashboard" in output.decode()
    process = await asyncio.to_thread(child, "export", "--data", tmp_path / "a", "--type", "wattmeter")
    _, output = await asyncio.to_thread(process.communicate)
    assert "/export?types=wattmeter&format=csv" in output.decode()
    await store.close()


async def test_what_cannot_be_read_is_told_and_the_rest_imported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    part = readings(DAY0, HOUR, 10)
    whole = gzip.compress(lines([part]))
    (tmp_path / "cut.line.gz").write_bytes(whole[:-500])
    (tmp_path / "good.csv").write_bytes(b"time,sensor,value\n2024-01-01T00:00:00Z,fan,1\nrubbish\n")
    (tmp_path / "folder").mkdir()
    assert (
        await imported(tmp_path / "a", tmp_path / "cut.line.gz", tmp_path / "folder", tmp_path / "good.csv")
        == 1
    )
    output = capfd.readouterr().err
    assert "damaged or truncated" in output
    assert "folder cannot be read" in output
    assert "good.csv: line 3: found 1 columns in 'rubbish'; expected time,sensor,value" in output
    assert "sensors that are not in the site description" in output
    assert "Traceback" not in output
    with pytest.raises(UserError, match="no such file"):
        await imported(tmp_path / "a", tmp_path / "nowhere")
    (tmp_path / "a" / "imports.json").write_text("{")
    with pytest.raises(PermanentError, match="is damaged"):
        await imported(tmp_path / "a", tmp_path / "good.csv")


# What the kernel reports of a child counts its parent's memory too; this is the child's own.
PEAK = """
import re, sys
from pathlib import Path
from backend.cli.main import main
code = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""


def peak_mb(*arguments: object) -> float:
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *map(str, arguments)], cwd=ROOT, capture_output=True, check=True
    )
    return int(done.stdout) / 1024


def test_a_million_readings_in_bounded_memory(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "x.line.gz", "wb", 1) as file:
        for day in range(25):
            file.write(lines([readings(DAY0 + day * DAY, DAY, 8.64, seed=day)]))
    data = ("--data", tmp_path / "a", "--description", EXAMPLE, "--quiet")
    assert peak_mb("import", *data, tmp_path / "x.line.gz") < IMPORT_MB
    assert peak_mb("export", *data, "-o", tmp_path / "x.parquet") < IMPORT_MB
    assert peak_mb("import", "--data", tmp_path / "b", *data[2:], tmp_path / "x.parquet") < IMPORT_MB


def test_an_export_whose_reader_has_enough(tmp_path: Path) -> None:
    (tmp_path / "x.line").write_bytes(lines([readings(DAY0, DAY, 1)]))
    places = f"--data {tmp_path / 'a'} --description {EXAMPLE} --quiet"
    me = f"{sys.executable} -m backend.cli.main"
    script = f"{me} import {places} {tmp_path / 'x.line'} && {me} export {places} | head -2"
    done = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", script], cwd=ROOT, capture_output=True, check=False
    )
    assert done.stdout.count(b"\n") == 2
    assert b"Traceback" not in done.stderr and b"BrokenPipe" not in done.stderr
