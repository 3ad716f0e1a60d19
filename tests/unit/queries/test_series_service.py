from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.core.errors import UserError
from backend.core.windows import NS_PER_SECOND as S
from backend.queries.series import SeriesColumns, SeriesRequest, WindowChoice
from tests.support.small_site import DAY, NOON, SmallSite


def request(start_s: float, end_s: float | None = None, **more: object) -> SeriesRequest:
    asked = SeriesRequest(("fan",), (), round(start_s * S), None if end_s is None else round(end_s * S))
    return replace(asked, **more)  # type: ignore[arg-type]


async def one(site: SmallSite, asked: SeriesRequest) -> SeriesColumns:
    (found,) = await site.queries.series.read(asked)
    return found


@pytest.fixture
async def hour() -> SmallSite:
    """An hour of one reading a second that ends now, with ten minutes missing in the middle."""
    site = SmallSite()
    seconds = [s for s in range(3600) if not 1200 <= s < 1800]
    await site.write("fan", [NOON - 3600 + s for s in seconds], [float(s % 60) for s in seconds])
    await site.roll_up()
    return site


async def test_a_short_interval_is_raw_with_the_gap_as_null(hour: SmallSite) -> None:
    found = await one(hour, request(NOON - 3600, max_points=5000))
    assert found.window is WindowChoice.RAW
    assert len(found.times) == 3001
    assert np.isnan(found.values).sum() == 1
    assert found.grid is None


async def test_auto_takes_the_coarsest_window_that_gives_enough_points(hour: SmallSite) -> None:
    found = await one(hour, request(NOON - 3600, max_points=60))
    assert found.window is WindowChoice.M1
    assert len(found.times) == 60
    assert np.isnan(found.values[20:30]).all()
    assert not np.isnan(found.values[:20]).any()


async def test_windows_are_merged_exactly_where_they_do_not_fit(hour: SmallSite) -> None:
    found = await one(hour, request(NOON - 3600, max_points=50))
    assert found.grid is not None
    assert found.grid.step_ns == 120 * S  # 60 windows of a minute, two by two
    assert len(found.times) == 30
    assert found.grid.median is None
    assert found.grid.coverage is not None
    assert found.values[0] == pytest.approx(29.5)
    assert found.grid.count[:2].tolist() == [120.0, 120.0]
    assert found.grid.count[10] == 0
    assert found.grid.coverage[10] == 0
    assert set(np.diff(found.times).tolist()) == {120 * S}


async def test_timestamps_are_a_regular_grid_whatever_is_missing(hour: SmallSite) -> None:
    found = await one(hour, request(NOON - 3600, window=WindowChoice.S30, max_points=500))
    assert set(np.diff(found.times).tolist()) == {30 * S}
    assert found.times[0] == (NOON - 3600) * S
    assert len(found.times) == 120


async def test_roll_ups_end_at_the_newest_complete_window(hour: SmallSite) -> None:
    hour.clock.advance(45)  # a minute has begun and is not over
    await hour.roll_up()
    found = await one(hour, request(NOON - 600, window=WindowChoice.M1))
    assert found.times[-1] == (NOON - 60) * S
    coarse = await one(hour, request(NOON - 2 * DAY, window=WindowChoice.D1))
    assert len(coarse.times) == 0


async def test_before_the_first_roll_up_there_is_nothing() -> None:
    found = await one(SmallSite(), request(NOON - DAY, window=WindowChoice.H1))
    assert len(found.times) == 0


async def test_a_node_has_windows_with_its_coverage() -> None:
    site = SmallSite()
    seconds = range(NOON - 600, NOON)
    await site.write("a_pdu-1", seconds, [100.0] * 600)
    await site.write("a_pdu-2", seconds, [50.0] * 600)
    await site.roll_up()
    asked = SeriesRequest((), ("server-a", "hardware_cluster"), (NOON - 600) * S, max_points=10)
    server, cluster = await site.queries.series.read(asked)
    assert server.node == "server_a"
    assert server.window is WindowChoice.M1
    assert server.values.tolist() == [150.0] * 10
    assert server.grid is not None
    assert server.grid.coverage is not None
    assert server.grid.coverage.tolist() == [1.0] * 10
    assert cluster.grid is not None
    assert cluster.grid.coverage == pytest.approx([2 / 3] * 10)


async def test_a_node_is_never_raw() -> None:
    site = SmallSite()
    await site.write("sun", range(NOON - 60, NOON), [1.0] * 60)
    await site.roll_up()
    asked = SeriesRequest((), ("solar",), (NOON - 60) * S)
    (found,) = await site.queries.series.read(asked)
    assert found.window is WindowChoice.S30
    with pytest.raises(UserError, match="no raw readings"):
        await site.queries.series.read(replace(asked, window=WindowChoice.RAW))


async def test_what_no_file_describes_is_read_raw() -> None:
    site = SmallSite()
    site.hear({"28b8fb2909000003": 21.5})
    await site.write("28b8fb2909000003", [NOON - 5 * DAY, NOON - 10], [20.0, 21.5])
    found = await one(site, request(NOON - 20 * DAY, sensors=("28b8fb2909000003",), max_points=100))
    assert found.window is WindowChoice.RAW
    assert found.unit == "celsius"
    assert found.values[~np.isnan(found.values)].tolist() == [20.0, 21.5]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (request(NOON, NOON - 1), "is not before"),
        (request(NOON - 1, sensors=("nope",)), "unknown sensor 'nope'"),
        (request(NOON - 1, sensors=(), nodes=("nope",)), "unknown node 'nope'"),
        (request(NOON - 1, sensors=()), "name at least one"),
        (request(NOON - 1, max_points=0), "expected 1 to"),
        (request(NOON - 400 * DAY, window=WindowChoice.RAW), "the limit is"),
        (request(NOON - 9_000 * DAY, window=WindowChoice.S30), "the limit is"),
    ],
)
async def test_what_cannot_be_answered_says_why_and_how_to_mend_it(asked: SeriesRequest, words: str) -> None:
    with pytest.raises(UserError, match=words):
        await SmallSite().queries.series.read(asked)


@pytest.mark.parametrize("days", [0.01, 0.5, 1, 2, 7, 31, 365, 4000])
@pytest.mark.parametrize("most", [1, 7, 100, 2000])
async def test_no_interval_gives_more_points_than_asked_for(days: float, most: int) -> None:
    site = SmallSite()
    for window in ("30s", "1m", "1h", "1d"):
        await site.state.set_watermark(window, NOON * S)  # type: ignore[arg-type]
    found = await one(site, request(NOON - days * DAY + 0.123, max_points=most))
    assert len(found.times) <= most
    if days > 1 and most == 2000:
        assert len(found.times) > 300
