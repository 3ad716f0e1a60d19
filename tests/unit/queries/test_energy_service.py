from __future__ import annotations

import pytest

from backend.core.errors import UserError
from backend.core.windows import NS_PER_SECOND as S
from backend.queries.energy import NodeState, TreeState
from tests.support.small_site import NOON, SmallSite


def by_id(state: TreeState) -> dict[str, NodeState]:
    return {n.id: n for n in state.nodes}


def test_sums_of_last_values_with_what_is_missing() -> None:
    site = SmallSite()
    site.hear({"a_pdu-1": 100.0, "b_pdu-1": 30.0})
    site.hear({"a_pdu-2": 50.0, "fan": 7.0}, ago_s=61)
    nodes = by_id(site.queries.energy.now("consumption"))
    root = nodes["datacenter"]
    assert root.parent is None
    assert root.watts == 130.0
    assert (root.sensors_expected, root.sensors_reporting) == (4, 2)
    assert root.coverage == 0.5
    assert root.missing == ("a_pdu-2", "fan")
    assert nodes["server_a"].missing == ("a_pdu-2",)
    assert nodes["server_b"].missing == ()
    assert nodes["cooling"].watts is None
    assert nodes["cooling"].target == "fan"
    assert nodes["spare"].watts is None
    assert nodes["spare"].coverage == 0.0


def test_a_part_of_the_tree() -> None:
    site = SmallSite()
    site.hear({"a_pdu-1": 100.0})
    state = site.queries.energy.now("consumption", "server-a")
    assert [n.id for n in state.nodes] == ["server_a", "a_1", "a_2"]
    assert state.nodes[0].parent is None
    assert state.nodes[1].parent == "server_a"


async def test_the_past_comes_from_the_windows_of_30_seconds() -> None:
    site = SmallSite()
    await site.write("a_pdu-1", range(NOON - 90, NOON), [100.0] * 90)
    await site.write("a_pdu-2", range(NOON - 90, NOON - 60), [50.0] * 30)
    await site.roll_up()
    early = await site.queries.energy.at("consumption", "server_a", (NOON - 70) * S)
    assert early.at_ns == (NOON - 90) * S
    assert early.nodes[0].watts == 150.0
    assert early.nodes[0].coverage == 1.0
    assert early.nodes[0].missing == ()
    later = await site.queries.energy.at("consumption", "server_a", (NOON - 20) * S)
    assert later.nodes[0].watts == 100.0
    assert later.nodes[0].missing == ("a_pdu-2",)
    assert by_id(later)["a_2"].watts is None


async def test_the_window_that_is_not_over_is_the_one_before() -> None:
    site = SmallSite()
    await site.write("fan", range(NOON - 60, NOON), [5.0] * 60)
    await site.roll_up()
    site.clock.advance(20)
    state = await site.queries.energy.at("consumption", None, (NOON + 10) * S)
    assert state.at_ns == (NOON - 30) * S


async def test_before_anything_was_read_all_is_null() -> None:
    state = await SmallSite().queries.energy.at("production", None, (NOON - 1) * S)
    assert [n.watts for n in state.nodes] == [None, None]
    assert state.nodes[0].missing == ("sun",)


async def test_faults_of_the_caller() -> None:
    energy = SmallSite().queries.energy
    with pytest.raises(UserError, match="no such node"):
        energy.now("production", "datacenter")
    with pytest.raises(UserError, match="future"):
        await energy.at("production", None, (NOON + 1) * S)
