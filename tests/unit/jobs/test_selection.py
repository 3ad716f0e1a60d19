"""Tests of the queries that a request selects."""

from __future__ import annotations

import pytest

from backend.core.bucket import SeriesKind
from backend.core.errors import NotFound, UserError
from backend.core.windows import Window
from backend.jobs.selection import JobRequest, NodeSelection, select_queries
from tests.support.rollup_day import CONSUMPTION, DEFINITIONS, PRODUCTION

TREES = (CONSUMPTION, PRODUCTION)


def chosen(**asked: object) -> dict[str, tuple[str, ...]]:
    found = select_queries(JobRequest(**asked), DEFINITIONS, TREES)  # type: ignore[arg-type]
    return {one.query.name: one.series for one in found}


def nodes(**asked: object) -> set[str]:
    return {
        series[0] for name, series in chosen(windows=[Window.H1], **asked).items() if name.startswith("cq_")
    }


def test_a_query_by_its_name_has_all_its_series() -> None:
    assert chosen(queries=["measurement_downsample_1h"]) == {"measurement_downsample_1h": DEFINITIONS.sensors}
    (one,) = select_queries(JobRequest(queries=["cq_fan_1d"]), DEFINITIONS, TREES)
    assert (one.series, one.whole, one.query.window) == (("fan",), True, Window.D1)


def test_some_sensors_are_part_of_a_query() -> None:
    found = chosen(sensors=["sun", "plug_1"])
    assert set(found) == {f"measurement_downsample_{w}" for w in Window}
    assert set(found.values()) == {("plug_1", "sun")}
    (one,) = select_queries(JobRequest(sensors=["sun"], windows=[Window.M1]), DEFINITIONS, TREES)
    assert not one.whole


def test_types_have_no_half_minutes() -> None:
    assert set(chosen(types=["wattmeter"])) == {f"measurement_downsample_all_{w}" for w in ("1m", "1h", "1d")}


@pytest.mark.parametrize(
    "scope, expected",
    [
        (NodeSelection.SELF, {"servers"}),
        (NodeSelection.BELOW, {"servers", "server_1", "server_2", "plug_a", "plug_b"}),
        (NodeSelection.ABOVE, {"servers", "datacenter"}),
        (NodeSelection.ALL, {"servers", "server_1", "server_2", "plug_a", "plug_b", "datacenter"}),
    ],
)
def test_a_node_with_the_nodes_below_or_above(scope: NodeSelection, expected: set[str]) -> None:
    assert nodes(nodes=["servers"], scope=scope) == expected


def test_a_node_without_sensors_selects_only_its_neighbours() -> None:
    assert nodes(nodes=["empty"], scope=NodeSelection.ABOVE) == {"datacenter"}
    with pytest.raises(UserError, match="Nothing is selected"):
        chosen(nodes=["empty"])


def test_nodes_with_their_sensors() -> None:
    found = chosen(nodes=["servers"], with_sensors=True, windows=[Window.S30])
    assert found["measurement_downsample_30s"] == ("plug_1", "plug_2", "plug_spare")


def test_a_kind_selects_all_its_series() -> None:
    found = select_queries(JobRequest(kinds=list(SeriesKind)), DEFINITIONS, TREES)
    assert [one.query.name for one in found] == [
        q.name for q in DEFINITIONS.queries() if q.series[0] != "steady"
    ] + [f"cq_steady_{w}" for w in Window]
    assert all(one.whole for one in found)


@pytest.mark.parametrize(
    "asked, field, what",
    [
        ({"queries": ["cq_nope_1h"]}, "queries", "no continuous query 'cq_nope_1h'"),
        ({"sensors": ["nope"]}, "sensors", "no sensor 'nope'"),
        ({"types": ["nope"]}, "types", "no sensor type 'nope'"),
        ({"nodes": ["nope"]}, "nodes", "no tree node 'nope'"),
    ],
)
def test_an_unknown_name_is_refused(asked: dict[str, list[str]], field: str, what: str) -> None:
    with pytest.raises(NotFound, match=what) as caught:
        chosen(**asked)
    assert caught.value.path == ("input", field)


def test_an_empty_request_is_refused() -> None:
    with pytest.raises(UserError, match="name queries, kinds, sensors, types or nodes"):
        chosen()
