"""The newest values of chosen sensors, with what is too old taken out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from backend.core.ports import LastValuesView
from backend.core.reading import Float64, Int64
from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import Sensor

PERIODS_UNTIL_SILENT = 5
_ANY_AGE_NS = 2**62
_LAYOUTS = 256


def silent_after_ns(sensor: Sensor, live_max_age_s: float) -> int:
    """Age in ns at which a sensor's last value no longer counts: five of its periods, and never under `live_max_age_s`."""
    return round(max(live_max_age_s, PERIODS_UNTIL_SILENT * sensor.poll_s) * NS_PER_SECOND)


class Live:
    """Last values as columns in the order of the sensors asked for."""

    def __init__(self, view: LastValuesView, sensors: Mapping[str, Sensor], live_max_age_s: float) -> None:
        self.view = view
        self._max_age_ns = {n: silent_after_ns(s, live_max_age_s) for n, s in sensors.items()}
        self._default_ns = round(live_max_age_s * NS_PER_SECOND)
        self._index = {name: i for i, name in enumerate(view.names)}
        self._layouts: dict[tuple[str, ...], tuple[npt.NDArray[np.intp], Int64]] = {}

    def max_age_ns(self, name: str) -> int:
        return self._max_age_ns.get(name, self._default_ns)

    def of(self, names: tuple[str, ...], now_ns: int) -> Float64:
        """float64 (names,): last values in the sensors' units; NaN for a sensor that is silent at `now_ns`."""
        values, times, limit = self._rows(names, now_ns)
        return np.where(now_ns - times > limit, np.nan, values)

    def times(self, names: tuple[str, ...]) -> Int64:
        """int64 (names,): times of the last values, ns since the epoch; 0 for a sensor that never reported."""
        return self._rows(names, 0)[1]

    def _rows(self, names: tuple[str, ...], now_ns: int) -> tuple[Float64, Int64, Int64]:
        columns, limit = self._layout(names)
        # A sensor that is not in the columns reads the extra last row, and is then looked up by itself.
        values = np.append(self.view.values(now_ns, _ANY_AGE_NS), np.nan)[columns]
        times = np.maximum(np.append(self.view.times(), np.int64(0))[columns], 0)
        for row in np.flatnonzero(columns < 0).tolist():
            reading = self.view.latest(names[row])
            if reading is not None:
                values[row], times[row] = reading.value, reading.time_ns
        return values, times, limit

    def _layout(self, names: tuple[str, ...]) -> tuple[npt.NDArray[np.intp], Int64]:
        cached = self._layouts.get(names)
        if cached is None:
            if len(self._layouts) > _LAYOUTS:  # callers' lists vary; keep the table small
                self._layouts.clear()
            cached = (
                np.array([self._index.get(n, -1) for n in names], np.intp),
                np.array([self.max_age_ns(n) for n in names], np.int64),
            )
            self._layouts[names] = cached
        return cached
