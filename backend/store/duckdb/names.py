"""Series names and the small integers that stand for them in the tables."""

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


class Names:
    """Ids of all series: sensors, types and nodes share one range, so that their roll-ups can share tables."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str], int] = {}
        self._tags: dict[str, SensorTags] = {}
        self._names: list[str] = []
        self._given: tuple[Transaction | None, dict[tuple[str, str], int]] = (None, {})
        """Ids that the transaction under way gave to new names."""

    def load(self, transaction: Transaction) -> None:
        found = transaction.cursor.execute(
            "select id, kind, name, location, sensor_type, unit from series order by id"
        ).fetchall()
        self._ids = {(kind, name): sid for sid, kind, name, *_ in found}
        self._names = [name for _, _, name, *_ in found]
        self._tags = {
            name: SensorTags(*tags) for _, kind, name, *tags in found if kind == SENSOR and None not in tags
        }

    def name(self, sid: int) -> str:
        return self._names[sid]

    def known(self, kind: str, names: Iterable[str]) -> dict[int, str]:
        """Ids and names of those that have ever been written; ids ascend."""
        ids = ((self._ids.get((kind, name)), name) for name in names)
        return dict(sorted({sid: name for sid, name in ids if sid is not None}.items()))

    def of_kind(self, kind: str, sids: Sequence[int]) -> list[str]:
        """Names of those ids that stand for series of the kind."""
        chosen = set(sids)
        return [name for (known, name), sid in list(self._ids.items()) if known == kind and sid in chosen]

    def ids(self, transaction: Transaction, kind: str, names: Sequence[str]) -> Int32:
        """An id a name; new names get one that holds once the transaction is committed."""
        if self._given[0] is not transaction:
            self._given = (transaction, {})
        given = self._given[1]
        found = [self._ids.get((kind, name), given.get((kind, name), -1)) for name in names]
        fresh: dict[tuple[str, str], int] = {}
        if -1 in found:
            for at, name in enumerate(names):
                if found[at] < 0:
                    found[at] = fresh.setdefault((kind, name), len(self._names) + len(given) + len(fresh))
        if fresh:
            # One statement for all: one a name takes half a millisecond each.
            kinds, unnamed = zip(*fresh, strict=True)
            transaction.cursor.execute(
                "insert into series select unnest(?::integer[]), unnest(?::varchar[]), unnest(?::varchar[]), "
                "null, null, null",
                [list(fresh.values()), list(kinds), list(unnamed)],
            )
            transaction.on_commit(lambda: self._adopt(fresh))
            given.update(fresh)
        return np.array(found, np.int32)

    def codes(self, transaction: Transaction, kind: str, names: Sequence[str], codes: Int32) -> Int32:
        """The id of each name that a row has; -1 for the others, which get none."""
        seen = np.zeros(len(names), bool)
        seen[codes] = True
        used = np.flatnonzero(seen)
        ids = np.full(len(names), -1, np.int32)
        ids[used] = self.ids(transaction, kind, [names[code] for code in used.tolist()])
        return ids

    def tag(self, transaction: Transaction, tags: Mapping[str, SensorTags]) -> None:
        """Keep the tags of sensors that are in the tables, where they changed."""
        changed = {name: tag for name, tag in tags.items() if self._tags.get(name) != tag}
        if not changed:
            return
        transaction.cursor.executemany(
            "update series set location = ?, sensor_type = ?, unit = ? where kind = 'sensor' and name = ?",
            [[tag.location, tag.sensor_type, tag.unit, name] for name, tag in changed.items()],
        )
        transaction.on_commit(lambda: self._retag(changed))

    def tags(self, names: Iterable[str] | None) -> Mapping[str, SensorTags]:
        """Of the named sensors, or of all; replaced by the writer thread as a whole, never changed in place."""
        kept = self._tags
        return kept if names is None else {name: kept[name] for name in names if name in kept}

    def _retag(self, changed: Mapping[str, SensorTags]) -> None:
        self._tags = {**self._tags, **changed}

    def _adopt(self, fresh: Mapping[tuple[str, str], int]) -> None:
        self._ids.update(fresh)
        self._names.extend(name for _, name in fresh)
