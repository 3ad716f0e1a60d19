"""Readings of sensors, the data type that every stage of the pipeline uses.

The identity of a reading is (sensor, time). If it is written twice, it is one reading, and the last value wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Int64: TypeAlias = npt.NDArray[np.int64]
Int32: TypeAlias = npt.NDArray[np.int32]
Float64: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one sensor: `time_ns` nanoseconds since the epoch (UTC), `value` in the sensor's unit."""

    sensor: str
    time_ns: int
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """One sensor's readings as columns, oldest first: `times` int64 (n,) in ns, `values` float64 (n,)."""

    times: Int64
    values: Float64

    def __len__(self) -> int:
        return len(self.times)

    @classmethod
    def empty(cls) -> Points:
        return cls(np.empty(0, np.int64), np.empty(0, np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """n readings of one or more sensors as columns.

    names   distinct sensor names
    codes   int32 (n,): row i belongs to the sensor names[codes[i]]
    times   int64 (n,): nanoseconds since the epoch, UTC
    values  float64 (n,): finite, in the sensor's unit
    """

    names: Sequence[str]
    codes: Int32
    times: Int64
    values: Float64

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[Reading]:
        for code, time, value in zip(
            self.codes.tolist(), self.times.tolist(), self.values.tolist(), strict=True
        ):
            yield Reading(self.names[code], time, value)

    @classmethod
    def empty(cls) -> Readings:
        return cls((), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float64))

    @classmethod
    def of(cls, readings: Iterable[Reading]) -> Readings:
        """Build columns from single readings."""
        rows = list(readings)
        return cls.from_rows([r.sensor for r in rows], [r.time_ns for r in rows], [r.value for r in rows])

    @classmethod
    def from_rows(cls, sensors: Sequence[str], times: Sequence[int], values: Sequence[float]) -> Readings:
        """Build readings from one name, time (ns) and value per row."""
        index: dict[str, int] = {}
        codes = [index.setdefault(name, len(index)) for name in sensors]
        return cls(
            tuple(index),
            np.array(codes, np.int32),
            np.array(times, np.int64),
            np.array(values, np.float64),
        )

    @classmethod
    def concat(cls, parts: Sequence[Readings]) -> Readings:
        """Return all rows of the parts, in order, with one list of names."""
        filled = [p for p in parts if len(p)]
        if not filled:
            return cls.empty()
        names = filled[0].names
        if all(p.names is names for p in filled):
            codes = [p.codes for p in filled]
        else:
            index: dict[str, int] = {}
            codes = [
                np.array([index.setdefault(n, len(index)) for n in p.names], np.int32)[p.codes]
                for p in filled
            ]
            names = tuple(index)
        return cls(
            names,
            np.concatenate(codes),
            np.concatenate([p.times for p in filled]),
            np.concatenate([p.values for p in filled]),
        )

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Readings:
        """Return the selected rows. The list of names stays the same."""
        return Readings(self.names, self.codes[rows], self.times[rows], self.values[rows])

    def newest(self) -> Readings:
        """Return one row per sensor, the one with the newest time; of equal times the last. The order of the rows is kept."""
        order = np.lexsort((self.times, self.codes))
        codes = self.codes[order]
        last = np.ones(len(codes), bool)
        last[:-1] = codes[1:] != codes[:-1]
        return self.take(np.sort(order[last]))

    def by_sensor(self) -> Mapping[str, Points]:
        """Return the points of each sensor, oldest first. Of two rows with the same identity the last one wins."""
        order = np.lexsort((self.times, self.codes))
        codes, times, values = self.codes[order], self.times[order], self.values[order]
        last = np.ones(len(codes), bool)
        last[:-1] = (codes[1:] != codes[:-1]) | (times[1:] != times[:-1])
        codes, times, values = codes[last], times[last], values[last]
        edges = np.searchsorted(codes, np.arange(len(self.names) + 1))
        return {
            name: Points(times[a:b], values[a:b])
            for name, a, b in zip(self.names, edges[:-1].tolist(), edges[1:].tolist(), strict=True)
            if b > a
        }
