"""What a change of the description touches: fingerprints of series, compared with those that were kept. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from backend.core.bucket import SeriesKind
from backend.core.ports import SeriesRecord
from backend.rollups.definitions import Definitions

Key: TypeAlias = tuple[SeriesKind, str]

LEARNED = "learned"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Changes:
    """Series to keep anew, and those that are described no longer."""

    changed: Sequence[SeriesRecord]
    removed: Sequence[Key]


def described(definitions: Definitions) -> Mapping[Key, SeriesRecord]:
    """Every series with its fingerprints, as if all its history fitted."""
    expects = {name: _expects(definitions, name) for name in definitions.sensors}
    found = [SeriesRecord(SeriesKind.SENSOR, name, "", expects[name]) for name in definitions.sensors]
    for name, members in definitions.types.items():
        every = _digest(f"{member}={expects.get(member, '')}" for member in members)
        found.append(SeriesRecord(SeriesKind.TYPE, name, _digest(members), every))
    found += [
        SeriesRecord(SeriesKind.NODE, name, _digest(_weighted(definitions, below)), "")
        for name, below in definitions.nodes.items()
    ]
    return {(series.kind, series.name): series for series in found}


def compare(kept: Iterable[SeriesRecord], now: Mapping[Key, SeriesRecord], rolled_ns: int | None) -> Changes:
    """What differs between the kept series and the described ones.

    `rolled_ns` is the end of the newest window that is rolled up, None before the first. A series that is new there has
    no history yet that fits; where no series was ever kept, what is rolled up is taken to be of this description.
    """
    before = {(series.kind, series.name): series for series in kept}
    changed = []
    for key, series in now.items():
        old = before.get(key)
        if old is None:
            fits = rolled_ns is None or not before
            changed.append(series if fits else replace(series, stale_ns=rolled_ns, recompute=True))
        elif (old.shape, old.expects) != (series.shape, series.expects):
            recompute = old.shape != series.shape or (old.recompute and old.stale_ns is not None)
            stale = rolled_ns if recompute or _rewrites(old, series) else old.stale_ns
            changed.append(replace(series, stale_ns=stale, recompute=recompute))
    return Changes(changed, [key for key in before if key not in now])


def _rewrites(old: SeriesRecord, new: SeriesRecord) -> bool:
    """Whether kept expectations change too. A period that is no longer described was right for the time it was."""
    return new.expects != UNKNOWN and not (new.expects == LEARNED and old.expects != UNKNOWN)


def _expects(definitions: Definitions, sensor: str) -> str:
    if sensor in definitions.periods:
        return str(definitions.periods[sensor])
    # How long a learned period is does not belong here: what changes from now on leaves the past as it was.
    return LEARNED if sensor in definitions.learned else UNKNOWN


def _weighted(definitions: Definitions, below: Sequence[str]) -> Iterator[str]:
    """A leaf's unit is part of a node's shape: in kW it counts a thousand times."""
    for name in below:
        weight = definitions.weights.get(name, 1.0)
        yield name if weight == 1.0 else f"{name} x {weight:g}"


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:32]
