from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backend.core.errors import UserError
from backend.core.reading import Reading, Readings
from backend.ingest.validate import (
    MAX_AHEAD_NS,
    MIN_TIME_NS,
    Reason,
    SensorIndex,
    ValidationResult,
    validate_columns,
    validate_readings,
)

NOW = 1_700_000_000 * 10**9
KNOWN = SensorIndex(["a", "b", "c"])


def judge(sensors: list[Any], values: list[Any], times: list[Any] | None = None) -> ValidationResult:
    push: dict[str, Any] = {"sensors": sensors, "values": values}
    if times is not None:
        push["times"] = times
    return validate_columns(KNOWN, push, NOW)


def test_a_valid_push_is_accepted_whole_and_stamped() -> None:
    result = judge(["a", "c"], [1, 2.5])
    assert list(result.readings) == [Reading("a", NOW, 1.0), Reading("c", NOW, 2.5)]
    assert result.readings.values.dtype == np.float64
    assert not result.rejected


def test_device_times_are_kept_and_missing_ones_stamped() -> None:
    result = judge(["a", "b"], [1, 2], [NOW - 5, None])
    assert [r.time_ns for r in result.readings] == [NOW - 5, NOW]
    assert [r.time_ns for r in judge(["a", "b"], [1, 2], [NOW - 5, NOW - 4]).readings] == [NOW - 5, NOW - 4]


@pytest.mark.parametrize(
    "value, reason",
    [
        (None, Reason.NOT_A_NUMBER),
        (True, Reason.NOT_A_NUMBER),
        ("1.5", Reason.NOT_A_NUMBER),
        ([1], Reason.NOT_A_NUMBER),
        ({}, Reason.NOT_A_NUMBER),
        (float("nan"), Reason.NOT_FINITE),
        (float("-inf"), Reason.NOT_FINITE),
        (10**400, Reason.NOT_FINITE),
    ],
)
def test_a_bad_value_does_not_affect_the_others(value: object, reason: Reason) -> None:
    result = judge(["a", "b", "c"], [1.0, value, 3.0])
    assert [r.sensor for r in result.readings] == ["a", "c"]
    assert [(r.index, r.sensor, r.reason) for r in result.rejected] == [(1, "b", reason)]


@pytest.mark.parametrize(
    "time, reason",
    [
        (MIN_TIME_NS - 1, Reason.PAST),
        (-1, Reason.PAST),
        (NOW + MAX_AHEAD_NS + 1, Reason.FUTURE),
        (10**30, Reason.FUTURE),
        (1.7e18, Reason.TIME_TYPE),
        (True, Reason.TIME_TYPE),
        ("2023-11-14", Reason.TIME_TYPE),
    ],
)
def test_a_bad_time_does_not_affect_the_others(time: object, reason: Reason) -> None:
    result = judge(["a", "b"], [1.0, 2.0], [time, NOW])
    assert list(result.readings) == [Reading("b", NOW, 2.0)]
    assert [(r.index, r.reason) for r in result.rejected] == [(0, reason)]


@pytest.mark.parametrize("time", [MIN_TIME_NS, NOW + MAX_AHEAD_NS])
def test_the_limits_themselves_are_allowed(time: int) -> None:
    assert len(judge(["a"], [1.0], [time]).readings) == 1


@pytest.mark.parametrize("name", ["x", "", 5, None, ["a"], {"a": 1}])
def test_an_unknown_sensor_is_rejected_alone(name: object) -> None:
    result = judge([name, "b"], [1.0, 2.0])
    assert list(result.readings) == [Reading("b", NOW, 2.0)]
    assert [(r.index, r.reason) for r in result.rejected] == [(0, Reason.UNKNOWN)]


def test_large_finite_values_are_no_overflow() -> None:
    assert len(judge(["a", "b"], [1.7e308, 1.7e308]).readings) == 2


def test_an_empty_push_is_accepted() -> None:
    assert len(judge([], []).readings) == 0
    assert len(judge([], [], []).readings) == 0


@pytest.mark.parametrize(
    "push",
    [
        None,
        [],
        5,
        {},
        {"sensors": ["a"]},
        {"sensors": "a", "values": [1]},
        {"sensors": ["a"], "values": [1, 2]},
        {"sensors": ["a"], "values": [1], "times": []},
        {"sensors": ["a"], "values": [1], "times": 5},
    ],
)
def test_invalid_columns_are_a_user_error(push: Any) -> None:
    with pytest.raises(UserError):
        validate_columns(KNOWN, push, NOW)


def test_readings_of_this_process_are_validated_by_the_same_rules() -> None:
    rows = [
        Reading("a", NOW, 1.0),
        Reading("x", NOW, 1.0),
        Reading("b", NOW, float("nan")),
        Reading("b", 5, 1.0),
        Reading("c", NOW + MAX_AHEAD_NS + 1, 1.0),
        Reading("c", NOW, 2.0),
    ]
    result = validate_readings(KNOWN, Readings.of(rows), NOW)
    assert list(result.readings) == [rows[0], rows[5]]
    assert [(r.index, r.reason) for r in result.rejected] == [
        (1, Reason.UNKNOWN),
        (2, Reason.NOT_FINITE),
        (3, Reason.PAST),
        (4, Reason.FUTURE),
    ]


def test_relayed_pushes_may_contain_unknown_probes() -> None:
    room = ["28b8fb2909000003"]
    push = {
        "sensors": ["a", "28b8fb2909000003", "other", "no name", 5, "b"],
        "values": [1, 2, 3, 4, 5, None],
        "times": [NOW] * 6,
    }
    result = validate_columns(KNOWN, push, NOW, lambda name: name in room)
    assert list(result.readings) == [Reading("a", NOW, 1.0), Reading("28b8fb2909000003", NOW, 2.0)]
    assert [(r.index, r.reason) for r in result.rejected] == [
        (2, Reason.TOO_MANY),
        (3, Reason.UNKNOWN),
        (4, Reason.UNKNOWN),
        (5, Reason.NOT_A_NUMBER),
    ]
