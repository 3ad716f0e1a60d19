from __future__ import annotations

import numpy as np
import pytest

from backend.core.bucket import Buckets, SeriesKind
from backend.core.windows import NS_PER_SECOND as S
from backend.core.windows import Window
from backend.watch.problems import ProblemKind
from tests.support.small_site import NOON, SmallSite

ALL = {"a_pdu-1": 100.0, "a_pdu-2": 100.0, "b_pdu-1": 50.0, "fan": 50.0, "sun": 75.0}
AIR = {"front1": 22.0, "back1": 30.0, "outside": 8.0}


async def week_of_hours(site: SmallSite, hours: int, it_watts: float = 250.0, share: float = 1.0) -> None:
    """The last `hours` hours of both PUE nodes, rolled up."""
    starts = (NOON - 3600 * np.arange(hours, 0, -1)).astype(np.int64) * S
    for name, watts, sensors in (("datacenter", 300.0, 4), ("hardware_cluster", it_watts, 3)):
        n = np.full(hours, 120.0)
        v = np.full(hours, watts)
        buckets = Buckets(
            (name,),
            np.zeros(hours, np.int32),
            starts,
            n,
            n * v,
            v * 0,
            v,
            v,
            v,
            n * sensors,
            n * sensors * share,
        )
        await site.store.write_buckets(SeriesKind.NODE, Window.H1, buckets)
    await site.state.set_watermark(Window.H1, NOON * S)


async def test_all_is_well() -> None:
    site = SmallSite()
    site.hear(ALL | AIR)
    await week_of_hours(site, 168)
    result = await site.queries.overview.read()
    assert result.consumption.value == 300.0
    assert result.consumption.unit == "W"
    assert result.production.value == 75.0
    assert result.renewable_share.value == 25.0
    assert result.pue.value == pytest.approx(1.2)
    assert result.pue.coverage == 1.0
    assert len(result.pue.line.times) == 168
    assert result.inside_temperature.value == 22.0
    assert result.outside_temperature.value == 8.0
    assert (result.sensors_total, result.sensors_reporting) == (8, 8)
    assert result.problems == []


async def test_pue_is_withheld_with_the_reason() -> None:
    site = SmallSite()
    site.hear(ALL)
    assert "no hour of the last 7 days" in ((await site.queries.overview.read()).pue.withheld or "")
    await week_of_hours(site, 84)
    site.clock.advance(61)
    pue = (await site.queries.overview.read()).pue
    assert pue.value is None
    assert pue.coverage == 0.5
    assert pue.withheld == "Not enough data: 50% of the last 7 days is covered; at least 90% is needed."


async def test_pue_counts_partly_silent_hours_as_partly_covered() -> None:
    site = SmallSite()
    await week_of_hours(site, 168, share=0.8)
    pue = (await site.queries.overview.read()).pue
    assert pue.coverage == pytest.approx(0.8)
    assert pue.value is None
    assert np.isnan(pue.line.values).all()


async def test_silence_is_not_zero() -> None:
    result = await SmallSite().queries.overview.read()
    assert result.consumption.value is None
    assert result.consumption.withheld == "None of the 4 sensors of Datacenter is reporting."
    assert result.renewable_share.value is None
    assert result.renewable_share.withheld is not None
    assert result.inside_temperature.withheld is not None


async def test_the_last_hour_by_minutes_with_gaps() -> None:
    site = SmallSite()
    for name in ("a_pdu-1", "a_pdu-2", "b_pdu-1", "fan"):
        await site.write(name, range(NOON - 600, NOON - 120), [10.0] * 480)
    await site.roll_up()
    line = (await site.queries.overview.read()).consumption.line
    assert len(line.times) == 60
    assert line.values[50] == 40.0
    assert np.isnan(line.values[-1])


def kinds(site: SmallSite) -> dict[ProblemKind, list[tuple[str, tuple[str, ...]]]]:
    result: dict[ProblemKind, list[tuple[str, tuple[str, ...]]]] = {}
    for p in site.queries.overview.problems():
        result.setdefault(p.kind, []).append((p.message, p.sensors))
    return result


def test_silent_sensors_are_told_by_their_device() -> None:
    site = SmallSite()
    site.hear(ALL | {"front1": 22.0})
    site.hear({"back1": 30.0}, ago_s=600)
    silent = kinds(site)[ProblemKind.SILENT]
    assert silent == [
        ("outside (card-1) has never reported.", ("outside",)),
        ("back1 (card-1) has not reported for 10 min.", ("back1",)),
    ]


def test_a_slow_sensor_may_take_five_periods() -> None:
    site = SmallSite()
    slow = site.inventory.sensors["fan"]
    object.__setattr__(slow, "period_s", 60.0)
    site = SmallSite(inventory=site.inventory)
    site.hear(ALL | AIR, ago_s=50)
    site.hear({"fan": 5.0}, ago_s=290)
    assert kinds(site) == {}
    site.clock.advance(11)
    assert ProblemKind.SILENT in kinds(site)


def test_values_that_cannot_be_and_trees_that_are_not_whole() -> None:
    site = SmallSite()
    site.hear(ALL | AIR | {"front1": 85.0})
    site.hear({"fan": 5.0})
    assert kinds(site)[ProblemKind.OUT_OF_RANGE] == [
        ("front1 reads 85 °C; plausible is -10 to 75 °C.", ("front1",))
    ]
    site.clock.advance(61)
    site.hear(AIR | {"a_pdu-1": 1.0})
    partial = kinds(site)[ProblemKind.PARTIAL]
    assert partial[0][1] == ("a_pdu-2", "b_pdu-1", "fan")
    assert "1 of 4 sensors" in partial[0][0]


def test_racks_with_their_last_values() -> None:
    site = SmallSite()
    site.hear({"a_pdu-1": 100.0, "front1": 22.0})
    (rack,) = site.queries.racks.racks()
    assert [e.name for e in rack.equipment] == ["b", "a"]
    server = rack.equipment[1]
    assert server.wattmeters == ("a_pdu-1", "a_pdu-2")
    assert (server.watts, server.reporting) == (100.0, 1)
    assert rack.equipment[0].watts is None
    assert [(p.side, p.celsius, p.age_s) for p in rack.probes] == [("front", 22.0, 0.0), ("back", None, None)]


async def test_live_figures_do_not_need_the_store() -> None:
    site = SmallSite()
    site.hear(ALL | AIR)
    site.store.down = True
    site.state.down = True
    result = await site.queries.overview.read()
    assert result.consumption.value == 300.0
    assert np.isnan(result.consumption.line.values).all()
    assert result.pue.withheld == "The history is unavailable now. No data is lost."
