"""Each fault is planted, reported for its query and no other, and gone after the repair."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backend.core.bucket import Buckets, SeriesKind
from backend.core.errors import NotFound, TransientError
from backend.core.ports import DirtyWindow
from backend.core.windows import WINDOWS, Window
from backend.jobs.diagnostic import RollupFault
from backend.store.duckdb.store import DuckDBStore
from backend.store.influxdb.store import InfluxDBStore
from tests.support.influx import InfluxServer, fresh_name
from tests.support.job_site import HOUR, JobSite
from tests.support.rollup_day import DEFINITIONS, END, START


@pytest.fixture(params=["duckdb", "influxdb"])
async def site(request: pytest.FixtureRequest) -> AsyncIterator[JobSite]:
    if request.param == "duckdb":
        store: DuckDBStore | InfluxDBStore = DuckDBStore(":memory:", readers=2)
    else:
        server: InfluxServer = request.getfixturevalue("influxdb")
        store = InfluxDBStore(server.url(fresh_name()))
    await store.open()
    site = JobSite(store)
    await site.roll_up()
    yield site
    await store.close()


async def faults(site: JobSite) -> Mapping[str, tuple[RollupFault, ...]]:
    return {health.query.name: health.faults for health in await site.diagnostic.read() if health.faults}


async def mend(site: JobSite) -> None:
    """Repair all faults, and run the requested tasks."""
    await site.repair.repair(list(await faults(site)))
    if "roll_up" in site.queue.requests:
        await site.engine.step()
    if "heal" in site.queue.requests:
        await site.engine.heal()
    await site.work_off()


async def test_a_healthy_site_has_no_faults(site: JobSite) -> None:
    healths = await site.diagnostic.read()
    assert [health.query for health in healths] == list(DEFINITIONS.queries())
    assert await faults(site) == {}
    hour = next(health for health in healths if health.query.name == "cq_datacenter_1h")
    assert (hour.expected, hour.watermark_ns, hour.lag_s) == (True, Window.H1.floor(END), 600.0)
    await site.log.record("roll_up", END, 0.5, "no answer")
    first = (await site.diagnostic.read())[0]
    assert (first.last_s, first.last_error) == (0.5, "no answer")


async def test_a_node_that_is_missing(site: JobSite) -> None:
    await site.store.drop_series(SeriesKind.NODE, Window.H1, ["servers"])
    assert await faults(site) == {"cq_servers_1h": (RollupFault.MISSING,)}
    (mended,) = await site.repair.repair(["cq_servers_1h"])
    assert [job.cq_name for job in mended.jobs] == ["cq_servers_1h"]
    await site.work_off()
    assert await faults(site) == {}
    assert await site.compare()


async def test_sensors_and_types_that_are_missing(site: JobSite) -> None:
    await site.store.drop_series(SeriesKind.SENSOR, Window.M1, ["plug_1", "sun"])
    await site.store.drop_series(SeriesKind.TYPE, Window.D1, ["wattmeter"])
    found = {health.query.name: health.missing for health in await site.diagnostic.read() if health.faults}
    assert found == {
        "measurement_downsample_1m": ("plug_1", "sun"),
        "measurement_downsample_all_1d": ("wattmeter",),
    }
    await mend(site)
    assert await faults(site) == {}
    assert await site.compare()


async def test_a_sensor_that_never_reported_is_not_missing(site: JobSite) -> None:
    kept = await site.store.rollup_series(SeriesKind.SENSOR, Window.H1)
    assert "plug_silent" not in kept
    assert await faults(site) == {}


async def test_stored_but_undescribed_series_are_unknown(site: JobSite) -> None:
    old = Buckets.empty(("gone",))
    row: dict[str, Any] = {
        f: np.array([1.0]) for f in ("count", "sum", "m2", "min", "max", "median", "expected", "reported")
    }
    old = replace(old, codes=np.zeros(1, np.int32), starts=np.array([Window.H1.floor(START)]), **row)
    for kind in SeriesKind:
        await site.store.write_buckets(kind, Window.H1, old)
    found = {h.query.name: (h.expected, h.unknown) for h in await site.diagnostic.read() if h.faults}
    assert found == {
        "measurement_downsample_1h": (True, ("gone",)),
        "measurement_downsample_all_1h": (True, ("gone",)),
        "cq_gone_1h": (False, ("gone",)),
    }
    before = await site.compare()
    (only, *_) = await site.repair.repair(["cq_gone_1h"], [RollupFault.LATE])
    assert (only.faults, only.actions) == ((), ()), "of what was not asked for nothing is done"
    await mend(site)
    assert await faults(site) == {}
    assert "gone" not in await site.store.rollup_series(SeriesKind.NODE, Window.H1)
    assert await site.compare() == before


async def test_a_query_that_is_late(site: JobSite) -> None:
    # Seconds after END 1 m and 30 s windows are due; after a minute of grace they are late.
    site.clock.advance(119)
    assert set(await faults(site)) == {q.name for q in DEFINITIONS.queries() if q.window is Window.S30}
    site.clock.advance(2)
    late = await faults(site)
    assert set(late.values()) == {(RollupFault.LATE,)}
    assert set(late) == {q.name for q in DEFINITIONS.queries() if q.window in (Window.S30, Window.M1)}
    await mend(site)
    assert await faults(site) == {}


async def test_a_definition_that_changed(site: JobSite) -> None:
    """`fan` gets another plug in the description: stored roll-ups belong to the old one."""
    nodes = {**DEFINITIONS.nodes, "fan": ("plug_steady",), "cooling": ("plug_steady", "plug_2")}
    changed = JobSite(site.store, replace(DEFINITIONS, nodes=nodes), site.state)
    found = {h.query.name: h.faults for h in await changed.diagnostic.read() if h.faults}
    assert found == {
        f"cq_{node}_{window}": (RollupFault.WRONG,) for node in ("fan", "cooling") for window in WINDOWS
    }
    await mend(changed)
    assert await faults(changed) == {}
    assert await changed.compare()


async def test_roll_ups_of_another_definition_without_a_record(site: JobSite) -> None:
    """As after a restored backup: the state matches, but the store holds roll-ups of another description."""
    kept = await site.store.buckets(SeriesKind.NODE, ["servers"], Window.H1, 0, END)
    await site.store.write_buckets(SeriesKind.NODE, Window.H1, replace(kept, expected=kept.expected * 2))
    periods = await site.store.buckets(SeriesKind.SENSOR, ["sun"], Window.M1, 0, END)
    # Only its newest minute, since readings come every five.
    assert periods.starts[-1] < Window.M1.floor(END)
    assert await faults(site) == {"cq_servers_1h": (RollupFault.WRONG,)}
    await mend(site)
    assert await faults(site) == {}
    assert await site.compare()


async def test_windows_that_are_dirty(site: JobSite) -> None:
    await site.falsify()
    hour = Window.H1.floor(START) + 3 * HOUR
    for name in site.points:
        await site.state.mark_dirty(
            [DirtyWindow(name, Window.D1.floor(START), Window.D1.floor(START) + 2 * Window.D1.ns)]
        )
    await site.state.clear_dirty(await site.state.dirty(99))
    await site.state.mark_dirty(
        [DirtyWindow("plug_1", hour, hour + HOUR), DirtyWindow("plug_2", hour, hour + HOUR)]
    )
    found = {h.query.name: h.dirty_windows for h in await site.diagnostic.read() if h.faults}
    assert found["measurement_downsample_1m"] == 120
    assert found["measurement_downsample_all_1m"] == 60
    assert found["cq_servers_30s"] == 120
    assert found["cq_datacenter_1d"] == 1
    assert "cq_sol1_1h" not in found
    assert {fault for each in (await faults(site)).values() for fault in each} == {RollupFault.DIRTY}
    await mend(site)
    assert await faults(site) == {}


async def test_repair_reports_faults_that_it_cannot_fix(site: JobSite) -> None:
    with pytest.raises(NotFound, match="no continuous query 'cq_nope_1h'"):
        await site.repair.repair(["cq_nope_1h"])
    site.clock.advance(600)
    site.queue.down = True
    with pytest.raises(TransientError):
        await site.repair.repair(["cq_datacenter_30s"])


async def test_a_site_without_readings() -> None:
    store = DuckDBStore(":memory:", readers=1)
    await store.open()
    site = JobSite(store)
    assert await faults(site) == {}
    assert all(health.watermark_ns is None for health in await site.diagnostic.read())
    await store.close()
