"""The writer's memory of each sensor: the time of its newest reading, and the tag sets of its series.

A sensor whose tags changed has several series. A reading that is written again must go to the series that holds it,
so that it stays one reading: `assign_to_series` finds that series for late readings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from backend.core.ports import SensorTags
from backend.core.reading import Int64, Points
from backend.store.influxdb.line_protocol import tag_set, tags_of


class Heads:
    """Tag sets are text in line protocol, the newest series of a sensor last."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._series: dict[str, list[str]] = {}

    def newest(self, sensor: str) -> int | None:
        return self._newest.get(sensor)

    def sensor_count(self) -> int:
        """Return the number of sensors with readings."""
        return len(self._newest)

    def replace(self, sensors: Iterable[str] | None, heads: Iterable[tuple[int, str, str]]) -> None:
        """Replace what is remembered of some sensors, or of all, by the server's newest times and tag sets."""
        for sensor in list(self._newest) if sensors is None else sensors:
            self._newest.pop(sensor, None)
            self._series.pop(sensor, None)
        for time, sensor, tags in sorted(heads):
            self.advance(sensor, time, tags)

    def advance(self, sensor: str, time_ns: int, tags: str) -> None:
        """Record that the sensor has a reading at a time, in a series."""
        series = self._series.setdefault(sensor, [])
        if sensor not in self._newest or self._newest[sensor] <= time_ns:
            self._newest[sensor] = time_ns
            if tags in series:
                series.remove(tags)
            series.append(tags)
        elif tags not in series:
            series.insert(0, tags)

    def tags(self, sensor: str, tags: SensorTags | None) -> str:
        """Return the tag set for a new reading; without `tags` that of the newest series."""
        series = self._series.get(sensor)
        return series[-1] if tags is None and series else tag_set(sensor, tags)

    def tags_of(self, sensors: Iterable[str] | None) -> dict[str, SensorTags]:
        """Return the tags of the newest series of each sensor, of all known ones if none is named."""
        known_sensors = self._series if sensors is None else [s for s in sensors if s in self._series]
        result = {sensor: tags_of(self._series[sensor][-1]) for sensor in known_sensors}
        return {sensor: tags for sensor, tags in result.items() if tags is not None}

    def has_other_series(self, sensor: str, tags: str) -> bool:
        """Return whether the sensor has series under other tags than these."""
        return any(old != tags for old in self._series.get(sensor, ()))


def assign_to_series(
    points: Points, existing: Sequence[tuple[str, Int64]], default: str
) -> Iterator[tuple[str, Points]]:
    """Yield points by the tag set of the series that already holds their times, the remaining ones under `default`."""
    is_unassigned = np.ones(len(points), bool)
    for tags, times in existing:
        is_here = np.isin(points.times, times)
        is_unassigned &= ~is_here
        if is_here.any():
            yield tags, Points(points.times[is_here], points.values[is_here])
    if is_unassigned.any():
        yield default, Points(points.times[is_unassigned], points.values[is_unassigned])
