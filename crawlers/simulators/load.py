"""The power of simulated servers: jobs start and stop, with more of them by day than by night."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from backend.core.reading import Float64, Int64
from crawlers.simulators.noise import fraction, seed_of, seeds, smooth, uniform

RAMP_S = 15.0
SLOTS_S = (1_200, 1_800, 2_700, 3_600, 5_400)


class ServerLoad:
    """The load of n servers. Each one divides time into slots of its own length, with one job or none per slot.

    `idle` and `span` are in watts: a server draws idle + span * utilisation, through all of its plugs together.
    """

    def __init__(self, seed: int, names: Sequence[str]) -> None:
        self._seed = seed
        self.names = tuple(names)
        self._seeds = seeds(seed, [f"jobs/{n}" for n in names])
        draw = [[fraction(seed, f"{what}/{n}") for n in names] for what in ("slot", "offset", "idle", "span")]
        slot, offset, idle, span = (np.array(d, np.float64) for d in draw)
        self._slot = np.array(SLOTS_S, np.int64)[(slot * len(SLOTS_S)).astype(np.intp)]
        self._offset = (offset * self._slot).astype(np.int64)
        self.idle = 82.0 + 16.0 * idle
        self.span = 115.0 + 35.0 * span

    def _demand(self, t_s: Float64) -> Float64:
        """Return the probability of a job, 0 to 1. It depends on the hour, the weekday and campaigns of some days."""
        hour = np.mod(t_s / 3600.0 + 1.0, 24.0)
        bump = np.exp(-0.5 * ((hour - 14.5) / 4.2) ** 2)
        weekday = np.mod(np.floor(t_s / 86_400.0) + 4, 7)  # the epoch was a Thursday; 0 is Sunday
        week = np.where((weekday == 0) | (weekday == 6), 0.55, 1.0)
        campaign = smooth(seed_of(self._seed, "campaign"), t_s, 2.5 * 86_400.0)
        return np.clip((0.30 + 0.48 * bump * week) * (1.0 + 0.28 * campaign), 0.05, 0.95)

    def _jobs(self, servers: Int64, slots: Int64) -> Float64:
        """Return the utilisation (n, k) in the slots (n, k) of servers (n,), 0 to 1."""
        seed = self._seeds[servers][:, None]
        middle = (slots.astype(np.float64) + 0.5) * self._slot[servers][:, None] - self._offset[servers][
            :, None
        ]
        busy = uniform(seed, slots * 2) < self._demand(middle)
        return np.where(busy, 0.35 + 0.65 * uniform(seed, slots * 2 + 1), 0.03)

    def utilisation(self, servers: Int64, t_s: Float64) -> Float64:
        """Return (n, m) utilisations, 0 to 1, for (n,) server indices and (m,) seconds. Jobs start and stop within seconds."""
        if not len(servers) or not len(t_s):
            return np.zeros((len(servers), len(t_s)))
        length = self._slot[servers][:, None]
        shifted = t_s[None, :] + self._offset[servers][:, None]
        slot = np.floor_divide(shifted, length)
        phase = shifted - slot * length
        first = slot.min(axis=1).astype(np.int64)
        count = int((slot.max(axis=1) - first).max()) + 2
        table = self._jobs(servers, (first - 1)[:, None] + np.arange(count, dtype=np.int64)[None, :])
        index = slot.astype(np.int64) - first[:, None]
        before = np.take_along_axis(table, index, axis=1)
        now = np.take_along_axis(table, index + 1, axis=1)
        now -= before
        np.multiply(phase, 1.0 / RAMP_S, out=phase)
        np.minimum(phase, 1.0, out=phase)
        now *= phase
        now += before
        return now

    def watts(self, servers: Int64, t_s: Float64) -> Float64:
        """Return the (n, m) watts of whole servers."""
        level = self.utilisation(servers, t_s)
        level *= self.span[servers][:, None]
        level += self.idle[servers][:, None]
        return level


def lagged(curve: Float64, taps: int, decay: float) -> Float64:
    """Return an exponential mean over the last `taps` points of a curve (..., m), with shape (..., m - taps)."""
    weights = np.exp(-np.arange(taps + 1) / decay)
    weights /= weights.sum()
    length = curve.shape[-1] - taps
    out = np.zeros((*curve.shape[:-1], length))
    for back, weight in enumerate(weights.tolist()):
        out += weight * curve[..., taps - back : taps - back + length]
    return out


def phases(seed: int, name: str) -> float:
    """Return the phase in [0, 2 pi) that belongs to a name."""
    return 2 * math.pi * fraction(seed, f"phase/{name}")
