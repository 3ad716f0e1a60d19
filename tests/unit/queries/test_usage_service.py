"""Energy over any range: constants, gaps, edges, and properties that hold whatever was read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.core.bucket import SeriesKind
from backend.core.errors import UserError
from backend.core.windows import NS_PER_SECOND as S
from backend.core.windows import Window
from backend.queries.usage import Energy, EnergyRequest, GapPolicy
from tests.support.small_site import DAY, NOON, SmallSite

HOUR = 3600
START = NOON - 2 * HOUR


def ns(time_s: float) -> int:
    """To the millisecond: a float of nanoseconds would be coarser than one."""
    return round(time_s * 1000) * (S // 1000)


def make_request(start_s: float, end_s: float | None = None, **more: object) -> EnergyRequest:
    request = EnergyRequest(("fan",), (), ns(start_s), None if end_s is None else ns(end_s))
    return replace(request, **more)  # type: ignore[arg-type]


async def read_one(site: SmallSite, request: EnergyRequest) -> Energy:
    (result,) = await site.queries.usage.read(request)
    return result


async def steady(**watts: float) -> SmallSite:
    """Two hours of one reading a second that end at noon."""
    site = SmallSite()
    for name, value in watts.items():
        await site.write(name.replace("_1", "_pdu-1"), range(START, NOON), [value] * 2 * HOUR)
    await site.roll_up()
    return site


@pytest.mark.parametrize("window", [None, "30s", "1m", "1h"])
async def test_100_watts_for_an_hour_are_a_tenth_of_a_kilowatt_hour(window: str | None) -> None:
    site = await steady(fan=100.0)
    result = await read_one(site, make_request(START, START + HOUR, window=window))
    assert (result.kwh, result.mean_watts) == (0.1, 100.0)
    assert (result.covered_s, result.coverage, result.range.seconds) == (3600.0, 1.0, 3600.0)
    (node,) = await site.queries.usage.read(make_request(START, START + HOUR, sensors=(), nodes=("cooling",)))
    assert (node.kwh, node.coverage, node.mean_watts) == (0.1, 1.0, 100.0)


@pytest.mark.parametrize("policy", list(GapPolicy))
async def test_edges_that_are_no_edges_of_windows(policy: GapPolicy) -> None:
    site = await steady(fan=100.0)
    result = await read_one(site, make_request(START + 1.5, START + 4_112.25, policy=policy))
    assert result.kwh == pytest.approx(4110.75 * 100 / 3.6e6, rel=1e-12)
    assert result.coverage == pytest.approx(1.0)
    assert result.held_s == 0.0


async def test_half_the_sensors_silent_is_half_the_coverage_and_nothing_is_scaled_up() -> None:
    site = await steady(a_1=60.0)
    (node,) = await site.queries.usage.read(
        make_request(START, START + HOUR, sensors=(), nodes=("server-a",))
    )
    assert node.node == "server_a"
    assert (node.kwh, node.coverage, node.covered_s) == (0.06, 0.5, 1800.0)
    assert node.mean_watts == 60.0


async def test_a_sensor_that_was_read_once_in_a_week_is_not_missing() -> None:
    site = SmallSite()
    await site.write("a_pdu-1", [NOON - 5 * DAY], [60.0])
    await site.write("fan", range(NOON - 7 * DAY, NOON, 600), [10.0] * (7 * DAY // 600))
    await site.roll_up()
    start, expected_values = NOON - 6 * DAY - 17, ("datacenter", "server_a", "cooling", "spare")
    request = make_request(start, sensors=("a_pdu-2", "fan"), nodes=expected_values, missing=True)
    *sensors, top, server, cooling, spare = await site.queries.usage.read(request)
    assert [one.missing for one in sensors] == [("a_pdu-2",), ()]
    assert (top.missing, server.missing) == (("a_pdu-2", "b_pdu-1"), ("a_pdu-2",))
    assert (cooling.missing, spare.missing) == ((), ())
    held = await site.queries.usage.read(replace(request, policy=GapPolicy.HOLD))
    assert [one.missing for one in held] == [one.missing for one in (*sensors, top, server, cooling, spare)]
    _, tree = await site.queries.usage.tree("consumption", None, ns(start), None)
    result = {node.id: (node.sensors, node.reporting, node.missing) for node in tree}
    assert result["datacenter"] == (4, 2, ("a_pdu-2", "b_pdu-1"))
    assert (result["a_1"], result["a_2"]) == ((1, 1, ()), (1, 0, ("a_pdu-2",)))
    assert result["spare"] == (0, 0, ())


async def test_nothing_read_is_not_zero() -> None:
    result = await read_one(SmallSite(), make_request(NOON - HOUR))
    assert (result.kwh, result.mean_watts, result.coverage) == (None, None, 0.0)
    assert result.range.until_ns == result.range.start_ns
    site = await steady(a_1=60.0)
    fan, spare = await site.queries.usage.read(make_request(START, NOON, nodes=("spare",), window="1h"))
    for result in (fan, spare):
        assert result.kwh is None
        assert result.bars is not None
        assert np.isnan(result.bars.kwh).all()
        assert result.bars.coverage.tolist() == [0.0, 0.0]


async def test_the_answer_ends_where_the_roll_ups_end() -> None:
    site = await steady(fan=100.0)
    site.clock.advance(50)
    result = await read_one(site, make_request(NOON - HOUR))
    assert result.range.until_ns == NOON * S
    assert (result.range.seconds, result.kwh) == (3600.0, 0.1)


async def gap_of(seconds: float, policy: GapPolicy, **more: object) -> Energy:
    """An hour of 100 W, then 50 W, with a gap in between that ends at START + HOUR."""
    site = SmallSite()
    await site.write("fan", range(START, START + HOUR - int(seconds)), [100.0] * (HOUR - int(seconds)))
    await site.write("fan", range(START + HOUR, NOON), [50.0] * HOUR)
    await site.roll_up()
    return await read_one(site, make_request(START, NOON, policy=policy, **more))


async def test_a_gap_counts_nothing_or_what_was_last_read() -> None:
    none = await gap_of(600, GapPolicy.NONE)
    assert none.kwh == pytest.approx((3000 * 100 + 3600 * 50) / 3.6e6)
    assert (none.covered_s, none.held_s, none.coverage) == (6600.0, 0.0, pytest.approx(6600 / 7200))
    assert none.hold_s is None
    held = await gap_of(600, GapPolicy.HOLD)
    assert held.kwh == pytest.approx((3300 * 100 + 3600 * 50) / 3.6e6)
    assert (held.covered_s, held.held_s, held.hold_s) == (6600.0, 300.0, 300.0)
    assert held.mean_watts == pytest.approx((3300 * 100 + 3600 * 50) / 6900)
    bridged = await gap_of(610, GapPolicy.HOLD, hold_s=900.0)
    assert bridged.kwh == pytest.approx(0.15)
    assert (bridged.covered_s, bridged.held_s) == (6590.0, 610.0)


async def test_a_value_is_held_into_the_range_from_before_it() -> None:
    site = SmallSite()
    await site.write("fan", range(START, START + HOUR), [100.0] * HOUR)
    await site.write("sun", range(START, NOON), [0.0] * 2 * HOUR)
    await site.roll_up()
    request = make_request(START + HOUR + 60, NOON, policy=GapPolicy.HOLD, hold_s=360.0)
    result = await read_one(site, request)
    assert (result.kwh, result.held_s, result.covered_s) == (pytest.approx(300 * 100 / 3.6e6), 300.0, 0.0)


async def test_a_node_holds_what_its_sensors_held() -> None:
    site = SmallSite()
    await site.write("a_pdu-1", range(START, NOON), [10.0] * 2 * HOUR)
    await site.write("a_pdu-2", range(START, NOON - 1200), [20.0] * (2 * HOUR - 1200))
    await site.roll_up()
    (node,) = await site.queries.usage.read(
        make_request(NOON - HOUR, sensors=(), nodes=("server_a",), policy=GapPolicy.HOLD)
    )
    assert node.kwh == pytest.approx((3600 * 10 + (2400 + 300) * 20) / 3.6e6)
    assert (node.covered_s, node.held_s) == (3000.0, 150.0)
    assert node.mean_watts == pytest.approx((node.kwh or 0.0) * 1000)


async def test_bars_add_up_and_say_what_they_cover() -> None:
    site = SmallSite()
    seconds = [s for s in range(START, NOON) if not START + 300 <= s < START + 1200]
    await site.write("fan", seconds, np.linspace(50, 150, len(seconds)))
    await site.roll_up()
    for window in Window:
        fan, node = await site.queries.usage.read(
            make_request(START + 100, NOON - 77, nodes=("cooling",), window=window.value)
        )
        for result in (fan, node):
            assert result.bars is not None
            assert result.bars.window is window
            assert np.nansum(result.bars.kwh) == pytest.approx(result.kwh)
            assert result.bars.starts[0] == window.floor((START + 100) * S)
        assert fan.kwh == pytest.approx(node.kwh)
    hours = (await read_one(site, make_request(START, window="1h"))).bars
    assert hours is not None
    assert hours.coverage.tolist() == [0.75, 1.0]
    minutes = (await read_one(site, make_request(START, START + HOUR, window="auto"))).bars
    assert minutes is not None
    assert minutes.window is Window.M1
    assert np.isnan(minutes.kwh[5:20]).all()
    assert minutes.coverage[5:21].tolist() == [0.0] * 15 + [1.0]


async def test_kilowatts_are_a_thousand_watts() -> None:
    site = SmallSite()
    object.__setattr__(site.inventory.sensors["fan"], "unit", "kW")
    site = SmallSite(inventory=site.inventory)
    await site.write("fan", range(START, NOON), [0.1] * 2 * HOUR)
    await site.roll_up()
    for result in await site.queries.usage.read(make_request(START, START + HOUR, nodes=("cooling",))):
        assert result.kwh == pytest.approx(0.1)


async def test_a_reading_a_minute_covers_its_minute() -> None:
    site = SmallSite()
    object.__setattr__(site.inventory.sensors["fan"], "period_s", 60.0)
    site = SmallSite(inventory=site.inventory)
    await site.write("fan", range(START, NOON, 60), [100.0] * 120)
    await site.roll_up()
    for policy in GapPolicy:
        result = await read_one(site, make_request(START, START + HOUR, policy=policy, window="1h"))
        assert (result.kwh, result.coverage + result.held_s / HOUR) == (
            pytest.approx(0.1),
            pytest.approx(1.0),
        )


async def test_more_readings_than_described_do_not_count_twice() -> None:
    site = SmallSite()
    await site.write("fan", np.arange(START, NOON, 0.5), [100.0] * 4 * HOUR)
    await site.roll_up()
    for window in (None, "30s"):
        result = await read_one(site, make_request(START, START + HOUR, window=window))
        assert (result.kwh, result.coverage) == (pytest.approx(0.1), pytest.approx(1.0))


async def test_a_period_that_nobody_says_is_learned_from_the_roll_ups() -> None:
    site = SmallSite()
    await site.write("fan", range(START, NOON - HOUR, 10), [100.0] * 360)
    await site.roll_up()
    for window in (Window.S30, Window.H1):
        stored = await site.store.buckets(SeriesKind.SENSOR, ["fan"], window, START * S, NOON * S)
        expected = np.full(len(stored), window.seconds / 10)
        await site.store.write_buckets(SeriesKind.SENSOR, window, stored.with_expected(expected))
    object.__setattr__(site.inventory.sensors["fan"], "period_s", None)
    for name in (None, "30s"):
        result = await read_one(site, make_request(START, NOON, window=name))
        assert (result.kwh, result.coverage) == (pytest.approx(0.1), 0.5)


async def test_hours_fill_the_edges_where_the_30_s_windows_were_deleted() -> None:
    site = await steady(fan=100.0, a_1=50.0)
    site.clock.advance(2 * DAY)
    midnight = (NOON // DAY + 1) * DAY * S
    await site.state.set_retained_from(Window.S30, midnight)
    await site.store.delete_buckets(Window.S30, midnight)
    await site.write("fan", [NOON + 2 * DAY - 60], [1.0])
    await site.roll_up()
    request = make_request(START + 900, NOON - 900, sensors=("fan",), nodes=("server_a",))
    fan, server = await site.queries.usage.read(request)
    assert (fan.kwh, fan.coverage) == (pytest.approx(0.15), pytest.approx(1.0))
    assert (server.kwh, server.coverage) == (pytest.approx(0.075), pytest.approx(0.5))
    held = await read_one(site, replace(request, nodes=(), policy=GapPolicy.HOLD))
    assert held.kwh is None  # there is nothing to hold without the windows of 30 s


async def test_a_tree_over_a_range() -> None:
    site = await steady(a_1=60.0, fan=40.0)
    request, nodes = await site.queries.usage.tree("consumption", None, START * S, (START + HOUR) * S)
    result = {n.id: n for n in nodes}
    assert request.seconds == 3600.0
    assert (result["datacenter"].energy.kwh, result["datacenter"].energy.coverage) == (
        pytest.approx(0.1),
        0.5,
    )
    assert (result["a_1"].energy.kwh, result["a_1"].energy.coverage) == (0.06, 1.0)
    assert result["server_b"].energy.kwh is None
    assert result["spare"].sensors == 0
    assert result["spare"].energy.kwh is None
    _, part = await site.queries.usage.tree("consumption", "server-a", START * S, NOON * S)
    assert [(n.id, n.parent) for n in part] == [("server_a", None), ("a_1", "server_a"), ("a_2", "server_a")]


async def test_faults_of_the_caller() -> None:
    usage = SmallSite().queries.usage
    with pytest.raises(UserError, match=r"front1 \(celsius\)"):
        await usage.read(make_request(START, sensors=("front1",)))
    with pytest.raises(UserError, match="unknown node 'nowhere'"):
        await usage.read(make_request(START, sensors=(), nodes=("nowhere",)))
    with pytest.raises(UserError, match="name at least one"):
        await usage.read(make_request(START, sensors=()))
    with pytest.raises(UserError, match="not before"):
        await usage.read(make_request(NOON, NOON))
    with pytest.raises(UserError, match="RAW"):
        await usage.read(make_request(START, window="raw"))
    with pytest.raises(UserError, match="holdSeconds"):
        await usage.read(make_request(START, policy=GapPolicy.HOLD, hold_s=0.0))
    site = await steady(fan=1.0)
    with pytest.raises(UserError, match="the limit is"):
        await site.queries.usage.read(make_request(NOON - 100 * DAY, window="30s"))
    with pytest.raises(UserError, match="the limit is"):
        await site.queries.usage.read(make_request(NOON - 2000 * DAY, policy=GapPolicy.HOLD))


# -- properties ----------------------------------------------------------------------------------------------------

SPAN = 2 * HOUR
seconds = st.integers(0, SPAN - 1)
cuts = st.lists(st.floats(0, SPAN), min_size=3, max_size=3, unique=True).map(sorted)
gaps = st.lists(st.tuples(seconds, st.integers(1, 1800)), max_size=5)


async def site_with(
    holes: list[tuple[int, int]], step_s: float, seed: int
) -> tuple[SmallSite, np.ndarray, np.ndarray]:
    """Readings every `step_s` seconds with holes (begin, length): site, times in s after START, watts."""
    times = np.arange(0, SPAN, step_s)
    for begin, length in holes:
        times = times[(times < begin) | (times >= begin + length)]
    watts = np.random.default_rng(seed).uniform(0, 500, len(times))
    site = SmallSite()
    await site.write("fan", times + START, watts)
    await site.write("sun", [START, NOON - 1], [1.0, 1.0])
    await site.roll_up()
    return site, times, watts


@settings(max_examples=15, deadline=None)
@given(gaps, cuts, st.sampled_from([0.5, 1.0, 7.0]), st.sampled_from(list(GapPolicy)), st.integers(0, 99))
async def test_ranges_that_meet_add_up(
    holes: list[tuple[int, int]], at: list[float], step_s: float, policy: GapPolicy, seed: int
) -> None:
    site, _, _ = await site_with(holes, step_s, seed)
    a, b, c = (round(START + t, 3) for t in at)
    if not a < b < c:
        return
    for who in ({"sensors": ("fan",)}, {"sensors": (), "nodes": ("datacenter",)}):
        parts = [
            await read_one(site, make_request(*r, policy=policy, **who)) for r in ((a, b), (b, c), (a, c))
        ]
        left, right, whole = (p.kwh or 0.0 for p in parts)
        assert left + right == pytest.approx(whole, rel=1e-9, abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(gaps, cuts, st.integers(0, 99))
async def test_it_is_the_step_integral_of_the_readings(
    holes: list[tuple[int, int]], at: list[float], seed: int
) -> None:
    site, times, watts = await site_with(holes, 1.0, seed)
    low, high = (np.floor(t / 30) * 30 for t in (at[0], at[2]))
    if low < high:
        result = await read_one(site, make_request(START + low, START + high))
        here = (times >= low) & (times < high)
        assert result.kwh or pytest.approx(watts[here].sum() / 3.6e6) == 0.0
        assert result.covered_s == pytest.approx(here.sum())
    low, high = round(at[0], 3), round(at[2], 3)
    if low == high:
        return
    result = await read_one(site, make_request(START + low, START + high))
    overlap = np.clip(np.minimum(times + 1, high) - np.maximum(times, low), 0, 1)
    spread = 7.5 * 500 if not holes else 30 * 500  # of each window that an edge of the range cuts
    assert abs((result.kwh or 0.0) * 3.6e6 - (watts * overlap).sum()) <= 2 * spread + 1e-6
    assert result.coverage <= 1.0


@settings(max_examples=10, deadline=None)
@given(gaps, st.integers(0, 99))
async def test_holding_never_gives_less_and_never_more_than_the_time_there_is(
    holes: list[tuple[int, int]], seed: int
) -> None:
    site, times, watts = await site_with(holes, 1.0, seed)
    none, held = [await read_one(site, make_request(START, NOON, policy=policy)) for policy in GapPolicy]
    assert (held.kwh or 0.0) >= (none.kwh or 0.0) - 1e-12
    assert held.covered_s == pytest.approx(none.covered_s)
    assert held.covered_s + held.held_s <= SPAN + 1e-6
    if len(times) > 1 and not holes:
        trapezoid = np.trapezoid(watts, times) / 3.6e6
        assert none.kwh == pytest.approx(trapezoid, abs=(watts[0] + watts[-1]) / 3.6e6)
