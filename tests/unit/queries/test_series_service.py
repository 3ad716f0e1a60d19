from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.core.errors import UserError
from backend.core.windows import NS_PER_SECOND as S
from backend.queries.series import SeriesColumns, SeriesRequest, WindowChoice
from tests.support.small_site import DAY, NOON, SmallSite


def make_request(start_s: float, end_s: float | None = None, **more: object) -> SeriesRequest:
    request = SeriesRequest(("fan",), (), round(start_s * S), None if end_s is None else round(end_s * S))
    return replace(request, **more)  # type: ignore[arg-type]


async def read_one(site: SmallSite, request: SeriesRequest) -> SeriesColumns:
    (result,) = await site.queries.series.read(request)
    return result


@pytest.fixture
async def hour() -> SmallSite:
    """An hour of one reading a second that ends now, with ten minutes missing in the middle."""
    site = SmallSite()
    seconds = [s for s in range(3600) if not 1200 <= s < 1800]
    await site.write("fan", [NOON - 3600 + s for s in seconds], [float(s % 60) for s in seconds])
    await site.roll_up()
    return site


async def test_a_short_interval_is_raw_with_the_gap_as_null(hour: SmallSite) -> None:
    result = await read_one(hour, make_request(NOON - 3600, max_points=5000))
    assert result.window is WindowChoice.RAW
    assert len(result.times) == 3001
    assert np.isnan(result.values).sum() == 1
    assert result.grid is None


async def test_auto_takes_the_coarsest_window_that_gives_enough_points(hour: SmallSite) -> None:
    result = await read_one(hour, make_request(NOON - 3600, max_points=60))
    assert result.window is WindowChoice.M1
    assert len(result.times) == 60
    assert np.isnan(result.values[20:30]).all()
    assert not np.isnan(result.values[:20]).any()


async def test_windows_are_merged_exactly_where_they_do_not_fit(hour: SmallSite) -> None:
    result = await read_one(hour, make_request(NOON - 3600, max_points=50))
    assert result.grid is not None
    assert result.grid.step_ns == 120 * S  # 60 windows of a minute, two by two
    assert len(result.times) == 30
    assert result.grid.median is None and result.grid.coverage is not None
    assert result.values[0] == pytest.approx(29.5)
    assert result.grid.count[:2].tolist() == [120.0, 120.0]
    assert result.grid.count[10] == 0
    assert result.grid.coverage[10] == 0
    assert set(np.diff(result.times).tolist()) == {120 * S}


async def test_timestamps_are_a_regular_grid_whatever_is_missing(hour: SmallSite) -> None:
    result = await read_one(hour, make_request(NOON - 3600, window=WindowChoice.S30, max_points=500))
    assert set(np.diff(result.times).tolist()) == {30 * S}
    assert result.times[0] == (NOON - 3600) * S
    assert len(result.times) == 120


async def test_roll_ups_end_at_the_newest_complete_window(hour: SmallSite) -> None:
    hour.clock.advance(45)  # a minute has begun and is not over
    await hour.roll_up()
    result = await read_one(hour, make_request(NOON - 600, window=WindowChoice.M1))
    assert result.times[-1] == (NOON - 60) * S
    coarse = await read_one(hour, make_request(NOON - 2 * DAY, window=WindowChoice.D1))
    assert len(coarse.times) == 0


async def test_before_the_first_roll_up_there_is_nothing() -> None:
    result = await read_one(SmallSite(), make_request(NOON - DAY, window=WindowChoice.H1))
    assert len(result.times) == 0


async def test_a_node_has_windows_with_its_coverage() -> None:
    site = SmallSite()
    seconds = range(NOON - 600, NOON)
    await site.write("a_pdu-1", seconds, [100.0] * 600)
    await site.write("a_pdu-2", seconds, [50.0] * 600)
    await site.roll_up()
    request = SeriesRequest((), ("server-a", "hardware_cluster"), (NOON - 600) * S, max_points=10)
    server, cluster = await site.queries.series.read(request)
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
    request = SeriesRequest((), ("solar",), (NOON - 60) * S)
    (result,) = await site.queries.series.read(request)
    assert result.window is WindowChoice.S30
    with pytest.raises(UserError, match="no raw readings"):
        await site.queries.series.read(replace(request, window=WindowChoice.RAW))


async def test_what_no_file_describes_is_read_raw() -> None:
    site = SmallSite()
    site.hear({"28b8fb2909000003": 21.5})
    await site.write("28b8fb2909000003", [NOON - 5 * DAY, NOON - 10], [20.0, 21.5])
    result = await read_one(
        site, make_request(NOON - 20 * DAY, sensors=("28b8fb2909000003",), max_points=100)
    )
    assert result.window is WindowChoice.RAW
    assert result.unit == "celsius"
    assert result.values[~np.isnan(result.values)].tolist() == [20.0, 21.5]


@pytest.mark.parametrize(
    ("series_request", "message"),
    [
        (make_request(NOON, NOON - 1), "is not before"),
        (make_request(NOON - 1, sensors=("nope",)), "unknown sensor 'nope'"),
        (make_request(NOON - 1, sensors=(), nodes=("nope",)), "unknown node 'nope'"),
        (make_request(NOON - 1, sensors=()), "name at least one"),
        (make_request(NOON - 1, max_points=0), "expected 1 to"),
        (make_request(NOON - 400 * DAY, window=WindowChoice.RAW), "the limit is"),
        (make_request(NOON - 9_000 * DAY, window=WindowChoice.S30), "the limit is"),
    ],
)
async def test_an_invalid_request_is_refused_with_the_reason_and_the_remedy(
    series_request: SeriesRequest, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        await SmallSite().queries.series.read(series_request)


@pytest.mark.parametrize("days", [0.01, 0.5, 1, 2, 7, 31, 365, 4000])
@pytest.mark.parametrize("most", [1, 7, 100, 2000])
async def test_no_interval_gives_more_points_than_asked_for(days: float, most: int) -> None:
    site = SmallSite()
    for window in ("30s", "1m", "1h", "1d"):
        await site.state.set_watermark(window, NOON * S)  # type: ignore[arg-type]
    result = await read_one(site, make_request(NOON - days * DAY + 0.123, max_points=most))
    assert len(result.times) <= most
    if days > 1 and most == 2000:
        assert len(result.times) > 300
