"""One UTC day of the simulated data centre on a grid of one minute: all curves that change more slowly than the load."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from backend.core.reading import Float64
from crawlers.simulators.load import ServerLoad, lagged
from crawlers.simulators.noise import fraction
from crawlers.simulators.weather import DAY_S, Weather

STEP_S: Final = 60.0
POINTS: Final = 1441  # both midnights
LAG: Final = 40  # minutes of past load that affect a temperature
BATTERY_WH: Final = 24_000.0
PANEL_W: Final = 1_700.0  # of one network of panels, at 1,000 W/m2


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """Curves of shape (POINTS,), or (servers, POINTS). Watts, celsius, W/m2, shares of 1."""

    number: int
    t_s: Float64
    sun: Float64
    outside: Float64
    warmth: Float64  # (servers, POINTS): smoothed utilisation, which warms the air behind a server
    it: Float64
    heat: Float64
    fans: Float64  # fan speed of the cooler, 0 to 1
    chiller: Float64
    charge: Float64  # state of charge of the battery
    battery: Float64  # watts, negative while it charges
    energy: Float64  # Wh a network of panels has given since the year began


class Days:
    """Computes days and caches the last few."""

    def __init__(self, seed: int, load: ServerLoad, other_it_w: float) -> None:
        self.weather = Weather(seed)
        self._seed = seed
        self._load = load
        self._other_it_w = other_it_w
        self.day = lru_cache(maxsize=6)(self._day)
        self._energy_of_day = lru_cache(maxsize=1024)(self._energy)

    def _day(self, number: int) -> Day:
        t_s = _grid(number, 0)
        early = _grid(number, -LAG)
        servers = np.arange(len(self._load.names), dtype=np.int64)
        level = self._load.utilisation(servers, early)
        total = (level * self._load.span[:, None] + self._load.idle[:, None]).sum(axis=0) + self._other_it_w
        sun, outside = self.weather.irradiance(t_s), self.weather.outside(t_s)
        heat = lagged(total, LAG, 9.0)
        max_w = float((self._load.idle + self._load.span).sum()) + self._other_it_w
        fans = 0.32 + 0.62 * heat / max(max_w, 1.0)
        efficiency = np.clip(
            5.4 - 0.09 * (outside - 10.0), 2.3, 6.2
        )  # watts of heat moved per watt, lower on a hot day
        charge, battery = self._battery(number, sun)
        return Day(
            number=number,
            t_s=t_s,
            sun=sun,
            outside=outside,
            warmth=lagged(level, LAG, 7.0),
            it=total[LAG:],
            heat=heat,
            fans=fans,
            chiller=180.0 + heat / efficiency,
            charge=charge,
            battery=battery,
            energy=self._energy_before(number) + _running_wh(sun * PANEL_W / 1_000.0),
        )

    def _battery(self, number: int, sun: Float64) -> tuple[Float64, Float64]:
        """Return the charge and the power of the battery. It is idle at midnight, so that days join smoothly."""
        brightness = float(sun.mean()) / 250.0
        charged = 0.10 + 0.26 * min(1.0, brightness)
        discharged = charged + self._rest(number) - self._rest(number + 1)
        share = np.linspace(0.0, 1.0, POINTS)
        night = np.clip(1.0 - sun / 150.0, 0.0, 1.0) * np.sin(math.pi * share) ** 2
        filling, emptying = _normal(sun), _normal(night)
        flow = discharged * emptying - charged * filling  # share of the capacity per second
        used = np.concatenate(([0.0], np.cumsum((flow[1:] + flow[:-1]) * 0.5 * STEP_S)))
        return self._rest(number) - used, flow * BATTERY_WH * 3600.0

    def _rest(self, number: int) -> float:
        """Return the state of charge at the start of a day."""
        return 0.52 + 0.05 * fraction(self._seed, f"rest/{number}")

    def _energy(self, number: int) -> float:
        t_s = _grid(number, 0)
        return float(_running_wh(self.weather.irradiance(t_s) * PANEL_W / 1_000.0)[-1])

    def _energy_before(self, number: int) -> float:
        """Return the Wh since 1 January, when the counter is reset."""
        date = np.datetime64(number, "D")
        first = int(date.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64))
        return math.fsum(self._energy_of_day(day) for day in range(first, number))


def _grid(number: int, first: int) -> Float64:
    """Return the minutes of a day in seconds since the epoch, from minute `first` to the next midnight."""
    return number * DAY_S + STEP_S * np.arange(first, POINTS, dtype=np.float64)


def _running_wh(watts: Float64) -> Float64:
    return np.concatenate(([0.0], np.cumsum((watts[1:] + watts[:-1]) * (0.5 * STEP_S / 3600.0))))


def _normal(curve: Float64) -> Float64:
    """Return the curve scaled to an integral of 1 over the day, in seconds."""
    area = float(((curve[1:] + curve[:-1]) * 0.5 * STEP_S).sum())
    return curve / area if area > 0 else curve
