"""A simulated day of a small data centre with all kinds of faults, and the roll-ups expected of it.

27 hours around a leap day: gaps, a silent sensor, a slow one, one that hardly changes, one that is negative.
The expected roll-ups are computed from the raw readings alone, window by window, without any of the code under test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Points, Readings
from backend.core.tree import Tree, TreeNode
from backend.core.windows import NS_PER_SECOND, Window
from backend.rollups.definitions import Definitions
from tests.support.reference_store import COLUMNS, Row, by_window, statistics

START = 1_709_158_631 * NS_PER_SECOND  # 2024-02-28T22:17:11Z
END = 1_709_255_400 * NS_PER_SECOND  # 2024-03-01T01:10:00Z
HOUR = 3_600 * NS_PER_SECOND


@dataclass(frozen=True)
class Info:
    sensor_type: str = "wattmeter"
    period_s: float | None = 10.0
    exclude_from_aggregation: bool = False
    unit: str = "W"
    gaps: tuple[tuple[float, float], ...] = field(default=())
    """Hours after START in which the sensor is silent."""


SENSORS: Mapping[str, Info] = {
    "plug_1": Info(period_s=1.0, gaps=((3.2, 3.21), (20.0, 23.5))),
    "plug_2": Info(gaps=((0.0, 6.003), (9.0, 9.5))),
    "plug_silent": Info(),
    "plug_steady": Info(gaps=((20.0, 23.5),)),
    "plug_spare": Info(exclude_from_aggregation=True),
    "battery": Info("battery_power", gaps=((20.0, 23.5), (25.0, 27.0))),
    "sun": Info("solar_power", period_s=300.0),
    "probe": Info("temperature", period_s=30.0),
}


def tree(name: str, children: Mapping[str, Sequence[str]], targets: Mapping[str, str]) -> Tree:
    """The first node is the root; parents before children."""
    ids = list(dict.fromkeys([*children, *(c for below in children.values() for c in below)]))
    parent = {c: node for node, below in children.items() for c in below}
    nodes = [TreeNode(i, i, parent.get(i), tuple(children.get(i, ())), targets.get(i)) for i in ids]
    return Tree(name, ids[0], tuple(nodes))


CONSUMPTION = tree(
    "consumption",
    {
        "datacenter": ["servers", "cooling", "empty"],
        "servers": ["server_1", "server_2"],
        "server_1": ["plug_a", "plug_b"],
        "cooling": ["fan"],
    },
    {"plug_a": "plug_1", "plug_b": "plug_2", "server_2": "plug_spare", "fan": "plug_silent"},
)
PRODUCTION = tree(
    "production", {"overall_production": ["sol1", "battery1"]}, {"sol1": "sun", "battery1": "battery"}
)
STEADY = tree("steady", {"steady": []}, {"steady": "plug_steady"})
DEFINITIONS = Definitions.of(SENSORS, (CONSUMPTION, PRODUCTION, STEADY))


def simulate(seed: int = 0, start: int = START, end: int = END) -> dict[str, Points]:
    """Return readings by sensor; a silent sensor is absent."""
    rng = np.random.default_rng(seed)
    points_by_sensor = {}
    for i, (name, info) in enumerate(SENSORS.items()):
        if name == "plug_silent":
            continue
        times = np.arange(start + i * 37_000_000, end, round((info.period_s or 1.0) * 1e9), dtype=np.int64)
        hours = (times - START) / HOUR
        here = np.ones(len(times), bool)
        for a, b in info.gaps:
            here &= (hours < a) | (hours >= b)
        here &= rng.random(len(times)) > 0.01
        times = times[here]
        values = 120 + 40 * np.sin(hours[here]) + rng.normal(0, 15, len(times))
        if name == "plug_steady":
            values = (230.0 + rng.integers(0, 2, len(times)) * 1e-9).astype(np.float64)
        if name == "battery":
            values = values - 150
        points_by_sensor[name] = Points(times, values)
    return points_by_sensor


def readings_of(points: Mapping[str, Points]) -> Readings:
    """Return the readings ordered by time, as crawlers send them."""
    names = tuple(points)
    codes = np.concatenate([np.full(len(p), i, np.int32) for i, p in enumerate(points.values())])
    times = np.concatenate([p.times for p in points.values()])
    values = np.concatenate([p.values for p in points.values()])
    order = np.argsort(times, kind="stable")
    return Readings(names, codes[order], times[order], values[order])


Expected = dict[tuple[str, int], Row]


def expect(
    points: Mapping[str, Points],
    kind: SeriesKind,
    window: Window,
    start: int,
    end: int,
    definitions: Definitions = DEFINITIONS,
) -> Expected:
    """Return all rows with a start in [start, end): COLUMNS by (series, start)."""
    if kind is SeriesKind.NODE:
        return _expect_nodes(points, window, start, end, definitions)
    alone = {name: (name,) for name in definitions.sensors}
    groups: Mapping[str, Sequence[str]] = alone if kind is SeriesKind.SENSOR else definitions.types
    rows: Expected = {}
    for group, members in groups.items():
        there = [points[m] for m in members if m in points]
        if not there:
            continue
        every = Points(np.concatenate([p.times for p in there]), np.concatenate([p.values for p in there]))
        due = sum(window.seconds / definitions.period(m) for m in members)
        for at, values in by_window(every, window):
            if start <= at < end:
                rows[group, at] = (*statistics(values), due, float(len(values)))
    return rows


def _expect_nodes(
    points: Mapping[str, Points], window: Window, start: int, end: int, definitions: Definitions
) -> Expected:
    step, per_window = Window.S30.ns, window.ns // Window.S30.ns
    means = _leaf_means(points, definitions)
    empty = (0.0, *[np.nan] * 5)
    rows: Expected = {}
    for node, below in definitions.nodes.items():
        leaves = [means[sensor] for sensor in below if sensor in means]
        # The means below the node, by 30 s window.
        values: dict[int, list[float]] = {}
        for leaf in leaves:
            for moment, mean in leaf.items():
                values.setdefault(moment, []).append(mean)
        for at in range(window.ceil(start), end, window.ns):
            reports = [values[m] for m in range(at, at + window.ns, step) if m in values]
            sums = [sum(means_there) for means_there in reports]
            reported = sum(map(len, reports))
            expected = float(len(below) * per_window)
            rows[node, at] = (*(statistics(np.array(sums)) if sums else empty), expected, float(reported))
    return rows


_last_means: tuple[object, object, dict[str, dict[int, float]]] = (None, None, {})


def _leaf_means(points: Mapping[str, Points], definitions: Definitions) -> dict[str, dict[int, float]]:
    """Return the 30 s means of all leaves, by sensor and start; computed once for the same points."""
    global _last_means
    if _last_means[0] is not points or _last_means[1] is not definitions:
        leaves = {sensor for below in definitions.nodes.values() for sensor in below}
        means = {
            name: {at: float(values.sum()) / len(values) for at, values in by_window(p, Window.S30)}
            for name, p in points.items()
            if name in leaves
        }
        _last_means = (points, definitions, means)
    return _last_means[2]


_cache: dict[tuple[object, ...], tuple[object, object, Expected]] = {}
_CACHE_SIZE = 24


def _cached_expect(
    points: Mapping[str, Points],
    kind: SeriesKind,
    window: Window,
    start: int,
    end: int,
    definitions: Definitions,
) -> Expected:
    """Return `expect`, computed once for the same points and interval, since many tests end alike."""
    key = (id(points), kind, window, start, end, id(definitions))
    # The points and definitions are held too, so that no other objects get their ids. The least recently used entry is dropped.
    entry = _cache.pop(key, None) or (
        points,
        definitions,
        expect(points, kind, window, start, end, definitions),
    )
    _cache[key] = entry
    while len(_cache) > _CACHE_SIZE:
        del _cache[next(iter(_cache))]
    return entry[2]


async def compare(
    store: TimeSeriesStore,
    points: Mapping[str, Points],
    ends: Mapping[Window, int],
    start: int = START,
    definitions: Definitions = DEFINITIONS,
) -> int:
    """Compare every stored bucket with the expected one, up to each window's end. Return the number of buckets."""
    many = 0
    for kind, names in (
        (SeriesKind.SENSOR, definitions.sensors),
        (SeriesKind.TYPE, tuple(definitions.types)),
        (SeriesKind.NODE, tuple(definitions.nodes)),
    ):
        for window in Window:
            if kind is SeriesKind.TYPE and window is Window.S30:
                continue
            # Healing may have stored explicit empty node windows before the first reading; they mean the same as absent ones.
            first = window.floor(start) if kind is SeriesKind.NODE else 0
            got = await store.buckets(kind, names, window, first, ends[window] + 10 * Window.D1.ns)
            want = _cached_expect(points, kind, window, window.floor(start), ends[window], definitions)
            check(got, want, f"{kind} {window}", exact=kind is not SeriesKind.NODE)
            many += len(got)
    return many


def check(got: Buckets, want: Expected, what: str, *, exact: bool) -> None:
    """Assert equal rows: count, expected and reported equal, min and max bit for bit, the others within 1e-9 of their magnitude.

    A sensor's or type's empty row counts as no row. Node values are themselves sums, so their min and max are not exact.
    """
    rows = got.count > 0 if exact else np.ones(len(got), bool)
    keys = [
        (got.names[c], s) for c, s in zip(got.codes[rows].tolist(), got.starts[rows].tolist(), strict=True)
    ]
    assert len(set(keys)) == len(keys), f"{what}: a window occurs twice"
    missing, unexpected = set(want) - set(keys), set(keys) - set(want)
    assert not missing, f"{what}: {len(missing)} windows missing, such as {min(missing, key=lambda k: k[1])}"
    assert not unexpected, (
        f"{what}: {len(unexpected)} unexpected windows, such as {min(unexpected, key=lambda k: k[1])}"
    )
    if not keys:
        return
    w = dict(zip(COLUMNS, np.array([want[k] for k in keys], np.float64).T, strict=True))
    g = {c: getattr(got, c)[rows] for c in COLUMNS}
    for column in ("count", "expected", "reported", *(("min", "max") if exact else ())):
        np.testing.assert_array_equal(g[column], w[column], f"{what} {column}")
    size = np.fmax(np.abs(w["min"]), np.abs(w["max"]))
    for column, scale in (("sum", size * w["count"]), ("median", size), ("min", size), ("max", size)):
        close(g[column], w[column], scale, f"{what} {column}")
    n = np.where(w["count"] > 1, w["count"] - 1, np.nan)
    close(np.sqrt(g["m2"] / n), np.sqrt(w["m2"] / n), size, f"{what} stddev")
    close(got.mean[rows], w["sum"] / np.where(w["count"] > 0, w["count"], np.nan), size, f"{what} mean")


def close(got: np.ndarray, want: np.ndarray, scale: np.ndarray, what: str) -> None:
    np.testing.assert_array_equal(
        np.isnan(got), np.isnan(want), f"{what}: NaN where a number should be, or not"
    )
    with np.errstate(invalid="ignore"):
        worst = np.nanmax(np.abs(got - want) / np.where(scale > 0, scale, 1.0), initial=0.0)
    assert worst <= 1e-9, f"{what}: off by {worst:.2g} of the magnitude"
