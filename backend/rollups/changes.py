"""Compare the fingerprints of the described series with the stored ones, to find what a changed description affects.

Pure.
"""

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
    """Series to store again, and series that are no longer described."""

    changed: Sequence[SeriesRecord]
    removed: Sequence[Key]


def described_series(definitions: Definitions) -> Mapping[Key, SeriesRecord]:
    """Return every described series with its fingerprints, as if all its history matched them."""
    expected_reports = {name: _expected_reports(definitions, name) for name in definitions.sensors}
    series_list = [
        SeriesRecord(SeriesKind.SENSOR, name, "", expected_reports[name]) for name in definitions.sensors
    ]
    for name, members in definitions.types.items():
        expects = _fingerprint(f"{member}={expected_reports.get(member, '')}" for member in members)
        series_list.append(SeriesRecord(SeriesKind.TYPE, name, _fingerprint(members), expects))
    series_list += [
        SeriesRecord(SeriesKind.NODE, name, _fingerprint(_weighted_leaves(definitions, below)), "")
        for name, below in definitions.nodes.items()
    ]
    return {(s.kind, s.name): s for s in series_list}


def compare(
    stored: Iterable[SeriesRecord], described: Mapping[Key, SeriesRecord], rolled_ns: int | None
) -> Changes:
    """Return the differences between the stored series and the described ones.

    `rolled_ns` is the end of the newest window that is rolled up, None before the first. A new series has no matching history
    up to there. If no series was ever stored, existing roll-ups are taken to match this description.
    """
    stored_by_key = {(series.kind, series.name): series for series in stored}
    changed = []
    for key, series in described.items():
        old = stored_by_key.get(key)
        if old is None:
            matches = rolled_ns is None or not stored_by_key
            changed.append(series if matches else replace(series, stale_ns=rolled_ns, recompute=True))
        elif (old.shape, old.expects) != (series.shape, series.expects):
            recompute = old.shape != series.shape or (old.recompute and old.stale_ns is not None)
            stale = rolled_ns if recompute or _must_rewrite_expected(old, series) else old.stale_ns
            changed.append(replace(series, stale_ns=stale, recompute=recompute))
    return Changes(changed, [key for key in stored_by_key if key not in described])


def _must_rewrite_expected(stored: SeriesRecord, described: SeriesRecord) -> bool:
    """Return whether stored expectations must be rewritten.

    A period that is no longer described was right for its time.
    """
    return described.expects != UNKNOWN and not (described.expects == LEARNED and stored.expects != UNKNOWN)


def _expected_reports(definitions: Definitions, sensor: str) -> str:
    if sensor in definitions.periods:
        return str(definitions.periods[sensor])
    # The length of a learned period is left out: a change of it does not affect the past.
    return LEARNED if sensor in definitions.learned else UNKNOWN


def _weighted_leaves(definitions: Definitions, below: Sequence[str]) -> Iterator[str]:
    """Yield the sensors of a node with their weights, since the unit of a leaf is part of the node's shape."""
    for name in below:
        weight = definitions.weights.get(name, 1.0)
        yield name if weight == 1.0 else f"{name} x {weight:g}"


def _fingerprint(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:32]
