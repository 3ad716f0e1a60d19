from __future__ import annotations

import pytest

from backend.core.errors import UserError
from tests.support.small_site import SmallSite


def names(site: SmallSite, **filters: str) -> list[str]:
    return [s.name for s in site.queries.sensors.select(**filters)]


def test_filters_and_search() -> None:
    site = SmallSite()
    assert names(site, sensor_type="temperature") == ["front1", "back1", "outside"]
    assert names(site, method="snmp", search="A_PDU PDU-1") == ["a_pdu-1", "a_pdu-2"]
    assert names(site, search="outside_temp") == ["outside"]
    assert names(site, search="no such thing") == []


def test_pages_follow_one_another() -> None:
    service = SmallSite().queries.sensors
    everything = service.select()
    first = service.page(everything, 3, None)
    assert (first.total, first.has_previous, first.has_next) == (8, False, True)
    last = service.page(everything, 100, first.sensors[-1].name)
    assert [*first.sensors, *last.sensors] == everything
    assert (last.has_previous, last.has_next) == (True, False)


def test_a_page_that_cannot_be() -> None:
    service = SmallSite().queries.sensors
    with pytest.raises(UserError, match="expected 0 to"):
        service.page(service.select(), -1, None)
    with pytest.raises(UserError, match="start again"):
        service.page(service.select(), 1, "gone")


def test_a_probe_without_description_is_there_once_it_reports() -> None:
    site = SmallSite()
    assert site.queries.sensors.find("28b8") is None
    site.hear({"28b8": 20.0})
    result = site.queries.sensors.find("28b8")
    assert result is not None
    assert (result.sensor_type, result.unit, result.location) == ("temperature", "celsius", "room exterior")
    assert names(site)[-1] == "28b8"


def test_latest_goes_stale() -> None:
    site = SmallSite()
    service = site.queries.sensors
    assert service.latest("fan") is None
    site.hear({"fan": 3.0}, ago_s=59)
    fresh = service.latest("fan")
    assert fresh is not None
    assert (fresh.value, fresh.age_s, fresh.stale) == (3.0, 59.0, False)
    site.clock.advance(2)
    stale = service.latest("fan")
    assert stale is not None
    assert stale.stale


def test_types_are_counted() -> None:
    counted = [(t.name, t.unit, t.count) for t in SmallSite().queries.sensors.types()]
    assert counted == [("temperature", "celsius", 3), ("wattmeter", "W", 5)]
