from __future__ import annotations

from backend.core.backoff import Backoff


def test_the_delay_doubles_up_to_the_limit() -> None:
    backoff = Backoff(first_s=0.5, limit_s=10.0)
    assert [backoff.delay_s(n) for n in (0, 1, 2, 3, 5, 6, 7, 10**6)] == [0.5, 0.5, 1, 2, 8, 10, 10, 10]


def test_chance_takes_away_up_to_half() -> None:
    backoff = Backoff(first_s=8.0, limit_s=60.0)
    assert [backoff.delay_s(1, chance) for chance in (0.0, 0.5, 1.0)] == [8.0, 6.0, 4.0]
