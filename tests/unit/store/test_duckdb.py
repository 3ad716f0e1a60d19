"""Tests of the DuckDB store alone: its file, its tables, and the state after a crash."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from backend.core.bucket import Buckets, SeriesKind
from backend.core.errors import PermanentError, TransientError
from backend.core.ports import SensorTags, SeriesAlias
from backend.core.reading import Reading, Readings
from backend.core.windows import NS_PER_SECOND as S
from backend.core.windows import Window
from backend.store.duckdb import maintenance
from backend.store.duckdb.engine import Cursor
from backend.store.duckdb.partitions import BULK_ROWS, Part, sid_condition
from backend.store.duckdb.store import DuckDBStore
from tests.support.store_cases import same

ROOT = Path(__file__).resolve().parents[3]
T0 = 1_700_006_400 * S
HOUR, DAY = 3600 * S, 86_400 * S
ALWAYS = (-(1 << 62), 1 << 62)


def run(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run Python in another process, in the project's root."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def seconds(names: str, first: int, count: int) -> Readings:
    """Return one reading per second of each sensor from T0 + first, ordered by time, with distinct values."""
    times = T0 + np.repeat(np.arange(first, first + count, dtype=np.int64), len(names)) * S
    codes = np.tile(np.arange(len(names), dtype=np.int32), count)
    return Readings(tuple(names), codes, times, (times - T0) / S + codes / 10)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DuckDBStore]:
    store = DuckDBStore(tmp_path / "series.duckdb", threads=1)
    await store.open()
    yield store
    await store.close()


async def tables(store: DuckDBStore) -> dict[str, int]:
    """Return the tables of raw readings that have rows, with their counts."""

    def ask(cursor: Cursor) -> dict[str, int]:
        names = cursor.execute(
            "select table_name from duckdb_tables() where table_name like 'raw%'"
        ).fetchall()
        counts = {name: cursor.execute(f"select count(*) from {name}").fetchall()[0][0] for (name,) in names}
        return {name: count for name, count in counts.items() if count}

    return await store._engine.read(ask)


# -- the file ----------------------------------------------------------------------------------------------------


async def test_a_second_process_gets_an_error_that_names_the_owner_of_the_file(
    store: DuckDBStore, tmp_path: Path
) -> None:
    code = """
        import asyncio, pathlib, sys
        from backend.core.errors import PermanentError
        from backend.store.duckdb.store import DuckDBStore
        try:
            asyncio.run(DuckDBStore(pathlib.Path(sys.argv[1])).open())
        except PermanentError as error:
            print(error)
        """
    done = await asyncio.to_thread(run, code, str(tmp_path / "series.duckdb"))
    assert f"(PID {os.getpid()})" in done.stdout, done
    assert "series.duckdb is in use by" in done.stdout
    assert "stop that process" in done.stdout


async def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("x" * 5000)
    with pytest.raises(PermanentError, match=r"notes\.txt cannot be opened"):
        await DuckDBStore(path).open()


async def test_a_store_that_is_not_open_raises_a_transient_error(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path / "deep" / "down" / "series.duckdb")
    with pytest.raises(TransientError, match="not open"):
        await store.first_time()
    await store.open()
    await store.close()
    await store.close()
    with pytest.raises(TransientError, match="not open"):
        await store.write(Readings.of([Reading("a", T0, 1.0)]))


async def test_memory_only() -> None:
    store = DuckDBStore(":memory:")
    await store.open()
    await store.write(seconds("ab", 0, 10))
    await store.maintain(T0 + 2 * DAY)
    assert await store.count(["a", "b"], *ALWAYS) == {"a": 10, "b": 10}
    await store.close()


async def test_sensors_and_their_tags_can_be_read_by_hand(store: DuckDBStore) -> None:
    batch = Readings.of([Reading("a", T0, 1.0), Reading("b", T0, 1.0)])
    await store.write(batch, {"a": SensorTags("here", "watt", "W"), "unwritten": SensorTags("x", "y", "z")})
    await store.write(batch, {"a": SensorTags("there", "watt", "W")})
    rows = await store._engine.read(lambda c: c.execute("select * from sensors order by id").fetchall())
    assert rows == [(0, "a", "there", "watt", "W"), (1, "b", None, None, None)]


# -- tables of rows ----------------------------------------------------------------------------------------------


async def test_maintenance_moves_finished_hours_and_seals_finished_days(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "MOVE_ROWS", 1)
    for hour in range(3):
        await store.write(seconds("ab", hour * 3600, 3600))
        await store.maintain(T0 + hour * HOUR + 30 * 60 * S)
    assert await tables(store) == {"raw_20231115": 14_400, "raw_hot": 7200}
    await store.maintain(T0 + 3 * HOUR)  # the third hour has ended, but late readings may come
    assert (await tables(store))["raw_hot"] == 7200
    await store.maintain(T0 + DAY - HOUR)
    assert await tables(store) == {"raw_20231115": 21_600}
    await store.maintain(T0 + DAY + HOUR)
    assert store._raw.parts[T0 // DAY].loose == 0
    order = await store._engine.read(lambda c: c.execute("select sid, ts from raw_20231115").fetchall())
    assert order == sorted(order)


async def test_a_few_old_rows_stay_in_the_hot_table_until_their_day_ends(store: DuckDBStore) -> None:
    await store.write(seconds("a", 0, 100))
    await store.maintain(T0 + 5 * HOUR)
    assert await tables(store) == {"raw_hot": 100}
    await store.maintain(T0 + DAY + HOUR)
    assert await tables(store) == {"raw_20231115": 100}


async def test_a_bulk_write_goes_straight_into_partitions(store: DuckDBStore) -> None:
    count = BULK_ROWS // 2 + 10
    written = await store.write(seconds("ab", 86_400 - 1000, count))
    assert (written.rows, len(written.late)) == (2 * count, 0)
    assert await tables(store) == {"raw_20231115": 2000, "raw_20231116": 2 * count - 2000}
    assert [part.loose for part in store._raw.parts.values()] == [0, 0]


async def test_whole_days_are_dropped(store: DuckDBStore) -> None:
    for day in range(3):
        await store.write(seconds("a", day * 86_400, 10))
    await store.maintain(T0 + 5 * DAY)
    await store.delete(None, 0, T0 + DAY + 5 * S)
    assert await tables(store) == {"raw_20231116": 5, "raw_20231117": 10}
    names = await store._engine.read(lambda c: c.execute("select table_name from duckdb_tables()").fetchall())
    assert ("raw_20231115",) not in names


async def test_writes_and_reads_continue_during_maintenance(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "STEP_ROWS", 500)
    names = "abcdefgh"
    for first in range(0, 6000, 1000):
        await store.write(seconds(names, first, 1000))
    maintenance_lock = asyncio.create_task(store.maintain(T0 + DAY + HOUR))
    turns = 0
    while not maintenance_lock.done():
        turns += 1
        late = Readings.of(
            [Reading("a", T0 + turns % 6000 * S, -1.0), Reading("h", T0 + turns % 6000 * S, -2.0)]
        )
        await store.write(late)
        points = await store.raw([*names], *ALWAYS)
        assert {len(p) for p in points.values()} == {6000}
        assert points["a"].values[turns % 6000] == -1.0
        assert points["h"].values[turns % 6000] == -2.0
    await maintenance_lock
    assert turns > 3
    await store.maintain(T0 + DAY + HOUR)
    points = await store.raw([*names], *ALWAYS)
    assert [len(p) for p in points.values()] == [6000] * 8
    assert int((points["a"].values == -1).sum()) == turns


async def test_maintenance_moves_roll_ups_too(store: DuckDBStore) -> None:
    starts = T0 + np.arange(100, dtype=np.int64) * 30 * S
    columns = (np.arange(100, dtype=np.float64) + k for k in range(8))
    written = Buckets(("x",), np.zeros(100, np.int32), starts, *columns)
    await store.write_buckets(SeriesKind.NODE, Window.S30, written)
    await store.maintain(T0 + 30 * DAY)
    table = store._rollups.tables[Window.S30]
    assert [part.rows for part in table.parts.values()] == [100]
    assert table.hot_span[0] > table.hot_span[1]


def half_minutes(name: str, count: int) -> Buckets:
    """Return buckets of one value each."""
    value, one = np.arange(count, dtype=np.float64), np.ones(count)
    starts = T0 + np.arange(count, dtype=np.int64) * 30 * S
    return Buckets(
        (name,), np.zeros(count, np.int32), starts, one, value, one * 0, value, value, value, one, one
    )


async def rolled(store: DuckDBStore, window: Window) -> int:
    """Return the number of roll-up rows that are stored."""
    names = [table.hot for w, table in store._rollups.tables.items() if w is window]
    names += [
        table.table(part) for w, table in store._rollups.tables.items() for part in table.parts if w is window
    ]
    return await store._engine.read(
        lambda c: sum(c.execute(f"select count(*) from {name}").fetchall()[0][0] for name in names)
    )


async def test_an_alias_of_a_sensor_stores_no_rows(store: DuckDBStore) -> None:
    copies = {"leaf": SeriesAlias(SeriesKind.SENSOR, "plug")}
    await store.write_buckets(SeriesKind.SENSOR, Window.S30, half_minutes("plug", 100))
    for first in range(0, 100, 10):  # in growing pieces
        start = T0 + first * 30 * S
        assert await store.set_aliases(Window.S30, copies, start, start + 300 * S)
    assert await rolled(store, Window.S30) == 100
    notes = await store._engine.read(lambda c: c.execute("select first_ts, end_ts from copies").fetchall())
    assert notes == [(T0, T0 + 3000 * S)]
    got = await store.buckets(SeriesKind.NODE, ["leaf"], Window.S30, *ALWAYS)
    same(got, half_minutes("leaf", 100))


async def test_a_file_without_an_alias_table(store: DuckDBStore) -> None:
    await store.write_buckets(SeriesKind.SENSOR, Window.S30, half_minutes("plug", 100))
    await store.write_buckets(SeriesKind.NODE, Window.S30, half_minutes("leaf", 100))
    await store._engine.write(lambda t: t.cursor.execute("drop table copies"))
    await store.close()
    await store.open()
    same(await store.buckets(SeriesKind.NODE, ["leaf"], Window.S30, *ALWAYS), half_minutes("leaf", 100))
    copies = {"leaf": SeriesAlias(SeriesKind.SENSOR, "plug")}
    assert await store.set_aliases(Window.S30, copies, T0, T0 + 1800 * S)
    assert await rolled(store, Window.S30) == 140  # the written rows are deleted
    same(await store.buckets(SeriesKind.NODE, ["leaf"], Window.S30, *ALWAYS), half_minutes("leaf", 100))


def test_runs_of_ids_become_ranges() -> None:
    assert sid_condition([3]) == "(sid = 3)"
    assert sid_condition([1, 2, 3, 7]) == "(sid between 1 and 3 or sid = 7)"
    assert sid_condition(range(0, 100, 2)).startswith("sid in (0, 2, 4")
    assert sid_condition([]) == "false"


def test_a_partition_counts_rows_that_are_out_of_order() -> None:
    part = Part().grown(10, (0, 5), (3, 9)).grown(5, (4, 0), (4, 9))
    assert part == Part(15, 0, (4, 9))
    assert part.grown(5, (4, 9), (5, 0)) == Part(20, 5, (4, 9))
    assert part.grown(5, (4, 9), (5, 0)).grown(1, (9, 0), (9, 0)).loose == 6


# -- crashes -----------------------------------------------------------------------------------------------------

CRASH = """
    import asyncio, os, pathlib, signal, sys
    from backend.store.duckdb import maintenance
    from backend.store.duckdb.store import DuckDBStore
    from tests.unit.store.test_duckdb import DAY, HOUR, T0, seconds

    path, point, committed = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "after"
    maintenance.STEP_ROWS, maintenance.MOVE_ROWS = 1500, 1

    async def main():
        store = DuckDBStore(path, threads=1)
        await store.open()
        await store.write(seconds("abcd", 3600, 1000))
        await store.maintain(T0 + 3 * HOUR)
        await store.write(seconds("abcd", 0, 1000))
        await store.write(seconds("ab", 3600 + 500, 1000))
        print("acknowledged", flush=True)
        engine, transact, done = store._engine, store._engine._transact, 0

        def dying(work):
            nonlocal done
            done += 1
            def last(transaction):
                result = work(transaction)
                if done == point and not committed:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result
            result = transact(last)
            if done == point:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        engine._transact = dying
        await store.maintain(T0 + DAY + HOUR)
        print("survived", flush=True)

    asyncio.run(main())
    """


@pytest.mark.parametrize(
    "point, moment",
    [
        (1, "before"),
        (1, "after"),
        (2, "after"),
        (3, "before"),
        (5, "after"),
        (6, "after"),
        (7, "before"),
        (8, "after"),
        (9, "before"),
        (10, "before"),
        (10, "after"),
    ],
)
async def test_a_crash_during_maintenance_loses_and_duplicates_nothing(
    tmp_path: Path, point: int, moment: str
) -> None:
    path = tmp_path / "series.duckdb"
    done = await asyncio.to_thread(run, CRASH, str(path), str(point), moment)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "acknowledged\n"), done
    store = DuckDBStore(path, threads=1)
    await store.open()
    for _ in range(2):
        points = await store.raw([*"abcd"], *ALWAYS)
        for code, name in enumerate("abcd"):
            after = [*range(1000), *range(3600, 5100 if name in "ab" else 4600)]
            assert ((points[name].times - T0) // S).tolist() == after
            if code == 0:
                assert points[name].values.tolist() == [float(second) for second in after]
        assert (await store.latest())["a"] == Reading("a", T0 + 5099 * S, 5099.0)
        await store.maintain(T0 + DAY + HOUR)
    assert (await tables(store)).keys() == {"raw_20231115"}
    await store.close()
