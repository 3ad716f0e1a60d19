from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.reading import Reading
from backend.ingest import lenient_json
from backend.ingest.validate import Reason, SensorIndex, ValidationResult, validate_cards

NOW = 1_700_000_000 * 10**9
KNOWN = SensorIndex(["28b8fb2909000003", "rack probe 7"])


def validate(body: bytes) -> ValidationResult:
    elements = lenient_json.elements(body)
    assert elements is not None
    return validate_cards(KNOWN, elements, NOW, lambda name: True)


def accepted_rows(body: bytes) -> list[tuple[str, float]]:
    return [(r.sensor, r.value) for r in validate(body).readings]


def test_the_contract() -> None:
    body = (
        b'[{"sensor": "28:b8:fb:29:09:00:00:03", "t": "T", "v": 21.44}, {"sensor": "28:ff", "v": "19.5"},'
        b' {"sensor": "28fe", "v": -10}, {"sensor": "28fd", "v": 75}]'
    )
    assert list(validate(body).readings) == [
        Reading("28b8fb2909000003", NOW, 21.44),
        Reading("28ff", NOW, 19.5),
        Reading("28fe", NOW, -10.0),
        Reading("28fd", NOW, 75.0),
    ]


@pytest.mark.parametrize(
    "bad, reason",
    [
        (b'{"sensor": "28:01", "v": -127}', Reason.CARD_RANGE),
        (b'{"sensor": "28:01", "v": "-127.00"}', Reason.CARD_RANGE),
        (b'{"sensor": "28:01", "v": 85}', Reason.CARD_RANGE),
        (b'{"sensor": "28:01", "v": 75.01}', Reason.CARD_RANGE),
        (b'{"sensor": "28:01", "v": nan}', Reason.NOT_A_NUMBER),
        (b'{"sensor": "28:01", "v":NaN}', Reason.NOT_A_NUMBER),
        (b'{"sensor": "28:01", "v": -nan }', Reason.NOT_A_NUMBER),
        (b'{"sensor": "28:01", "v": inf}', Reason.NOT_A_NUMBER),
        (b'{"sensor": "28:01", "v": -Infinity}', Reason.NOT_A_NUMBER),
        (b'{"sensor": "28:01", "v": ovf}', Reason.NOT_A_NUMBER),
        (b'{"sensor": "28:01", "v": "nan"}', Reason.NOT_FINITE),
        (b'{"sensor": "28:01", "v": "1_0"}', Reason.NOT_A_NUMBER),
        (b'{"sensor": "28:01", "v": ""}', Reason.NOT_A_NUMBER),
        (b'{"sensor": "28:01", "v": true}', Reason.NOT_A_NUMBER),
        (b'{"sensor": "28:01", "v": [20]}', Reason.NOT_A_NUMBER),
        (b'{"sensor": "28:01", "v": 1e999}', Reason.ELEMENT),
        (b'{"sensor": "28:01", "v": }', Reason.ELEMENT),
        (b'{"sensor": "28:01, "v": 20}', Reason.ELEMENT),
        (b'{"sensor": "28:\xff\xfe", "v": 20}', Reason.NAME),
        (b'{"sensor": "28:01"}', Reason.NOT_A_NUMBER),
        (b'{"v": 20}', Reason.ELEMENT),
        (b'{"sensor": 28, "v": 20}', Reason.NAME),
        (b'{"sensor": "", "v": 20}', Reason.NAME),
        (b'{"sensor": "::", "v": 20}', Reason.NAME),
        (b'{"sensor": "a,b=c d", "v": 20}', Reason.NAME),
        (b"null", Reason.ELEMENT),
        (b"5", Reason.ELEMENT),
    ],
)
def test_a_bad_probe_does_not_affect_the_others(bad: bytes, reason: Reason) -> None:
    body = b'[{"sensor": "28:0a", "v": 20.5}, ' + bad + b', {"sensor": "28:0b", "v": 21.5}]'
    result = validate(body)
    assert [(r.sensor, r.value) for r in result.readings] == [("280a", 20.5), ("280b", 21.5)]
    assert [r.reason for r in result.rejected] == [reason]


def test_described_sensors_may_have_any_name() -> None:
    assert accepted_rows(b'[{"sensor": "rack probe 7", "v": 20}]') == [("rack probe 7", 20.0)]


def test_a_word_inside_a_string_is_left_alone() -> None:
    assert accepted_rows(b'[{"sensor": "nan", "v": 20}, {"sensor": "inf", "v": nan}]') == [("nan", 20.0)]


def test_a_lone_object_counts_as_one_element() -> None:
    assert accepted_rows(b'{"sensor": "28:0a", "v": 20.5}') == [("280a", 20.5)]


def test_complete_elements_of_a_truncated_array_are_kept() -> None:
    assert accepted_rows(b'[{"sensor": "28:0a", "v": 20.5}, {"sensor": "28:0b", "v": 2') == [("280a", 20.5)]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"5", b'"text"', b"null", b"[", b"{", b"[" * 5000])
def test_a_body_without_elements_is_recognised(body: bytes) -> None:
    assert lenient_json.elements(body) is None


def test_unknown_probes_are_accepted_while_there_is_room() -> None:
    elements = [{"sensor": s, "v": 20} for s in ("28:01", "28:b8:fb:29:09:00:00:03", "28:02")]
    result = validate_cards(KNOWN, elements, NOW, lambda name: name == "2802")
    assert [r.sensor for r in result.readings] == ["28b8fb2909000003", "2802"]
    assert [(r.index, r.sensor, r.reason) for r in result.rejected] == [(0, "2801", Reason.TOO_MANY)]


ADDRESS = st.binary(min_size=8, max_size=8).map(lambda b: b.hex(":"))
CELSIUS = st.floats(-10, 75)
GOOD = st.builds(
    lambda sensor, v, text, extra: {"sensor": sensor, **extra, "v": str(v) if text else v},
    ADDRESS,
    CELSIUS,
    st.booleans(),
    st.sampled_from([{}, {"t": "T"}, {"t": None}]),
)
BAD = st.sampled_from(
    [
        b'{"sensor": "28:01", "v": nan}',
        b'{"sensor": "28:01", "v": -127}',
        b'{"sensor": "28:01", "v": }',
        b'{"sensor": "28:01, "v": 5}',
        b'{"sensor": "28:01" "v": 5}',
        b'{"sensor": "28:\\", "v": 5}',
        b'{"sensor": "28:01", "v": "',
        b'{"sensor": , "v": 5}',
        b"{",
        b"}",
        b"nan",
        b"null",
        b'"',
        b"\xff\xfe",
        b"",
    ]
)


@given(st.lists(st.one_of(GOOD, BAD), max_size=12), st.sampled_from([b"]", b"", b",]", b"] trailing"]))
def test_no_good_element_is_ever_lost(items: list[dict[str, Any] | bytes], end: bytes) -> None:
    good = [i for i in items if isinstance(i, dict)]
    body = b"[" + b", ".join(orjson.dumps(i) if isinstance(i, dict) else i for i in items) + end
    elements = lenient_json.elements(body)
    readings = validate_cards(KNOWN, elements or [], NOW, lambda name: True).readings
    assert [(r.sensor, r.value) for r in readings] == [
        (g["sensor"].replace(":", ""), float(g["v"])) for g in good
    ]


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_bytes_make_the_validation_raise(body: bytes) -> None:
    validate_cards(KNOWN, lenient_json.elements(body) or [], NOW, lambda name: True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["sensor", "v", "t"]), inner),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=6))
def test_no_json_value_makes_the_validation_raise(elements: list[Any]) -> None:
    result = validate_cards(KNOWN, elements, NOW, lambda name: True)
    assert len(result.readings) + len(result.rejected) == len(elements)


def test_the_reader_stays_linear_on_hostile_bodies() -> None:
    for body in (b'{"\\"' * 60_000, b'"\\"' * 80_000, b"{" * 250_000, b'"' * 250_000, b"nan" * 80_000):
        lenient_json.elements(body)
