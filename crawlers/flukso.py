"""Driver of Flukso meters: JSON over HTTP with the watts of the last minute, one point per second, stamped by the meter."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Final

import httpx
import numpy as np

from backend.core.errors import TransientError
from backend.core.reading import Points
from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import FluksoSource, Sensor
from crawlers.device import Device, Sample, device_name, sample_of

METHOD: Final = "flukso"
SET_BACK_NS: Final = 120 * NS_PER_SECOND
"""An answer covers one minute. If it ends this long before the newest stored point, the clock of the meter was set back."""
MAX_AHEAD_NS: Final = 3600 * NS_PER_SECOND
"""Points further in the future are dropped. Otherwise they would count as the newest ones and hide all correct ones."""

QUERY: Final = {"version": "1.0", "interval": "minute", "unit": "watt"}


def decode(answer: Any, newer_than_ns: int, until_ns: int = 2**63 - 1) -> Points:
    """Return the points of `[[epoch_s, watts | "nan"], ...]` after `newer_than_ns` and up to `until_ns`, oldest first.

    A pair that cannot be read is left out. If the clock of the meter was set back, `newer_than_ns` is ignored.
    Raises ValueError if the answer is not a list, or no pair can be read.
    """
    if not isinstance(answer, list):
        raise ValueError(f"expected a list of [time, watts], got {type(answer).__name__}")
    pairs = [_parse_pair(pair) for pair in answer]
    if answer and not any(pairs):
        raise ValueError(f"expected [time, watts], got {answer[0]!r:.60}")
    points = {t: w for t, w in filter(None, pairs) if 0 < t <= until_ns and math.isfinite(w)}
    if points and max(points) < newer_than_ns - SET_BACK_NS:
        newer_than_ns = 0
    times = sorted(t for t in points if t > newer_than_ns)
    return Points(np.array(times, np.int64), np.array([points[t] for t in times], np.float64))


def _parse_pair(pair: object) -> tuple[int, float] | None:
    """Return the time in ns and the watts, or None for anything else."""
    if not isinstance(pair, list) or len(pair) != 2:
        return None
    try:
        return int(pair[0]) * NS_PER_SECOND, float(pair[1])
    except (ValueError, TypeError, OverflowError):
        return None


class FluksoDevice:
    """All sensors of one meter. After a restart the last minute is read again, which is harmless: equal readings are one."""

    method = METHOD

    def __init__(self, ip: str, port: int, sensors: Sequence[Sensor]) -> None:
        self.name = device_name(METHOD, ip, port, (s.parent for s in sensors))
        self.sensors = tuple(s.name for s in sensors)
        self.period_s = min(s.poll_s for s in sensors)
        self.timeout_s = max(0.9 * self.period_s, 0.5)
        self._url = f"http://{ip}:{port}/sensor/"
        self._ids = {s.name: s.source.sensor_id for s in sensors if isinstance(s.source, FluksoSource)}
        self._newest = dict.fromkeys(self.sensors, 0)
        self._client: httpx.AsyncClient | None = None

    async def read(self, tick_ns: int) -> Sample:
        client = self._client or self._open()
        answers = await asyncio.gather(*(self._read_sensor(client, name, tick_ns) for name in self.sensors))
        points: dict[str, Points] = {}
        missing: dict[str, str] = {}
        for name, answer in zip(self.sensors, answers, strict=True):
            if isinstance(answer, str):
                missing[name] = answer
            elif len(answer):
                points[name] = answer
        if len(missing) == len(self.sensors):
            raise TransientError(next(iter(missing.values())))
        for name, series in points.items():
            self._newest[name] = int(series.times[-1])
        return sample_of(points, missing)

    async def _read_sensor(self, client: httpx.AsyncClient, name: str, tick_ns: int) -> Points | str:
        """Return the new points of one sensor, or the reason why it failed. It does not affect the others."""
        try:
            answer = await client.get(self._url + self._ids[name], params=QUERY)
            answer.raise_for_status()
            return decode(answer.json(), self._newest[name], tick_ns + MAX_AHEAD_NS)
        except httpx.HTTPStatusError as error:
            return f"answered {error.response.status_code}"
        except httpx.HTTPError as error:
            return f"{type(error).__name__}: {error}"
        except (ValueError, RecursionError) as error:
            return f"unreadable answer: {error}"

    def _open(self) -> httpx.AsyncClient:
        self._client = httpx.AsyncClient(timeout=self.timeout_s, trust_env=False)
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def devices(sensors: Sequence[Sensor]) -> list[Device]:
    """Return one device for each meter and period."""
    meters: dict[tuple[str, int, float], list[Sensor]] = {}
    for sensor in sensors:
        assert isinstance(sensor.source, FluksoSource)
        meters.setdefault((sensor.source.ip, sensor.source.port, sensor.poll_s), []).append(sensor)
    return [FluksoDevice(ip, port, group) for (ip, port, _), group in meters.items()]


if __name__ == "__main__":
    from crawlers.cli import main

    raise SystemExit(main([METHOD]))
