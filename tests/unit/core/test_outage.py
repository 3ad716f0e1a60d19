from __future__ import annotations

import logging

import pytest

from backend.core.errors import TransientError
from backend.core.outage import Outage, Outages, key_values

log = logging.getLogger("test.outage")


@pytest.fixture(autouse=True)
def log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, log.name)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(r.levelname, r.getMessage()) for r in caplog.records]


def test_the_first_failure_and_the_recovery_are_one_line_each(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    outage = Outage(log, "store_writes", monotonic=clock, server="db:8086")
    outage.recovered()
    assert not outage.is_open
    for error in ("no answer", "refused", "no answer"):
        outage.failed(TransientError(error), waiting=3)
        clock.now_s += 4.04
    assert outage.is_open
    assert outage.failures == 3
    outage.recovered(waiting=9)
    outage.recovered()
    assert (outage.is_open, outage.failures) == (False, 0)
    assert lines(caplog) == [
        ("ERROR", 'failed store_writes server=db:8086 error="no answer" waiting=3'),
        ("INFO", "recovered store_writes server=db:8086 after_s=12.1 failures=3 waiting=9"),
    ]


def test_a_second_outage_is_logged_like_the_first(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(log, "mail", level=logging.WARNING, monotonic=Clock())
    for _ in range(2):
        outage.failed("refused")
        outage.recovered()
    assert lines(caplog) == 2 * [
        ("WARNING", "failed mail error=refused"),
        ("INFO", "recovered mail after_s=0.0 failures=1"),
    ]


def test_only_a_defect_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    for error in (
        TransientError("away"),
        ConnectionRefusedError(111, "refused"),
        "a text",
        ZeroDivisionError(),
    ):
        Outage(log, "poll").failed(error)
    assert [bool(r.exc_info) for r in caplog.records] == [False, False, False, True]
    assert lines(caplog)[-1] == ("ERROR", "failed poll error=ZeroDivisionError")


def test_outages_of_many_things_are_told_apart_and_bounded(caplog: pytest.LogCaptureFixture) -> None:
    outages = Outages(log, "task", "task", max_open=2)
    for name in ("a", "b", "c", "a"):
        outages.failed(name, "down")
    assert [outages.failures(name) for name in "abc"] == [2, 1, 0]
    assert outages.is_any_open
    for name in "abc":
        outages.recovered(name)
    assert not outages.is_any_open
    assert [message.split(" error")[0].split(" after")[0] for _, message in lines(caplog)] == [
        "failed task task=a",
        "failed task task=b",
        "recovered task task=a",
        "recovered task task=b",
    ]


def test_values_that_would_not_read_back_are_quoted() -> None:
    fields = {
        "plain": "a-b/c:1",
        "empty": "",
        "spaces": "a b",
        "quote": 'say "x"',
        "lines": "1\n2",
        "pair": "a=b",
    }
    assert key_values(**fields) == (
        r'plain=a-b/c:1 empty="" spaces="a b" quote="say \"x\"" lines="1\n2" pair="a=b"'
    )
    assert key_values(rows=3, seconds=0.25) == "rows=3 seconds=0.2"
