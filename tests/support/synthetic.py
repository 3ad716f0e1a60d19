"""A believable data centre as a function of time: years of history without a byte stored."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.clock import Clock
from backend.core.quantity import unit_symbol
from backend.core.reading import Points, Readings
from backend.core.windows import NS_PER_SECOND, WINDOWS, Window
from backend.inventory.model import Inventory, Sensor
from tests.support.memory_rollup_state import MemoryRollupState
from tests.support.reference_store import ReferenceStore

DAY_S = 86_400
SAMPLES = 6  # of a sensor's curve in a window


def seed(name: str) -> int:
    return zlib.crc32(name.encode())


class Curves:
    """`value(sensor, t_s)`: a base, a daily swing and a little noise, all by the sensor's name."""

    def __init__(self, inventory: Inventory) -> None:
        self.sensors = inventory.sensors
        names = sorted(inventory.sensors)
        self.silent = {names[len(names) // 3]}
        self.patchy = {names[len(names) // 2]}

    def value(self, sensor: Sensor, t_s: np.ndarray) -> np.ndarray:
        s = seed(sensor.name)
        share = (s % 1000) / 1000
        day = np.sin(2 * np.pi * (t_s / DAY_S + share * 0.1 - 0.3))
        noise = np.sin(t_s * 12.9898 + s) * 43_758.5453
        noise = noise - np.floor(noise) - 0.5
        slow = np.sin(t_s / (300 + 200 * share)) * np.sin(t_s / 47)
        unit, kind = unit_symbol(sensor.unit), f"{sensor.sensor_type} {sensor.name}".lower()
        if unit == "°C":
            base = 12 if "outside" in kind or "exterior" in sensor.location else 22 + 6 * share
            return base + 2.5 * day + 0.3 * slow + 0.1 * noise
        if unit == "W" and ("solar" in kind or "pv" in kind or "production" in kind):
            return np.maximum(0, 2500 * day) + 5 * noise
        if unit == "W":
            return 70 + 90 * share + 25 * day + 15 * slow + 4 * noise
        if unit == "%":
            return 60 + 25 * day
        return 10 + 5 * share + day + 0.1 * noise

    def reports(self, sensor: Sensor, t_s: np.ndarray) -> np.ndarray:
        if sensor.name in self.silent:
            return np.zeros(len(t_s), bool)
        if sensor.name in self.patchy:
            return (t_s % DAY_S < 3 * 3600) | (t_s % DAY_S > 4 * 3600)
        return np.ones(len(t_s), bool)


class SyntheticStore(ReferenceStore):
    """Answers `raw` and `buckets` from the curves, up to now; what is written is kept and added."""

    def __init__(self, inventory: Inventory, clock: Clock) -> None:
        super().__init__()
        self.curves = Curves(inventory)
        self.leaves = {**inventory.production.leaves, **inventory.consumption.leaves}
        self.clock = clock

    async def raw(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, Points]:
        columns_found = dict(await super().raw(sensors, start_ns, end_ns))
        stop = min(end_ns, self.clock.now_ns())
        for name in sensors:
            sensor = self.curves.sensors.get(name)
            if sensor is not None and name not in columns_found:
                step = max(1, round(sensor.poll_s))
                t_s = np.arange(-(-start_ns // NS_PER_SECOND), -(-stop // NS_PER_SECOND), step)
                t_s = t_s[self.curves.reports(sensor, t_s)]
                if len(t_s):
                    columns_found[name] = Points(t_s * NS_PER_SECOND, self.curves.value(sensor, t_s))
        return columns_found

    def _one(self, sensor: Sensor, window: Window, starts: np.ndarray) -> dict[str, np.ndarray]:
        offsets = (np.arange(SAMPLES) + 0.5) * window.seconds / SAMPLES
        t_s = starts[:, None] / NS_PER_SECOND + offsets
        values = self.curves.value(sensor, t_s)
        here = self.curves.reports(sensor, t_s.ravel()).reshape(t_s.shape).all(1)
        count = np.where(here, window.seconds / sensor.poll_s, 0.0)
        columns_found = {
            "count": count,
            "sum": values.mean(1) * count,
            "m2": values.var(1) * count,
            "min": values.min(1),
            "max": values.max(1),
            "median": np.median(values, axis=1),
            "reported": count,
            "expected": np.full(len(starts), window.seconds / sensor.poll_s),
        }
        for name in ("sum", "m2", "min", "max", "median"):
            columns_found[name] = np.where(here, columns_found[name], np.nan)
        return columns_found

    def _node(self, node: str, window: Window, starts: np.ndarray) -> dict[str, np.ndarray]:
        parts = [self._one(self.curves.sensors[s], window, starts) for s in self.leaves[node]]
        windows = window.seconds / 30
        means = np.array([p["sum"] / np.where(p["count"] > 0, p["count"], np.nan) for p in parts])
        here = ~np.isnan(means)
        total = np.where(here.any(0), np.nansum(means, 0), np.nan)
        low = np.nansum([p["min"] for p in parts], 0)
        high = np.nansum([p["max"] for p in parts], 0)
        blank = np.where(np.isnan(total), np.nan, 0.0)
        return {
            "count": np.where(np.isnan(total), 0.0, windows),
            "sum": total * windows,
            "m2": windows * (high - low) ** 2 / 12 + blank,
            "min": low + blank,
            "max": high + blank,
            "median": total,
            "reported": here.sum(0) * windows,
            "expected": np.full(len(starts), len(parts) * windows),
        }

    async def buckets(
        self,
        kind: SeriesKind,
        names: Sequence[str],
        window: Window,
        start_ns: int,
        end_ns: int,
        columns: Sequence[str] | None = None,
    ) -> Buckets:
        stop = min(end_ns, window.floor(self.clock.now_ns()))
        starts = np.arange(window.ceil(start_ns), stop, window.ns, dtype=np.int64)
        columns_found = {
            c: [np.empty(0)] for c in ("count", "sum", "m2", "min", "max", "median", "expected", "reported")
        }
        codes = []
        for code, name in enumerate(names):
            if kind is SeriesKind.NODE:
                one = self._node(name, window, starts)
            else:
                one = self._one(self.curves.sensors[name], window, starts)
            codes.append(np.full(len(starts), code, np.int32))
            for column, values in one.items():
                columns_found[column].append(values)
        empty = Buckets.empty(names)
        if not codes:
            return empty
        statistics: dict[str, Any] = {
            column: np.concatenate(parts) for column, parts in columns_found.items()
        }
        return replace(
            empty,
            codes=np.concatenate(codes),
            starts=np.tile(starts, len(names)),
            **statistics,
        )

    def now(self) -> Readings:
        """One reading of every sensor that reports, at this second."""
        t_s = np.array([self.clock.now_ns() // NS_PER_SECOND])
        rows = [
            (name, float(self.curves.value(sensor, t_s)[0]))
            for name, sensor in self.curves.sensors.items()
            if self.curves.reports(sensor, t_s)[0]
        ]
        times = [int(t_s[0]) * NS_PER_SECOND] * len(rows)
        return Readings.from_rows([n for n, _ in rows], times, [v for _, v in rows])


class SyntheticState(MemoryRollupState):
    """Everything is rolled up to the newest complete window."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    async def watermark(self, window: Window) -> int | None:
        assert window in WINDOWS
        return window.floor(self._clock.now_ns() - 5 * NS_PER_SECOND)
