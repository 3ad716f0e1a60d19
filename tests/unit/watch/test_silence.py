"""The rule for "silent" and its limits."""

from __future__ import annotations

import numpy as np
import pytest

from backend.core.windows import NS_PER_SECOND as S
from backend.watch.silence import (
    CHART_GAPS,
    CRAWLERS,
    ERROR_COUNTERS,
    SITE_LIMIT_NS,
    SilenceRule,
    is_silent,
    is_site_silent,
    live_rule,
)


@pytest.mark.parametrize(
    ("rule", "period_s", "limit_s"),
    [
        (live_rule(60.0), 1.0, 60),
        (live_rule(60.0), 60.0, 300),
        (ERROR_COUNTERS, 10.0, 40),
        (ERROR_COUNTERS, 60.0, 120),
        (CHART_GAPS, 1.0, 10),
        (CHART_GAPS, 10.0, 50),
        (CRAWLERS, 600.0, 15),
    ],
)
def test_the_limit_is_a_minimum_or_a_number_of_periods(
    rule: SilenceRule, period_s: float, limit_s: int
) -> None:
    assert rule.limit_ns(period_s) == limit_s * S


def test_an_age_equal_to_the_limit_is_not_silence() -> None:
    assert not is_silent(0, 40 * S, 40 * S)
    assert is_silent(0, 40 * S + 1, 40 * S)


def test_many_sensors_are_decided_at_once() -> None:
    times, limits = np.array([0, 50, 90], np.int64), np.array([60, 60, 5], np.int64)
    assert is_silent(times, 100, limits).tolist() == [True, False, True]


def test_a_site_is_silent_if_no_sensor_has_reported_for_40_s() -> None:
    now = 1_000 * S
    assert is_site_silent([], now)
    assert is_site_silent([0, now - SITE_LIMIT_NS - 1], now)
    assert not is_site_silent([0, now - SITE_LIMIT_NS], now)
