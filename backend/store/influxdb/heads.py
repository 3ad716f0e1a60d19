"""What the writer remembers of each sensor: the time of its newest reading and the tag sets of its series.

A sensor whose tags changed has several series. For a reading to stay one reading when it is written again it must go to the
series that has it: `homes` sorts that out for what is late.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from backend.core.ports import SensorTags
from backend.core.reading import Int64, Points
from backend.store.influxdb.line_protocol import tag_set, tags_of


class Heads:
    """Tag sets are text as line protocol spells it, the newest series of a sensor last."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._series: dict[str, list[str]] = {}

    def newest(self, sensor: str) -> int | None:
        return self._newest.get(sensor)

    def known(self) -> int:
        """How many sensors have readings."""
        return len(self._newest)

    def learn(self, sensors: Iterable[str] | None, found: Iterable[tuple[int, str, str]]) -> None:
        """Put what the server has (newest time, sensor, tag set) in place of what was known of some sensors, or of all."""
        for sensor in list(self._newest) if sensors is None else sensors:
            self._newest.pop(sensor, None)
            self._series.pop(sensor, None)
        for time, sensor, tags in sorted(found):
            self.advance(sensor, time, tags)

    def advance(self, sensor: str, time_ns: int, tags: str) -> None:
        """Note that the sensor has a reading at a time, in a series."""
        series = self._series.setdefault(sensor, [])
        if sensor not in self._newest or self._newest[sensor] <= time_ns:
            self._newest[sensor] = time_ns
            if tags in series:
                series.remove(tags)
            series.append(tags)
        elif tags not in series:
            series.insert(0, tags)

    def tags(self, sensor: str, tags: SensorTags | None) -> str:
        """The tag set a new reading goes under; without `tags` that of the newest one."""
        series = self._series.get(sensor)
        return series[-1] if tags is None and series else tag_set(sensor, tags)

    def tags_of(self, sensors: Iterable[str] | None) -> dict[str, SensorTags]:
        """What the newest series of each sensor says, of all known ones if none is named."""
        chosen = self._series if sensors is None else [s for s in sensors if s in self._series]
        found = {sensor: tags_of(self._series[sensor][-1]) for sensor in chosen}
        return {sensor: tags for sensor, tags in found.items() if tags is not None}

    def others(self, sensor: str, tags: str) -> bool:
        """Whether the sensor has series under other tags than these."""
        return any(old != tags for old in self._series.get(sensor, ()))


def homes(
    points: Points, existing: Sequence[tuple[str, Int64]], otherwise: str
) -> Iterator[tuple[str, Points]]:
    """Points by the tag sets of the series that have their times already, the rest under `otherwise`."""
    homeless = np.ones(len(points), bool)
    for tags, times in existing:
        here = np.isin(points.times, times)
        homeless &= ~here
        if here.any():
            yield tags, Points(points.times[here], points.values[here])
    if homeless.any():
        yield otherwise, Points(points.times[homeless], points.values[homeless])
