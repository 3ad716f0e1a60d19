"""A changed description: all history it concerns is adapted, and nothing else is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.core.bucket import Buckets, SeriesKind
from backend.core.errors import TransientError
from backend.core.ports import SeriesAlias
from backend.core.tree import Tree
from backend.core.windows import WINDOWS, Window
from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.db.rollup_state import SqlRollupState
from backend.rollups.definitions import Definitions
from backend.rollups.engine import RollupEngine
from backend.store.duckdb.store import DuckDBStore
from tests.support.manual_clock import ManualClock
from tests.support.rollup_day import (
    CONSUMPTION,
    DEFINITIONS,
    END,
    HOUR,
    PRODUCTION,
    SENSORS,
    START,
    STEADY,
    Info,
    compare,
    readings_of,
    simulate,
    tree,
)

DELAY_S = 5.0
POINTS = simulate()
ENDS = {w: w.floor(END - round(DELAY_S * 1e9)) for w in WINDOWS}

MOVED = tree(
    "consumption",
    {
        "datacenter": ["servers", "cooling", "empty"],
        "servers": ["server_1", "server_2"],
        "server_1": ["plug_a"],
        "cooling": ["fan", "plug_b"],
    },
    {"plug_a": "plug_1", "plug_b": "plug_2", "server_2": "plug_spare", "fan": "plug_silent"},
)
"""`CONSUMPTION` with a plug at another place: `servers`, `server_1` and `cooling` change, and nothing else."""


class Counting:
    """Forwards calls to a store, counts writes, and can fail after a number of them."""

    def __init__(self, store: DuckDBStore) -> None:
        self._store = store
        self.written: Counter[tuple[SeriesKind, str]] = Counter()
        self.left = 10**9

    async def set_aliases(
        self, window: Window, copies: Mapping[str, SeriesAlias], start: int, end: int
    ) -> bool:
        self.left -= 1
        if self.left < 0:
            raise TransientError("the store is down")
        for name in copies:
            self.written[SeriesKind.NODE, name] += (end - start) // window.ns
        return await self._store.set_aliases(window, copies, start, end)

    async def write_buckets(self, kind: SeriesKind, window: Window, buckets: Buckets) -> None:
        self.left -= 1
        if self.left < 0:
            raise TransientError("the store is down")
        for name, rows in buckets.by_series().items():
            self.written[kind, name] += len(rows)
        await self._store.write_buckets(kind, window, buckets)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Site:
    """The simulated day, rolled up, over files that outlive a restart."""

    def __init__(self, store: DuckDBStore, database: Database) -> None:
        self.store: Any = Counting(store)
        self.state = SqlRollupState(database)
        self.clock = ManualClock(END)

    def start(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.engine = RollupEngine(self.store, self.state, definitions, self.clock, DELAY_S)
        self.store.written.clear()

    async def heal(self) -> int:
        rows = 0
        while healed_rows := (await self.engine.heal(revise_days=1)).rows:
            rows += healed_rows
        assert not [s for s in await self.state.series() if s.stale_ns]
        return rows

    async def check(self) -> None:
        await compare(self.store, POINTS, ENDS, definitions=self.definitions)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    await migrate(url)
    database, store = Database(url), DuckDBStore(":memory:", readers=2)
    await store.open()
    site = Site(store, database)
    await store.write(readings_of(POINTS))
    site.start(DEFINITIONS)
    await site.engine.step()
    yield site
    await store.close()
    await database.close()


def described(
    sensors: Mapping[str, Info] = SENSORS, trees: Sequence[Tree] = (CONSUMPTION, PRODUCTION, STEADY)
) -> Definitions:
    return Definitions.of(sensors, trees)


async def test_the_same_description_writes_nothing(site: Site) -> None:
    site.start(described())
    await site.engine.step()
    assert await site.heal() == 0
    assert not site.store.written


async def test_a_moved_leaf_changes_the_nodes_above_it_and_no_other(site: Site) -> None:
    site.start(described(trees=(MOVED, PRODUCTION, STEADY)))
    rows = await site.heal()
    names = {"servers", "server_1", "cooling"}
    assert set(site.store.written) == {(SeriesKind.NODE, name) for name in names}
    first = Window.D1.floor(START)
    assert rows == 3 * sum((ENDS[w] - first) // w.ns for w in WINDOWS), "each window once, by whole days"
    await site.check()


async def test_a_new_sensor_is_rolled_up_from_its_old_readings(site: Site) -> None:
    known = {name: info for name, info in SENSORS.items() if name != "probe"}
    site.start(described(known))
    await site.heal()
    site.start(described())
    await site.heal()
    assert set(site.store.written) == {(SeriesKind.SENSOR, "probe"), (SeriesKind.TYPE, "temperature")}
    await site.check()


async def test_a_type_is_recomputed_when_its_members_change(site: Site) -> None:
    excluded = replace(SENSORS["plug_1"], exclude_from_aggregation=True)
    site.start(described(dict(SENSORS) | {"plug_1": excluded}))
    await site.heal()
    assert set(site.store.written) == {(SeriesKind.TYPE, "wattmeter")}
    await site.check()


async def test_another_period_changes_expected_counts_and_no_value(site: Site) -> None:
    site.start(described(dict(SENSORS) | {"sun": replace(SENSORS["sun"], period_s=100.0)}))
    await site.heal()
    assert set(site.store.written) == {(SeriesKind.SENSOR, "sun"), (SeriesKind.TYPE, "solar_power")}
    await site.check()


async def test_roll_ups_of_removed_nodes_stay_unchanged(site: Site) -> None:
    before = await site.store.buckets(SeriesKind.NODE, ["steady"], Window.M1, 0, END)
    site.start(described(trees=(CONSUMPTION, PRODUCTION)))
    assert await site.heal() == 0
    site.clock.set(END + HOUR)
    await site.engine.step()
    after = await site.store.buckets(SeriesKind.NODE, ["steady"], Window.M1, 0, END + HOUR)
    assert after.starts.tolist() == before.starts.tolist()
    assert (SeriesKind.NODE, "steady") not in {(s.kind, s.name) for s in await site.state.series()}


async def test_a_node_that_is_described_again_gets_its_missing_history(site: Site) -> None:
    site.start(described(trees=(CONSUMPTION, PRODUCTION)))
    site.clock.set(END + HOUR)
    await site.engine.step()
    site.start(described())
    await site.heal()
    await compare(
        site.store,
        POINTS,
        {w: w.floor(END + HOUR - round(DELAY_S * 1e9)) for w in WINDOWS},
        definitions=site.definitions,
    )


async def test_healing_resumes_after_a_failure_and_a_restart(site: Site) -> None:
    changed = described(trees=(MOVED, PRODUCTION, STEADY))
    site.start(changed)
    site.store.left = 6  # enough for the newest day and a part of the next
    with pytest.raises(TransientError):
        await site.heal()
    stale = {s.name: s.stale_ns for s in await site.state.series() if s.stale_ns}
    assert set(stale) == {"servers", "server_1", "cooling"}
    assert all(at and at < ENDS[Window.S30] for at in stale.values()), "what is done stays done"
    site.store.left = 10**9
    site.start(changed)
    await site.heal()
    assert set(site.store.written) == {(SeriesKind.NODE, name) for name in stale}
    await site.check()


async def test_a_change_while_an_earlier_one_heals(site: Site) -> None:
    site.start(described(trees=(MOVED, PRODUCTION, STEADY)))
    await site.engine.heal(revise_days=1)
    site.engine.update_description(described())
    site.definitions = described()
    await site.heal()
    await site.check()


async def test_late_readings_and_steps_while_history_heals(site: Site) -> None:
    """Windows that are rolled up between two days of healing match the new description at once."""
    site.start(described(trees=(MOVED, PRODUCTION, STEADY)))
    await site.engine.heal(revise_days=1)
    p = POINTS["plug_2"]
    late = readings_of({"plug_2": p})
    await site.store.write(late)
    await site.engine.on_late(late)
    await site.engine.step()
    await site.heal()
    await site.check()


async def test_deleted_means_leave_the_coarse_windows_unchanged(site: Site) -> None:
    """Without the 30 s means nothing can be recomputed, so stored windows stay."""
    await site.store._store._engine.write(
        lambda t: [t.cursor.execute(f"delete from {name}") for name in tables(site.store._store)]
    )
    hours = await site.store.buckets(SeriesKind.NODE, ["servers"], Window.H1, 0, END)
    site.start(described(trees=(MOVED, PRODUCTION, STEADY)))
    while (await site.state.series()) and await site.engine.heal(revise_days=1) and await stale(site):
        pass
    day_over = Window.D1.floor(END)
    got = await site.store.buckets(SeriesKind.NODE, ["servers"], Window.H1, 0, day_over)
    assert got.sum.tolist() == hours.sum[hours.starts < day_over].tolist()


async def stale(site: Site) -> bool:
    return any(s.stale_ns for s in await site.state.series())


def tables(store: DuckDBStore) -> list[str]:
    table = store._rollups.tables[Window.S30]
    return [table.hot, *(table.table(part) for part in table.parts)]
