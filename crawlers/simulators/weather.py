"""The simulated weather. All functions take seconds since the epoch as an array of any shape and return the same shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from backend.core.reading import Float64
from crawlers.simulators.noise import seed_of, smooth

DAY_S: Final = 86_400.0
YEAR_S: Final = 365.2422 * DAY_S
LATITUDE: Final = math.radians(47.28)
LONGITUDE: Final = math.radians(-1.52)


@dataclass(frozen=True, slots=True)
class Weather:
    seed: int

    def _wander(self, name: str, t_s: Float64, period_s: float) -> Float64:
        return smooth(seed_of(self.seed, name), t_s, period_s)

    def sun_height(self, t_s: Float64) -> Float64:
        """Return the sine of the sun's elevation, which is negative at night."""
        year = 2 * math.pi * (t_s / YEAR_S)
        declination = math.radians(-23.44) * np.cos(year + 2 * math.pi * 10 / 365.24)
        hour = 2 * math.pi * (t_s / DAY_S - 0.5) + LONGITUDE
        up = math.sin(LATITUDE) * np.sin(declination)
        along = math.cos(LATITUDE) * np.cos(declination) * np.cos(hour)
        return np.asarray(up + along)

    def clouds(self, t_s: Float64) -> Float64:
        """Return the share of sunlight that clouds absorb, 0 to 0.85, from fronts of a day and cumulus of minutes."""
        front = 0.5 + 0.5 * self._wander("front", t_s, 20 * 3600)
        cumulus = 0.5 + 0.5 * self._wander("cumulus", t_s, 600)
        return np.clip(front * (0.55 + 0.45 * cumulus), 0.0, 1.0) * 0.85

    def irradiance(self, t_s: Float64) -> Float64:
        """Return the global irradiance on the roof in W/m2."""
        height = np.clip(self.sun_height(t_s), 0.0, None)
        return np.asarray(1_080.0 * height**1.15 * (1.0 - self.clouds(t_s)))

    def outside(self, t_s: Float64) -> Float64:
        """Return the air temperature in celsius, from the season, the hour (warmest at 15:00 solar time) and air masses."""
        season = -7.5 * np.cos(2 * math.pi * (t_s / YEAR_S - 0.055))
        hour = -3.8 * np.cos(2 * math.pi * (t_s / DAY_S - 0.125))
        masses = 3.2 * self._wander("air mass", t_s, 30 * 3600) + 0.5 * self._wander("breeze", t_s, 1_800)
        return np.asarray(12.3 + season + hour * (1.0 - 0.5 * self.clouds(t_s)) + masses)

    def humidity(self, t_s: Float64) -> Float64:
        """Return the relative humidity in %, higher for cool air."""
        wander = 9.0 * self._wander("damp", t_s, 5 * 3600)
        return np.clip(96.0 - 1.9 * self.outside(t_s) + wander, 22.0, 100.0)

    def pressure(self, t_s: Float64) -> Float64:
        """Return the air pressure in hPa."""
        return 1_015.0 + 13.0 * self._wander("pressure", t_s, 40 * 3600)

    def wind(self, t_s: Float64) -> Float64:
        """Return the wind speed in m/s."""
        strength = 4.2 + 3.0 * self._wander("wind", t_s, 6 * 3600)
        return np.clip(strength * (1.0 + 0.35 * self._wander("gust", t_s, 60)), 0.0, None)

    def wind_direction(self, t_s: Float64) -> Float64:
        """Return the wind direction in degrees, with 0 for north. It is mostly west."""
        return np.mod(250.0 + 80.0 * self._wander("vane", t_s, 9 * 3600), 360.0)

    def rain(self, t_s: Float64) -> Float64:
        """Return the rain in mm/h. It rains only under thick clouds."""
        return np.clip((self.clouds(t_s) - 0.68) * 25.0, 0.0, None)
