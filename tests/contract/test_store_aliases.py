"""Aliases of nodes: readers get the buckets as if they had been written, whatever the store keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pytest

from backend.core.bucket import Buckets, SeriesKind
from backend.core.ports import SeriesAlias, TimeSeriesStore
from backend.core.windows import Window
from tests.support.store_cases import ALWAYS, T0, Bench, S, same

Row = tuple[float, ...]
HALF, MINUTE = 30 * S, 60 * S
NOTHING = (0.0, *[np.nan] * 5)
FINE = (Window.S30, Window.M1)
NODES, SENSORS = ("leaf", "twin", "other"), ("plug", "meter in kW")


class Model:
    """The rows that a reader must get, by window, series and start. A sensor has a 30 s mean or, as None, an empty bucket."""

    def __init__(self, store: TimeSeriesStore) -> None:
        self.store = store
        self.means: dict[str, dict[int, float | None]] = {name: {} for name in SENSORS}
        self.nodes: dict[Window, dict[str, dict[int, Row]]] = {w: {n: {} for n in NODES} for w in FINE}

    async def sensor(self, name: str, means: Mapping[int, float | None]) -> None:
        self.means[name] |= means
        rows = {}
        for at, mean in means.items():
            # 2 values of which the mean is as asked for
            one = NOTHING if mean is None else (2.0, 2 * mean, 0.5, mean - 0.5, mean + 0.5, mean)
            rows[at] = (*one, 30.0, one[0])
        await self.store.write_buckets(SeriesKind.SENSOR, Window.S30, buckets({name: rows}))

    def alias_rows(self, copy: SeriesAlias, window: Window, start: int, end: int) -> dict[int, Row]:
        """Set the rows of a node that aliases a sensor, one value each."""
        alias_rows = {}
        for at in range(start, end, window.ns):
            of = [self.means[copy.name].get(t) for t in range(at, at + window.ns, HALF)]
            values = [mean * copy.weight for mean in of if mean is not None]
            mean = sum(values) / len(values) if values else 0.0
            m2 = sum((v - mean) ** 2 for v in values)
            some = (
                (float(len(values)), sum(values), m2, min(values), max(values), mean) if values else NOTHING
            )
            alias_rows[at] = (*some, float(len(of)), float(len(values)))
        return alias_rows

    async def copied(
        self, copies: Mapping[str, SeriesAlias], start: int, end: int, *, note: bool = True
    ) -> None:
        for window in FINE:
            rows = {node: self.alias_rows(copy, window, start, end) for node, copy in copies.items()}
            if note and await self.store.set_aliases(window, copies, start, end):
                for node, more in rows.items():
                    self.nodes[window][node] |= more
            else:
                await self.write(window, rows)

    async def summed(self, node: str, values: Mapping[int, float | None], *, note: bool = True) -> None:
        """Set a node over three sensors, and its minutes, which alias itself, for whole minutes."""
        halves, minutes = {}, {}
        for at, value in values.items():
            one = NOTHING if value is None else (1.0, value, 0.0, value, value, value)
            # A sensor was added at some time.
            halves[at] = (*one, 3.0 + (at >= T0 + 6 * MINUTE), 3 - at // HALF % 2 if one[0] else 0.0)
        await self.write(Window.S30, {node: halves})
        for at in sorted(at for at in halves if at % MINUTE == 0):
            both = [halves[at], halves[at + HALF]]
            some = [row[1] for row in both if row[0]]
            mean = sum(some) / len(some) if some else 0.0
            m2 = sum((v - mean) ** 2 for v in some)
            of = (float(len(some)), sum(some), m2, min(some), max(some), mean) if some else NOTHING
            minutes[at] = (*of, sum(row[6] for row in both), sum(row[7] for row in both))
        first, end = min(minutes), max(minutes) + MINUTE
        if note and await self.store.set_aliases(
            Window.M1, {node: SeriesAlias(SeriesKind.NODE, node)}, first, end
        ):
            self.nodes[Window.M1][node] |= minutes
        else:
            await self.write(Window.M1, {node: minutes})

    async def write(self, window: Window, rows: Mapping[str, Mapping[int, Row]]) -> None:
        for node, more in rows.items():
            self.nodes[window][node] |= more
        await self.store.write_buckets(SeriesKind.NODE, window, buckets(rows))

    async def forget(self, window: Window, end: int) -> None:
        for node in NODES:
            self.nodes[window][node] = {t: r for t, r in self.nodes[window][node].items() if t >= end}
        if window is Window.S30:
            self.means = {n: {t: m for t, m in of.items() if t >= end} for n, of in self.means.items()}
        await self.store.delete_buckets(window, end)

    async def check(self, start: int = ALWAYS[0], end: int = ALWAYS[1], names: Iterable[str] = NODES) -> None:
        for window in FINE:
            got = await self.store.buckets(SeriesKind.NODE, list(names), window, start, end)
            expected = self.nodes[window]
            same(got, buckets({n: {t: r for t, r in expected[n].items() if start <= t < end} for n in names}))
            some = await self.store.buckets(
                SeriesKind.NODE, list(names), window, start, end, ("sum", "count")
            )
            np.testing.assert_array_equal(some.count, got.count)
            due = await self.store.buckets(SeriesKind.NODE, list(names), window, start, end, ("expected",))
            np.testing.assert_array_equal(due.expected, got.expected)
            np.testing.assert_array_equal(some.sum, got.sum)
            np.testing.assert_array_equal(some.starts, got.starts)
            np.testing.assert_array_equal(some.codes, got.codes)


def buckets(rows: Mapping[str, Mapping[int, Row]]) -> Buckets:
    flat = [(code, at, of[at]) for code, of in enumerate(rows.values()) for at in sorted(of)]
    columns = np.array([row for *_, row in flat], np.float64).reshape(-1, 8).T
    codes, starts = [code for code, *_ in flat], [at for _, at, _ in flat]
    return Buckets(tuple(rows), np.array(codes, np.int32), np.array(starts, np.int64), *columns)


def means(rng: np.random.Generator, start: int, end: int) -> dict[int, float | None]:
    """A 30 s mean each; some windows are empty, some have no row."""
    drawn = zip(range(start, end, HALF), rng.random((end - start) // HALF), strict=True)
    return {
        at: None if chance < 0.15 else float(np.round(rng.normal(100, 20), 3))
        for at, chance in drawn
        if chance < 0.9
    }


def values(rng: np.random.Generator, start: int, end: int) -> dict[int, float | None]:
    """One value per 30 s window, or none."""
    return {at: None if rng.random() < 0.2 else float(rng.normal(300, 50)) for at in range(start, end, HALF)}


LEAF, TWIN = SeriesAlias(SeriesKind.SENSOR, "plug"), SeriesAlias(SeriesKind.SENSOR, "plug", -2.5)
KILO = SeriesAlias(SeriesKind.SENSOR, "meter in kW", 1000.0)
COPIES = {"leaf": LEAF, "twin": TWIN, "other": KILO}


async def test_an_alias_is_read_as_if_written(bench: Bench) -> None:
    model = Model(bench.store)
    for name in SENSORS:
        await model.sensor(name, means(np.random.default_rng(len(name)), T0, T0 + 20 * MINUTE))
    await model.copied(COPIES, T0, T0 + 10 * MINUTE)
    await model.copied(COPIES, T0 + 10 * MINUTE, T0 + 22 * MINUTE)  # longer than its sensor's readings
    async for model.store in bench.now_and_reopened():
        await model.check()
        await model.check(T0 + 3 * MINUTE + 1, T0 + 21 * MINUTE, ("twin", "leaf"))
        await model.check(T0 + 9 * MINUTE, T0 + 9 * MINUTE)
        await model.check(T0 + 30 * MINUTE, T0 + 40 * MINUTE)


async def test_an_alias_of_a_sensor_without_readings_has_empty_rows(store: TimeSeriesStore) -> None:
    model = Model(store)
    await model.copied({"leaf": LEAF}, T0, T0 + 5 * MINUTE)
    await model.check()
    assert await store.latest() == {}
    await model.sensor("meter in kW", {T0: 5.0})
    await model.check()


async def test_minutes_of_a_node_that_alias_its_own_30s_values(bench: Bench) -> None:
    model, rng = Model(bench.store), np.random.default_rng(7)
    await model.summed("other", values(rng, T0, T0 + 10 * MINUTE))
    await model.summed("other", values(rng, T0 + 4 * MINUTE, T0 + 12 * MINUTE))
    await model.sensor("plug", means(rng, T0, T0 + 20 * MINUTE))
    await model.copied({"leaf": LEAF}, T0, T0 + 10 * MINUTE)
    async for model.store in bench.now_and_reopened():
        await model.check()
        await model.check(T0 + 5 * MINUTE, T0 + 7 * MINUTE + 1)
    # The node becomes a leaf, then a sum again.
    await model.copied({"other": LEAF}, T0 + 3 * MINUTE, T0 + 9 * MINUTE)
    await model.check()
    await model.summed("other", values(rng, T0 + 8 * MINUTE, T0 + 15 * MINUTE))
    async for model.store in bench.now_and_reopened():
        await model.check()
    await model.forget(Window.S30, T0 + 5 * MINUTE)
    await model.check()


async def test_written_rows_take_precedence_until_the_node_is_an_alias_again(bench: Bench) -> None:
    model = Model(bench.store)
    await model.sensor("plug", means(np.random.default_rng(1), T0, T0 + 20 * MINUTE))
    await model.copied({"leaf": LEAF}, T0, T0 + 10 * MINUTE)
    odd = (1.0, 7.0, 0.0, 7.0, 7.0, 7.0, 3.0, 2.0)
    await model.write(Window.S30, {"leaf": {T0 + MINUTE: odd, T0 + 15 * MINUTE: odd}})
    await model.write(Window.M1, {"leaf": {T0 + MINUTE: odd}})
    async for model.store in bench.now_and_reopened():
        await model.check()
    await model.copied({"leaf": TWIN}, T0, T0 + 20 * MINUTE, note=False)
    await model.check()
    await model.copied({"leaf": LEAF}, T0 + 2 * MINUTE, T0 + 20 * MINUTE)
    async for model.store in bench.now_and_reopened():
        await model.check()


async def test_minutes_survive_the_deletion_of_their_30s_values(bench: Bench) -> None:
    model = Model(bench.store)
    for name in SENSORS:
        await model.sensor(name, means(np.random.default_rng(len(name)), T0, T0 + 20 * MINUTE))
    await model.copied(COPIES, T0, T0 + 20 * MINUTE)
    await model.forget(Window.S30, T0 + 8 * MINUTE)
    async for model.store in bench.now_and_reopened():
        await model.check()
    await model.forget(Window.S30, T0 + 9 * MINUTE)
    await model.forget(Window.M1, T0 + 5 * MINUTE)
    await model.check()
    await model.store.maintain(T0 + 9000 * 1440 * MINUTE)
    await model.forget(Window.S30, ALWAYS[1])
    async for model.store in bench.now_and_reopened():
        await model.check()
    await model.forget(Window.M1, ALWAYS[1])
    await model.check()


async def test_aliased_buckets_survive_the_deletion_of_their_source(bench: Bench) -> None:
    model, rng = Model(bench.store), np.random.default_rng(3)
    for name in SENSORS:
        await model.sensor(name, means(rng, T0, T0 + 20 * MINUTE))
    await model.copied({"leaf": LEAF, "twin": TWIN}, T0, T0 + 20 * MINUTE)
    await model.summed("other", values(rng, T0, T0 + 10 * MINUTE))
    for window in FINE:
        assert await bench.store.rollup_series(SeriesKind.NODE, window) == set(NODES)
    await bench.store.drop_series(SeriesKind.SENSOR, Window.S30, ["plug"])
    async for model.store in bench.now_and_reopened():
        await model.check()
    await model.store.drop_series(SeriesKind.NODE, Window.S30, ["other", "twin"])
    for node in ("other", "twin"):
        model.nodes[Window.S30][node].clear()
    async for model.store in bench.now_and_reopened():
        await model.check()
        assert await model.store.rollup_series(SeriesKind.NODE, Window.S30) == {"leaf"}
        assert await model.store.rollup_series(SeriesKind.NODE, Window.M1) == set(NODES)
    await model.copied({"leaf": KILO}, T0, T0 + 20 * MINUTE)
    await model.store.drop_series(SeriesKind.NODE, Window.M1, ["leaf"])
    model.nodes[Window.M1]["leaf"].clear()
    await model.check()


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_of_writes_and_deletes(bench: Bench, seed: int) -> None:
    rng, model = np.random.default_rng(seed), Model(bench.store)
    whole, kept_from = 60, 0
    for step in range(25):
        start = int(rng.integers(kept_from, whole))
        end = int(rng.integers(start + 1, whole + 1))
        a, b = T0 + start * MINUTE, T0 + end * MINUTE
        what = rng.choice(
            ["sensor", "copy", "alone", "sum", "row", "forget"], p=[0.2, 0.3, 0.1, 0.2, 0.15, 0.05]
        )
        nodes = {n: (LEAF, TWIN, KILO)[int(rng.integers(3))] for n in rng.permutation(NODES)[:2].tolist()}
        if what == "sensor":
            # As the engine does: nodes of a sensor are rewritten with it.
            sensor = SENSORS[int(rng.integers(2))]
            await model.sensor(sensor, means(rng, a, b))
            await model.copied(dict.fromkeys(NODES, KILO if sensor != "plug" else LEAF), a, b)
        elif what in ("copy", "alone"):
            await model.copied(nodes, a, b, note=what == "copy")
        elif what == "sum":
            await model.summed(next(iter(nodes)), values(rng, a, b), note=bool(rng.integers(2)))
        elif what == "row":
            odd = (3.0, *rng.normal(size=5).tolist(), 9.0, 4.0)
            for window in FINE:
                await model.write(window, {next(iter(nodes)): {a: odd}})
        else:
            kept_from = max(kept_from, min(start, whole - 10))
            await model.forget(Window.S30, T0 + kept_from * MINUTE)
        if step % 8 == 7:
            await model.store.maintain(T0 + 9000 * 1440 * MINUTE)
            model.store = await bench.reopen()
        await model.check(*((a, b) if step % 2 else ALWAYS))
