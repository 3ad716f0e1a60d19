"""What is asked of an InfluxDB, and what its answers mean. Everything here blocks: call it from a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from backend.core.bucket import Buckets, SeriesKind, measurement, node_from_measurement
from backend.core.reading import Float64, Int64, Points, Reading
from backend.core.windows import NS_PER_SECOND, Window, slices
from backend.store.influxdb import influxql as ql
from backend.store.influxdb.columns import Run, runs, words
from backend.store.influxdb.line_protocol import RAW, TAG_OF, tags_of_key, unescape
from backend.store.influxdb.server import Server
from backend.store.influxdb.windows import Piece, joined, summarised

T = TypeVar("T")

PAGE_ROWS: Final = 200_000
"""Rows asked for at once, if a series has one a second (or a window): some 10 MB of text."""

HELD_ROWS: Final = 2_000_000
"""Rows kept at once while windows are summarised, if readings come once a second; one window is the least."""

NAMES: Final = 100
"""Names a query lists. Servers take time by the square of their number."""

REACHES_NS: Final = (3_600 * NS_PER_SECOND, 30 * 86_400 * NS_PER_SECOND)
"""How far back newest readings are looked for before all of time is: an old server opens every week it has for that."""

FIELDS: Final = (
    "count", "sum", "m2", "min", "max", "median", "expected", "reported", "mean", "stddev", "value",
)  # fmt: skip


class Reads:
    def __init__(self, server: Server) -> None:
        self._server = server
        self.known_sensors = 0
        """About how many sensors the database has: when most are asked for, the query asks for all."""

    def raw(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> dict[str, Points]:
        pieces: dict[str, list[Run]] = {}
        for name, run in self._pages(_Where("sensor", "value"), sensors, start_ns, end_ns, NS_PER_SECOND):
            pieces.setdefault(name, []).append(run)
        return {name: _points(pieces[name]) for name in sensors if name in pieces}

    def latest(self, sensors: Sequence[str] | None, now_ns: int) -> dict[str, Reading]:
        if sensors is None:
            wanted = [value for _, _, _, value in words(self._server.read((ql.TAG_VALUES, {})))]
        else:
            wanted = list(dict.fromkeys(sensors))
        found: dict[str, Reading] = {}
        for since_ns in (*(now_ns - reach for reach in REACHES_NS), None):
            missing = [name for name in wanted if name not in found]
            for name, run in self._each("last(value)", missing, since_ns, None):
                found[name] = Reading(name, int(run.times[0]), float(run.fields[0][0]))
        return {name: found[name] for name in wanted if name in found}

    def count(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> dict[str, int]:
        each = self._each("count(value)", list(dict.fromkeys(sensors)), start_ns, end_ns)
        return {name: int(run.fields[0][0]) for name, run in each}

    def first_time(self) -> int | None:
        found = list(runs(self._server.read(ql.select("first(value)", [RAW])), 1))
        return int(found[0].times[0]) if found else None

    def heads(self, sensors: Sequence[str] | None) -> list[tuple[int, str, str]]:
        """Newest time, sensor and tag set (as line protocol spells it) of the raw series of sensors, or of all."""
        found = []
        for chunk in [None] if sensors is None else _chunks(sensors, NAMES):
            asked = ql.select("last(value)", [RAW], tag="sensor", names=chunk, by="*")
            for run in runs(self._server.read(asked), 1):
                tags = tags_of_key(run.tags)
                if "sensor" in tags:
                    found.append((int(run.times[0]), unescape(tags["sensor"]), _text(tags)))
        return found

    def series_of(self, sensor: str, start_ns: int, end_ns: int) -> list[tuple[str, Int64]]:
        """Tag set and times of each raw series of one sensor that has readings in the interval."""
        found: dict[str, list[Int64]] = {}
        # By days, so that no answer is large.
        for a, b in slices(start_ns, end_ns, Window.D1.ns):
            asked = ql.select("value", [RAW], tag="sensor", names=[sensor], start_ns=a, end_ns=b, by="*")
            for run in runs(self._server.read(asked), 1):
                found.setdefault(_text(tags_of_key(run.tags)), []).append(run.times)
        return [(tags, np.concatenate(times)) for tags, times in found.items()]

    def aggregate(
        self, groups: Mapping[str, Sequence[str]], windows: Sequence[Window], start_ns: int, end_ns: int
    ) -> dict[Window, Buckets]:
        """Summarised here from raw readings: servers need several times longer for it than for handing them out."""
        pieces: dict[Window, list[Piece]] = {window: [] for window in windows}
        widest = max((window.seconds for window in windows), default=1)
        for batch in _batches(list(enumerate(groups.values())), max(1, HELD_ROWS // widest)):
            sensors = list(dict.fromkeys(name for _, group in batch for name in group))
            step = max(1, HELD_ROWS // (max(1, len(sensors)) * widest)) * widest * NS_PER_SECOND
            for a, b in slices(start_ns, end_ns, step) if windows else ():
                found = self.raw(sensors, a, b)
                read = [
                    (code, [found[n] for n in dict.fromkeys(group) if n in found]) for code, group in batch
                ]
                for window in windows:
                    piece = summarised(read, window)
                    if piece is not None:
                        pieces[window].append(piece)
        return {window: joined(tuple(groups), pieces[window]) for window in windows}

    def buckets(
        self, kind: SeriesKind, names: Sequence[str], window: Window, start_ns: int, end_ns: int
    ) -> Buckets:
        what = ", ".join(map(ql.identifier, FIELDS))
        where = _Where(TAG_OF.get(kind), what, lambda name: measurement(kind, name, window))
        pages = self._pages(where, names, start_ns, end_ns, window.ns)
        code_of = {name: code for code, name in enumerate(names)}
        found = sorted(((code_of[name], run) for name, run in pages), key=lambda piece: piece[0])
        if not found:
            return Buckets.empty(tuple(names))
        columns = [np.concatenate([run.fields[at] for _, run in found]) for at in range(len(FIELDS))]
        return Buckets(
            tuple(names),
            np.repeat([code for code, _ in found], [len(run.times) for _, run in found]).astype(np.int32),
            np.concatenate([run.times for _, run in found]),
            **_statistics(dict(zip(FIELDS, columns, strict=True))),
        )

    def rollup_series(self, kind: SeriesKind, window: Window) -> frozenset[str]:
        """From the index, which forgets a series with its last point."""
        tag = TAG_OF.get(kind)
        if tag is not None:
            rows = words(self._server.read(ql.tag_values(measurement(kind, "", window), tag)))
            return frozenset(value for *_, value in rows)
        names = (row[-1] for row in words(self._server.read((ql.MEASUREMENTS, {}))))
        found = (node_from_measurement(name, window) for name in names)
        return frozenset(node for node in found if node is not None)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _each(
        self, what: str, names: Sequence[str], start_ns: int | None, end_ns: int | None
    ) -> Iterator[tuple[str, Run]]:
        """One row a sensor."""
        where = _Where("sensor", what)
        for chunk in _chunks(names, self._names_at_once(len(names))):
            yield from self._ask(where, chunk, start_ns, end_ns)

    def _pages(
        self, where: _Where, names: Sequence[str], start_ns: int, end_ns: int, step_ns: int
    ) -> Iterator[tuple[str, Run]]:
        """Rows of series, of each in pieces that follow each other. Rows are taken to be `step_ns` apart."""
        if start_ns >= end_ns:
            return
        names = list(dict.fromkeys(names))
        fit = max(1, PAGE_ROWS * step_ns // (end_ns - start_ns))
        whole = where.tag == "sensor" and fit >= len(names)
        for chunk in _chunks(names, min(max(10, fit), self._names_at_once(len(names)) if whole else NAMES)):
            share = PAGE_ROWS // len(chunk)
            for name, run in self._ask(where, chunk, start_ns, end_ns, share):
                yield name, run
                limit, last = share, run
                while len(last.times) >= limit:  # there may be more: the rest of this series, on its own
                    limit = PAGE_ROWS
                    more = list(self._ask(where, [name], int(last.times[-1]) + 1, end_ns, limit))
                    if not more:
                        break
                    ((_, last),) = more
                    yield name, last

    def _names_at_once(self, asked: int) -> int:
        return asked if asked > NAMES and 2 * asked >= self.known_sensors else NAMES

    def _ask(
        self,
        where: _Where,
        names: Sequence[str],
        start_ns: int | None,
        end_ns: int | None,
        limit: int | None = None,
    ) -> Iterator[tuple[str, Run]]:
        """One query: the named series that have rows, at most `limit` rows of each. More than `NAMES`: all are asked for."""
        tables = where.tables(names)
        asked = ql.select(
            where.what,
            list(tables),
            tag=where.tag,
            names=names if len(names) <= NAMES else None,
            start_ns=start_ns,
            end_ns=end_ns,
            by=where.tag or "",
            limit=limit,
        )
        wanted = set(names)
        for run in runs(self._server.read(asked), where.fields):
            # The only tag asked for: what follows its name is the value, which 2.9 no longer escapes.
            name = unescape(run.tags.removeprefix(f"{where.tag}=")) if where.tag else tables[run.name]
            if name in wanted:
                yield name, run


@dataclass(frozen=True, slots=True)
class _Where:
    """Fields of the series of a kind: those under the values of a tag of one table, or without a tag in a table each."""

    tag: str | None
    what: str
    table: Callable[[str], str] = lambda name: RAW

    @property
    def fields(self) -> int:
        return self.what.count(",") + 1

    def tables(self, names: Sequence[str]) -> dict[str, str]:
        """The tables of these series, and the name of a series in each."""
        return {self.table(name): name for name in names}


def _points(pieces: Sequence[Run]) -> Points:
    times = np.concatenate([run.times for run in pieces])
    values = np.concatenate([run.fields[0] for run in pieces])
    # Two series of one sensor, from before and after its tags changed, may both have a time.
    last = np.append(times[1:] != times[:-1], True)
    return Points(times, values) if last.all() else Points(times[last], values[last])


def _statistics(got: Mapping[str, Float64]) -> dict[str, Float64]:
    """The columns of `Buckets` from fields, NaN where a row has none. Old rows have no `m2`, `expected` and `reported`,
    old 30 s rows of nodes nothing but `value`."""
    value, count, mean, m2 = got["value"], got["count"], got["mean"], got["m2"]
    count = np.where(np.isnan(count), np.where(np.isnan(value), 0.0, 1.0), count)
    single = (count == 1) & ~np.isnan(value)
    spread = np.where(count > 1, got["stddev"] ** 2 * (count - 1), 0.0)
    found = {
        "sum": np.where(np.isnan(got["sum"]), mean * count, got["sum"]),
        "m2": np.where(np.isnan(m2), spread, m2),
        **{name: got[name] for name in ("min", "max", "median")},
    }
    for name, column in found.items():
        column = np.where(single, 0.0 if name == "m2" else value, column)
        found[name] = np.where(count == 0, np.nan, column)
    reported = np.where(np.isnan(got["reported"]), count, got["reported"])
    return {"count": count, **found, "expected": got["expected"], "reported": reported}


def _text(tags: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(tags.items()))


def _chunks(names: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for at in range(0, len(names), size):
        yield names[at : at + size]


def _batches(
    groups: Iterable[tuple[int, Sequence[str]]], most: int
) -> Iterator[list[tuple[int, Sequence[str]]]]:
    """Groups in their order, so many that they have about `most` members; a larger one alone."""
    batch: list[tuple[int, Sequence[str]]] = []
    members = 0
    for code, group in groups:
        if batch and members + len(group) > most:
            yield batch
            batch, members = [], 0
        batch.append((code, group))
        members += len(group)
    if batch:
        yield batch
