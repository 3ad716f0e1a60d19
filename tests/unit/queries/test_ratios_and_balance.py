"""PUE and renewable share by windows, and meters against the sum of what they feed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.core.errors import UserError
from backend.core.tree import Tree, TreeNode
from backend.core.windows import NS_PER_SECOND as S
from backend.core.windows import Window
from backend.settings import Settings
from tests.support.small_site import NOON, SmallSite, sensor, small_inventory

HOUR = 3600
START = NOON - 3 * HOUR
HARDWARE = ("a_pdu-1", "a_pdu-2", "b_pdu-1")


async def three_hours() -> SmallSite:
    """100 W of hardware, 20 W of cooling, 30 W of sun; a plug is silent in the second hour, the fan in the last minute."""
    site = SmallSite()
    every = range(START, NOON)
    for name, watts in zip(HARDWARE, (50.0, 30.0, 20.0), strict=True):
        times = [t for t in every if name != "b_pdu-1" or not START + HOUR <= t < START + 2 * HOUR]
        await site.write(name, times, [watts] * len(times))
    times = [t for t in every if t < NOON - 60]
    await site.write("fan", times, [20.0] * len(times))
    await site.write("sun", every, [30.0] * len(every))
    await site.roll_up()
    return site


async def test_hours_that_are_measured_too_little_are_withheld() -> None:
    site = await three_hours()
    result = await site.queries.ratios.pue(START * S, None, "1h")
    assert result.window is Window.H1
    assert result.values[[0, 2]] == pytest.approx([1.2, 1.2 - 0.2 / 60])
    assert np.isnan(result.values[1])
    assert result.coverage == pytest.approx([1.0, 2 / 3, 1 - 1 / 60 / 4])
    assert result.withheld == 1
    assert result.value is None  # eight ninths of the hardware's reports came
    assert result.reason == "Not enough data: 89% of the range is covered; at least 90% is needed."


async def test_the_threshold_is_the_setting() -> None:
    site = await three_hours()
    queries = SmallSite(settings=Settings(pue_min_coverage=0.6), store=site.store, state=site.state).queries
    result = await queries.ratios.pue(START * S, None, "1h")
    assert result.withheld == 0
    assert result.values[1] == pytest.approx(100 / 80)
    assert result.value == pytest.approx((120 + 100 + 120) / 280, rel=1e-3)
    assert result.reason is None
    strict = SmallSite(settings=Settings(pue_min_coverage=0.85), store=site.store, state=site.state).queries
    result = await strict.ratios.pue(START * S, None, "1h")
    assert result.value == pytest.approx(1.2 - 0.1 / 60)
    assert result.reason is not None
    assert result.reason.startswith("1 of 3 windows are withheld: ")
    assert "less than 85% coverage" in result.reason


async def test_the_renewable_share_in_percent() -> None:
    site = await three_hours()
    result = await site.queries.ratios.renewable_share(START * S, (START + HOUR) * S, "1m")
    assert len(result.starts) == 60
    assert result.values == pytest.approx([25.0] * 60)
    assert result.value == pytest.approx(25.0)


async def test_nothing_measured_is_withheld_with_the_reason() -> None:
    result = await SmallSite().queries.ratios.pue(START * S, None, "auto")
    assert (result.value, len(result.values), result.share) == (None, 0, 0.0)
    assert result.reason == (
        "Not enough data: no minute of the range has values of datacenter and hardware_cluster."
    )
    with pytest.raises(UserError, match="not before"):
        await SmallSite().queries.ratios.pue(NOON * S, None, "1h")
    queries = SmallSite(settings=Settings(pue_it_node="nope")).queries
    with pytest.raises(UserError, match="no node nope"):
        await queries.ratios.pue(START * S, None, "1h")


def metered() -> SmallSite:
    """The hardware cluster has a feed of its own, and the data centre is also drawn in short."""
    inventory = small_inventory()
    tree = inventory.consumption
    nodes = tuple(
        replace(
            n, simplified_children={"hardware_cluster": ("feed",), "datacenter": ("cooling",)}.get(n.id, ())
        )
        for n in tree.nodes
    )
    feed = TreeNode("feed", "Feed", None, (), "feed_meter")
    return SmallSite(
        inventory=replace(
            inventory,
            sensors={**inventory.sensors, "feed_meter": sensor("feed_meter")},
            consumption=Tree("consumption", "datacenter", nodes, (feed,)),
        )
    )


async def test_balance_now_and_at_a_moment() -> None:
    site = metered()
    assert site.queries.balance.nodes("consumption") == ["hardware_cluster"]
    assert site.queries.balance.nodes("production") == []
    site.hear({"a_pdu-1": 50.0, "a_pdu-2": 30.0, "feed_meter": 100.0})
    (now,) = await site.queries.balance.read(["hardware-cluster"], None, None, None)
    assert (now.meter_w, now.children_w, now.difference_w, now.difference_percent) == (
        100.0,
        80.0,
        20.0,
        20.0,
    )
    assert (now.meter_coverage, now.children_coverage) == (1.0, pytest.approx(2 / 3))
    assert (now.meters, now.until_ns, now.missing) == (("feed",), None, ("b_pdu-1",))
    (past,) = await site.queries.balance.read(["hardware_cluster"], (NOON - 10) * S, None, None)
    assert (past.meter_w, past.difference_w, past.difference_percent) == (None, None, None)
    assert sorted(past.missing) == ["a_pdu-1", "a_pdu-2", "b_pdu-1", "feed_meter"]


async def test_balance_over_a_range_compares_the_time_that_both_have() -> None:
    site = metered()
    for name in HARDWARE:
        await site.write(name, range(START, NOON), [30.0] * 3 * HOUR)
    half = range(START + 90 * 60, NOON)
    await site.write("feed_meter", half, np.linspace(99.0, 101.0, len(half)))
    await site.roll_up()
    (result,) = await site.queries.balance.read(["hardware_cluster"], None, START * S, None)
    assert (result.meter_w, result.children_w) == (pytest.approx(100.0), pytest.approx(90.0))
    assert result.difference_percent == pytest.approx(10.0)
    assert (result.meter_coverage, result.children_coverage) == (0.5, 1.0)
    assert (result.meter_kwh, result.children_kwh) == (pytest.approx(0.15), pytest.approx(0.27))
    first = (["hardware_cluster"], None, START * S, (START + HOUR) * S, True)
    assert [one.missing for one in await site.queries.balance.read(*first)] == [("feed_meter",)]


async def test_faults_of_the_caller() -> None:
    balance = metered().queries.balance
    with pytest.raises(UserError, match="Nodes with their own meter: hardware_cluster"):
        await balance.read(["datacenter"], None, None, None)
    with pytest.raises(UserError, match="not both"):
        await balance.read(["hardware_cluster"], START * S, START * S, None)
    with pytest.raises(UserError, match="needs `from`"):
        await balance.read(["hardware_cluster"], None, None, START * S)
