"""The last values of selected sensors. The value of a silent sensor is NaN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from backend.core.ports import LastValuesView
from backend.core.reading import Float64, Int64
from backend.inventory.model import Sensor
from backend.watch.silence import is_silent, live_rule

_ANY_AGE_NS: Final = 2**62
_MAX_LAYOUTS: Final = 256
"""Cached layouts. Clients choose the lists of sensors, so their number is not bounded."""

_Layout: TypeAlias = tuple[npt.NDArray[np.intp], Int64]
"""Of a list of sensors: the column of each in the view, -1 if it has none, and the age in ns at which each is silent."""


class LiveValues:
    """Last values as columns, in the order of the requested sensors."""

    def __init__(self, view: LastValuesView, sensors: Mapping[str, Sensor], live_max_age_s: float) -> None:
        self.view = view
        rule = live_rule(live_max_age_s)
        self._limits_ns = {name: rule.limit_ns(sensor.poll_s) for name, sensor in sensors.items()}
        self._default_limit_ns = rule.limit_ns()
        self._columns = {name: i for i, name in enumerate(view.names)}
        self._layouts: LRUCache[tuple[str, ...], _Layout] = LRUCache(_MAX_LAYOUTS)

    def silent_after_ns(self, name: str) -> int:
        """Return the age of the last value, in ns, from which the sensor is silent."""
        return self._limits_ns.get(name, self._default_limit_ns)

    def values(self, names: tuple[str, ...], now_ns: int) -> Float64:
        """Return the last values in the sensors' units, float64 (names,). NaN for a sensor that is silent at `now_ns`."""
        values, times, limits_ns = self._rows(names, now_ns)
        return np.where(is_silent(times, now_ns, limits_ns), np.nan, values)

    def times(self, names: tuple[str, ...]) -> Int64:
        """Return the times of the last values, int64 (names,), ns since the epoch; 0 for a sensor that never reported."""
        return self._rows(names, 0)[1]

    def _rows(self, names: tuple[str, ...], now_ns: int) -> tuple[Float64, Int64, Int64]:
        columns, limits_ns = self._layout(names)
        # Column -1 is the appended last one: a sensor without a column is looked up by itself.
        values = np.append(self.view.values(now_ns, _ANY_AGE_NS), np.nan)[columns]
        times = np.maximum(np.append(self.view.times(), np.int64(0))[columns], 0)
        for row in np.flatnonzero(columns < 0).tolist():
            reading = self.view.latest(names[row])
            if reading is not None:
                values[row], times[row] = reading.value, reading.time_ns
        return values, times, limits_ns

    def _layout(self, names: tuple[str, ...]) -> _Layout:
        layout = self._layouts.get(names)
        if layout is None:
            layout = (
                np.array([self._columns.get(name, -1) for name in names], np.intp),
                np.array([self.silent_after_ns(name) for name in names], np.int64),
            )
            self._layouts[names] = layout
        return layout
