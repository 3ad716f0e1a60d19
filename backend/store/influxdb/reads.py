"""Queries to an InfluxDB, and the meaning of its answers. Everything here blocks: call it from a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from backend.core.bucket import Buckets, SeriesKind, measurement, node_from_measurement
from backend.core.reading import Float64, Int64, Points, Reading
from backend.core.windows import NS_PER_SECOND, Window, slices
from backend.store.influxdb import influxql as ql
from backend.store.influxdb.aggregate import Piece, join_pieces, summarise_groups
from backend.store.influxdb.columns import Run, runs, text_cells
from backend.store.influxdb.line_protocol import RAW, TAG_OF, tags_of_key, unescape
from backend.store.influxdb.server import Server

T = TypeVar("T")

PAGE_ROWS: Final = 200_000
"""Rows requested at once, if a series has one per second (or per window): some 10 MB of text."""

HELD_ROWS: Final = 2_000_000
"""Rows held at once while windows are summarised, if readings come once per second; one window is the minimum."""

NAMES: Final = 100
"""Names that a query lists. The time a server takes grows with the square of their number."""

REACHES_NS: Final = (3_600 * NS_PER_SECOND, 30 * 86_400 * NS_PER_SECOND)
"""Spans in which the newest readings are looked for before all of time, for which an old server opens every week of
data.
"""

FIELDS: Final = (
    "count", "sum", "m2", "min", "max", "median", "expected", "reported", "mean", "stddev", "value",
)  # fmt: skip


class Reads:
    """Reads of one database."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.known_sensors = 0
        """Approximate number of sensors in the database. If most are requested, the query reads all."""

    def raw(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> dict[str, Points]:
        pieces: dict[str, list[Run]] = {}
        for name, run in self._pages(_Where("sensor", "value"), sensors, start_ns, end_ns, NS_PER_SECOND):
            pieces.setdefault(name, []).append(run)
        return {name: _points(pieces[name]) for name in sensors if name in pieces}

    def latest(self, sensors: Sequence[str] | None, now_ns: int) -> dict[str, Reading]:
        if sensors is None:
            names = [value for _, _, _, value in text_cells(self._server.read((ql.TAG_VALUES, {})))]
        else:
            names = list(dict.fromkeys(sensors))
        latest: dict[str, Reading] = {}
        for since_ns in (*(now_ns - reach for reach in REACHES_NS), None):
            missing = [name for name in names if name not in latest]
            for name, run in self._one_row_each("last(value)", missing, since_ns, None):
                latest[name] = Reading(name, int(run.times[0]), float(run.fields[0][0]))
        return {name: latest[name] for name in names if name in latest}

    def count(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> dict[str, int]:
        each = self._one_row_each("count(value)", list(dict.fromkeys(sensors)), start_ns, end_ns)
        return {name: int(run.fields[0][0]) for name, run in each}

    def first_time(self) -> int | None:
        first_runs = list(runs(self._server.read(ql.select("first(value)", [RAW])), 1))
        return int(first_runs[0].times[0]) if first_runs else None

    def heads(self, sensors: Sequence[str] | None) -> list[tuple[int, str, str]]:
        """Return newest time, sensor and tag set (in line protocol) of the raw series of sensors, or of all."""
        heads = []
        for chunk in [None] if sensors is None else _chunks(sensors, NAMES):
            statement = ql.select("last(value)", [RAW], tag="sensor", names=chunk, by="*")
            for run in runs(self._server.read(statement), 1):
                tags = tags_of_key(run.tags)
                if "sensor" in tags:
                    heads.append((int(run.times[0]), unescape(tags["sensor"]), _text(tags)))
        return heads

    def series_of(self, sensor: str, start_ns: int, end_ns: int) -> list[tuple[str, Int64]]:
        """Return tag set and times of each raw series of one sensor that has readings in the interval."""
        times_of: dict[str, list[Int64]] = {}
        # One day at a time, so that no answer is large.
        for start, end in slices(start_ns, end_ns, Window.D1.ns):
            statement = ql.select(
                "value", [RAW], tag="sensor", names=[sensor], start_ns=start, end_ns=end, by="*"
            )
            for run in runs(self._server.read(statement), 1):
                times_of.setdefault(_text(tags_of_key(run.tags)), []).append(run.times)
        return [(tags, np.concatenate(times)) for tags, times in times_of.items()]

    def aggregate(
        self, groups: Mapping[str, Sequence[str]], windows: Sequence[Window], start_ns: int, end_ns: int
    ) -> dict[Window, Buckets]:
        """Return buckets by window.

        They are computed here from raw readings, since servers take several times longer for that than for sending
        the readings.
        """
        pieces: dict[Window, list[Piece]] = {window: [] for window in windows}
        widest = max((window.seconds for window in windows), default=1)
        for batch in _batches(list(enumerate(groups.values())), max(1, HELD_ROWS // widest)):
            sensors = list(dict.fromkeys(name for _, group in batch for name in group))
            step = max(1, HELD_ROWS // (max(1, len(sensors)) * widest)) * widest * NS_PER_SECOND
            for span_start, span_end in slices(start_ns, end_ns, step) if windows else ():
                points = self.raw(sensors, span_start, span_end)
                members = [
                    (code, [points[n] for n in dict.fromkeys(group) if n in points]) for code, group in batch
                ]
                for window in windows:
                    piece = summarise_groups(members, window)
                    if piece is not None:
                        pieces[window].append(piece)
        return {window: join_pieces(tuple(groups), pieces[window]) for window in windows}

    def buckets(
        self, kind: SeriesKind, names: Sequence[str], window: Window, start_ns: int, end_ns: int
    ) -> Buckets:
        what = ", ".join(map(ql.identifier, FIELDS))
        source = _Where(TAG_OF.get(kind), what, lambda name: measurement(kind, name, window))
        pages = self._pages(source, names, start_ns, end_ns, window.ns)
        code_of = {name: code for code, name in enumerate(names)}
        runs_by_code = sorted(((code_of[name], run) for name, run in pages), key=lambda piece: piece[0])
        if not runs_by_code:
            return Buckets.empty(tuple(names))
        columns = [np.concatenate([run.fields[at] for _, run in runs_by_code]) for at in range(len(FIELDS))]
        return Buckets(
            tuple(names),
            np.repeat([code for code, _ in runs_by_code], [len(run.times) for _, run in runs_by_code]).astype(
                np.int32
            ),
            np.concatenate([run.times for _, run in runs_by_code]),
            **_statistics(dict(zip(FIELDS, columns, strict=True))),
        )

    def rollup_series(self, kind: SeriesKind, window: Window) -> frozenset[str]:
        """Return the series from the server's index, which drops a series with its last point."""
        tag = TAG_OF.get(kind)
        if tag is not None:
            rows = text_cells(self._server.read(ql.tag_values(measurement(kind, "", window), tag)))
            return frozenset(value for *_, value in rows)
        names = (row[-1] for row in text_cells(self._server.read((ql.MEASUREMENTS, {}))))
        nodes = (node_from_measurement(name, window) for name in names)
        return frozenset(node for node in nodes if node is not None)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _one_row_each(
        self, what: str, names: Sequence[str], start_ns: int | None, end_ns: int | None
    ) -> Iterator[tuple[str, Run]]:
        """Yield one row per sensor."""
        where = _Where("sensor", what)
        for chunk in _chunks(names, self._names_at_once(len(names))):
            yield from self._query(where, chunk, start_ns, end_ns)

    def _pages(
        self, where: _Where, names: Sequence[str], start_ns: int, end_ns: int, step_ns: int
    ) -> Iterator[tuple[str, Run]]:
        """Yield the rows of series, each in consecutive pieces. Rows are assumed to be `step_ns` apart."""
        if start_ns >= end_ns:
            return
        names = list(dict.fromkeys(names))
        fit = max(1, PAGE_ROWS * step_ns // (end_ns - start_ns))
        may_read_all = where.tag == "sensor" and fit >= len(names)
        for chunk in _chunks(
            names, min(max(10, fit), self._names_at_once(len(names)) if may_read_all else NAMES)
        ):
            share = PAGE_ROWS // len(chunk)
            for name, run in self._query(where, chunk, start_ns, end_ns, share):
                yield name, run
                limit, last = share, run
                while len(last.times) >= limit:  # more rows may follow: query this series alone
                    limit = PAGE_ROWS
                    more = list(self._query(where, [name], int(last.times[-1]) + 1, end_ns, limit))
                    if not more:
                        break
                    ((_, last),) = more
                    yield name, last

    def _names_at_once(self, requested: int) -> int:
        return requested if requested > NAMES and 2 * requested >= self.known_sensors else NAMES

    def _query(
        self,
        where: _Where,
        names: Sequence[str],
        start_ns: int | None,
        end_ns: int | None,
        limit: int | None = None,
    ) -> Iterator[tuple[str, Run]]:
        """Run one query: yield the named series that have rows, at most `limit` rows of each.

        More than `NAMES` names query all series.
        """
        tables = where.tables(names)
        statement = ql.select(
            where.what,
            list(tables),
            tag=where.tag,
            names=names if len(names) <= NAMES else None,
            start_ns=start_ns,
            end_ns=end_ns,
            by=where.tag or "",
            limit=limit,
        )
        requested = set(names)
        for run in runs(self._server.read(statement), where.fields):
            # The only requested tag: its value follows its name, and 2.9 does not escape it.
            name = unescape(run.tags.removeprefix(f"{where.tag}=")) if where.tag else tables[run.name]
            if name in requested:
                yield name, run


@dataclass(frozen=True, slots=True)
class _Where:
    """Selects fields of the series of a kind: by the values of a tag in one table, or without a tag in one table each."""

    tag: str | None
    what: str
    table: Callable[[str], str] = lambda name: RAW

    @property
    def fields(self) -> int:
        return self.what.count(",") + 1

    def tables(self, names: Sequence[str]) -> dict[str, str]:
        """Return the tables of these series, and the name of the series in each."""
        return {self.table(name): name for name in names}


def _points(pieces: Sequence[Run]) -> Points:
    times = np.concatenate([run.times for run in pieces])
    values = np.concatenate([run.fields[0] for run in pieces])
    # Two series of one sensor, from before and after its tags changed, may both have a time.
    last = np.append(times[1:] != times[:-1], True)
    return Points(times, values) if last.all() else Points(times[last], values[last])


def _statistics(columns: Mapping[str, Float64]) -> dict[str, Float64]:
    """Return the columns of `Buckets` from the fields; NaN where a row has none.

    Old rows have no `m2`, `expected` and `reported`; old 30 s rows of nodes have only `value`.
    """
    value, count, mean, m2 = columns["value"], columns["count"], columns["mean"], columns["m2"]
    count = np.where(np.isnan(count), np.where(np.isnan(value), 0.0, 1.0), count)
    single = (count == 1) & ~np.isnan(value)
    spread = np.where(count > 1, columns["stddev"] ** 2 * (count - 1), 0.0)
    statistics = {
        "sum": np.where(np.isnan(columns["sum"]), mean * count, columns["sum"]),
        "m2": np.where(np.isnan(m2), spread, m2),
        **{name: columns[name] for name in ("min", "max", "median")},
    }
    for name, column in statistics.items():
        column = np.where(single, 0.0 if name == "m2" else value, column)
        statistics[name] = np.where(count == 0, np.nan, column)
    reported = np.where(np.isnan(columns["reported"]), count, columns["reported"])
    return {"count": count, **statistics, "expected": columns["expected"], "reported": reported}


def _text(tags: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(tags.items()))


def _chunks(names: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for at in range(0, len(names), size):
        yield names[at : at + size]


def _batches(
    groups: Iterable[tuple[int, Sequence[str]]], max_members: int
) -> Iterator[list[tuple[int, Sequence[str]]]]:
    """Yield groups in order, with about `max_members` members per batch; a larger group is alone."""
    batch: list[tuple[int, Sequence[str]]] = []
    members = 0
    for code, group in groups:
        if batch and members + len(group) > max_members:
            yield batch
            batch, members = [], 0
        batch.append((code, group))
        members += len(group)
    if batch:
        yield batch
