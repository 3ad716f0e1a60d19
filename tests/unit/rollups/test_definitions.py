"""Tests of the series that are rolled up, and of their names."""

from __future__ import annotations

import pytest

from backend.core.bucket import SeriesKind
from backend.core.windows import Window
from backend.rollups.changes import described_series
from backend.rollups.definitions import Definitions
from tests.support.rollup_day import CONSUMPTION, DEFINITIONS, PRODUCTION, SENSORS, Info, tree


def test_a_type_leaves_out_what_is_excluded_from_aggregation() -> None:
    assert DEFINITIONS.types["wattmeter"] == ("plug_1", "plug_2", "plug_silent", "plug_steady")
    assert set(DEFINITIONS.types) == {"wattmeter", "battery_power", "solar_power", "temperature"}


def test_nodes_without_sensors_are_not_rolled_up() -> None:
    assert "empty" not in DEFINITIONS.nodes
    assert set(DEFINITIONS.nodes["datacenter"]) == {"plug_1", "plug_2", "plug_spare", "plug_silent"}


def test_names_are_those_users_know() -> None:
    names = {q.name: q for q in DEFINITIONS.queries()}
    assert {"cq_datacenter_30s", "cq_battery1_1d", "cq_overall_production_1h"} <= set(names)
    assert {f"measurement_downsample_{w}" for w in Window} <= set(names)
    assert {f"measurement_downsample_all_{w}" for w in ("1m", "1h", "1d")} <= set(names)
    assert "measurement_downsample_all_30s" not in names
    assert len(names) == 4 + 3 + 4 * len(DEFINITIONS.nodes)
    assert names["measurement_downsample_1m"].series == tuple(SENSORS)
    assert names["cq_battery1_1d"].kind is SeriesKind.NODE


def test_a_sensor_affects_its_types_and_the_nodes_above_it() -> None:
    part = DEFINITIONS.affected_by(["plug_2", "unknown"])
    assert part.sensors == ("plug_2",)
    assert set(part.types) == {"wattmeter"}
    assert set(part.nodes) == {"plug_b", "server_1", "servers", "datacenter"}
    assert part.expected(part.types, Window.M1) == {"wattmeter": 60 + 3 * 6}


def test_expected_counts_readings_by_period() -> None:
    due = DEFINITIONS.expected({"a": ("plug_1",), "b": ("sun", "probe")}, Window.S30)
    assert due == {"a": 30.0, "b": 1.1}


def test_one_name_for_two_different_nodes_is_refused() -> None:
    other = tree("production", {"root": ["servers"]}, {"servers": "sun"})
    with pytest.raises(ValueError, match="servers"):
        Definitions.of(SENSORS, (CONSUMPTION, other))
    assert Definitions.of(SENSORS, (CONSUMPTION, CONSUMPTION, PRODUCTION)).nodes


def test_unknown_sensors_and_periods_of_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown sensors: plug_1"):
        Definitions.of({}, (tree("t", {"a": []}, {"a": "plug_1"}),))
    with pytest.raises(ValueError, match="idle"):
        Definitions.of({"idle": Info(period_s=0.0)})


def test_leaves_in_kilowatts_have_weight_1000() -> None:
    definitions = Definitions.of(
        {"plug": Info(unit="W"), "inverter": Info(unit="kW"), "valve": Info(unit="%")}
    )
    assert definitions.weights == {"inverter": 1000.0}
    assert definitions.affected_by(["inverter"]).weights == definitions.weights


def test_another_unit_of_a_leaf_changes_the_nodes_above_it_and_nothing_else() -> None:
    trees = (tree("root", {"root": ["a", "b"]}, {"a": "plug", "b": "fan"}),)
    before, after = (
        described_series(Definitions.of({"plug": Info(unit=unit), "fan": Info()}, trees))
        for unit in ("W", "kW")
    )
    assert {name for (_, name), series in after.items() if before[series.kind, name] != series} == {
        "root",
        "a",
    }
