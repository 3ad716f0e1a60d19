"""Leaves in another unit of power count in watts, live and rolled up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.core.quantity import watts_per
from backend.core.windows import NS_PER_SECOND as S
from tests.support.small_site import NOON, SmallSite, small_inventory


def site_in_kilowatts() -> SmallSite:
    inventory = small_inventory()
    sensors = {
        name: replace(s, unit="kW") if name in ("sun", "a_pdu-1") else s
        for name, s in inventory.sensors.items()
    }
    return SmallSite(inventory=replace(inventory, sensors=sensors))


@pytest.mark.parametrize(
    "unit, watts",
    [
        ("W", 1),
        ("watts", 1),
        (" kW", 1000),
        ("kw", 1000),
        ("MW", 1e6),
        ("mW", 1e-3),
        ("kWh", None),
        ("%", None),
    ],
)
def test_units_of_power(unit: str, watts: float | None) -> None:
    assert watts_per(unit) == watts


def test_last_values() -> None:
    site = site_in_kilowatts()
    site.hear({"a_pdu-1": 0.2, "a_pdu-2": 50.0, "sun": 1.5})
    consumption = {n.id: n.watts for n in site.queries.energy.now("consumption").nodes}
    assert (consumption["datacenter"], consumption["a_1"]) == (250.0, 200.0)
    assert site.queries.energy.now("production").nodes[0].watts == 1500.0
    server = site.queries.racks.racks()[0].equipment[1]
    assert (server.watts, server.wattmeters) == (250.0, ("a_pdu-1", "a_pdu-2"))


async def test_roll_ups() -> None:
    site = site_in_kilowatts()
    await site.write("sun", range(NOON - 60, NOON), [1.5] * 60)
    await site.roll_up()
    state = await site.queries.energy.at("production", None, (NOON - 10) * S)
    assert [n.watts for n in state.nodes] == [1500.0, 1500.0]
