"""Series names, and the integers that identify series in the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from backend.core.ports import SensorTags
from backend.core.reading import Int32
from backend.store.duckdb.engine import Transaction

SENSOR: Final = "sensor"

SCHEMA: Final = """
create table if not exists series(
  id integer, kind varchar, name varchar, location varchar, sensor_type varchar, unit varchar);
create or replace view sensors as
  select id, name, location, sensor_type, unit from series where kind = 'sensor';
"""


class SeriesIds:
    """Ids of all series. Sensors, types and nodes share one range, so that their roll-ups can share tables."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str], int] = {}
        self._tags: dict[str, SensorTags] = {}
        self._names: list[str] = []
        self._pending: tuple[Transaction | None, dict[tuple[str, str], int]] = (None, {})
        """Ids that the current transaction assigned to new names."""

    def load(self, transaction: Transaction) -> None:
        rows = transaction.cursor.execute(
            "select id, kind, name, location, sensor_type, unit from series order by id"
        ).fetchall()
        self._ids = {(kind, name): sid for sid, kind, name, *_ in rows}
        self._names = [name for _, _, name, *_ in rows]
        self._tags = {
            name: SensorTags(*tags) for _, kind, name, *tags in rows if kind == SENSOR and None not in tags
        }

    def name(self, sid: int) -> str:
        return self._names[sid]

    def lookup(self, kind: str, names: Iterable[str]) -> dict[int, str]:
        """Return ids and names of the series that were ever written; ids ascend."""
        ids = ((self._ids.get((kind, name)), name) for name in names)
        return dict(sorted({sid: name for sid, name in ids if sid is not None}.items()))

    def of_kind(self, kind: str, sids: Sequence[int]) -> list[str]:
        """Return the names of those ids that are series of the kind."""
        wanted_ids = set(sids)
        return [
            name
            for (series_kind, name), sid in list(self._ids.items())
            if series_kind == kind and sid in wanted_ids
        ]

    def ids(self, transaction: Transaction, kind: str, names: Sequence[str]) -> Int32:
        """Return one id per name; new names get an id that is valid once the transaction is committed."""
        if self._pending[0] is not transaction:
            self._pending = (transaction, {})
        pending = self._pending[1]
        ids = [self._ids.get((kind, name), pending.get((kind, name), -1)) for name in names]
        new_ids: dict[tuple[str, str], int] = {}
        if -1 in ids:
            for at, name in enumerate(names):
                if ids[at] < 0:
                    ids[at] = new_ids.setdefault((kind, name), len(self._names) + len(pending) + len(new_ids))
        if new_ids:
            # One statement for all names: one per name takes half a millisecond each.
            kinds, new_names = zip(*new_ids, strict=True)
            transaction.cursor.execute(
                "insert into series select unnest(?::integer[]), unnest(?::varchar[]), unnest(?::varchar[]), "
                "null, null, null",
                [list(new_ids.values()), list(kinds), list(new_names)],
            )
            transaction.on_commit(lambda: self._adopt(new_ids))
            pending.update(new_ids)
        return np.array(ids, np.int32)

    def codes(self, transaction: Transaction, kind: str, names: Sequence[str], codes: Int32) -> Int32:
        """Return the id of each name that a row has; -1 for the other names, which get no id."""
        is_used = np.zeros(len(names), bool)
        is_used[codes] = True
        used = np.flatnonzero(is_used)
        ids = np.full(len(names), -1, np.int32)
        ids[used] = self.ids(transaction, kind, [names[code] for code in used.tolist()])
        return ids

    def tag(self, transaction: Transaction, tags: Mapping[str, SensorTags]) -> None:
        """Store the tags of sensors that are in the tables, if they changed."""
        changed = {name: tag for name, tag in tags.items() if self._tags.get(name) != tag}
        if not changed:
            return
        transaction.cursor.executemany(
            "update series set location = ?, sensor_type = ?, unit = ? where kind = 'sensor' and name = ?",
            [[tag.location, tag.sensor_type, tag.unit, name] for name, tag in changed.items()],
        )
        transaction.on_commit(lambda: self._retag(changed))

    def tags(self, names: Iterable[str] | None) -> Mapping[str, SensorTags]:
        """Return the tags of the named sensors, or of all.

        The writer thread replaces the mapping, never changes it in place.
        """
        all_tags = self._tags
        return all_tags if names is None else {name: all_tags[name] for name in names if name in all_tags}

    def _retag(self, changed: Mapping[str, SensorTags]) -> None:
        self._tags = {**self._tags, **changed}

    def _adopt(self, new_ids: Mapping[tuple[str, str], int]) -> None:
        self._ids.update(new_ids)
        self._names.extend(name for _, name in new_ids)
