"""Messages show the label of a sensor, and its id behind it."""

from __future__ import annotations

import pytest

from backend.core.quantity import PLAUSIBLE
from backend.core.reading import Reading
from backend.core.windows import NS_PER_SECOND
from backend.watch.judge import WatchedSensor, judge
from backend.watch.problems import SensorState, TreeCoverage, find_problems

NOW = 1_700_000_000 * NS_PER_SECOND
PROBE = "Z1.1 U30 back, ecotype-38 [28ff]"
FAN = "Roof fan 1 [fan]"


def state(name: str, title: str, value: float | None = None) -> SensorState:
    return SensorState(name, title, "card", "°C", value, NOW - 120 * NS_PER_SECOND)


def test_a_silence_names_label_and_id() -> None:
    (problem,) = find_problems([state("fan", FAN)], [], NOW)
    assert problem.message == f"{FAN} (card) has not reported for 2 min."
    assert problem.sensors == ("fan",)


def test_labels_with_commas_are_separated_by_semicolons() -> None:
    (problem,) = find_problems([state("28ff", PROBE), state("fan", FAN)], [], NOW)
    assert problem.message.startswith(f"{PROBE}; {FAN} (card) have")
    (problem,) = find_problems([state("a", "a"), state("b", "b")], [], NOW)
    assert problem.message.startswith("a, b (card) have")


def test_a_value_out_of_range_and_a_partial_tree_name_label_and_id() -> None:
    tree = TreeCoverage("consumption", "Data centre", 2, 1, ("fan",), (FAN,), None)
    messages = [p.message for p in find_problems([state("28ff", PROBE, 500.0)], [tree], NOW)]
    assert messages[0].startswith(f"{PROBE} ")
    assert FAN in messages[1]


@pytest.mark.parametrize(("title", "subject"), [(PROBE, PROBE), ("", "28ff")])
def test_an_event_names_label_and_id(title: str, subject: str) -> None:
    sensor = WatchedSensor("28ff", 60 * NS_PER_SECOND, "°C", PLAUSIBLE["°C"], title=title)
    newest = {"28ff": Reading("28ff", NOW, 500.0)}
    (event,) = judge([sensor], newest, {}, [], NOW, NOW).started
    assert event.sensor == "28ff"
    assert event.message.startswith(f"{subject} ")
