"""Deterministic random numbers: a function of a seed and an index, independent of the order of calls."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from backend.core.reading import Float64, Int64

UInt64: TypeAlias = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53


def seed_of(seed: int, text: str) -> int:
    """Return the 64-bit seed that belongs to a name."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{text}".encode(), digest_size=8).digest(), "little")


def fraction(seed: int, text: str) -> float:
    """Return the number in [0, 1) that belongs to a name."""
    return seed_of(seed, text) / 2.0**64


def seeds(seed: int, names: list[str]) -> UInt64:
    return np.array([seed_of(seed, name) for name in names], np.uint64)


def uniform(seed: UInt64, index: Int64) -> Float64:
    """Return a number in [0, 1) for each pair of seed and index (broadcast together), by the splitmix64 generator."""
    x = index.astype(np.uint64) * _GOLDEN + seed
    x ^= x >> np.uint64(30)
    x *= _FIRST
    x ^= x >> np.uint64(27)
    x *= _SECOND
    x ^= x >> np.uint64(31)
    x >>= np.uint64(11)
    out: Float64 = np.multiply(x, _TO_UNIT, dtype=np.float64)
    return out


def smooth(seed: int, t_s: Float64, period_s: float) -> Float64:
    """Return a random curve in [-1, 1]: random values every `period_s`, joined smoothly."""
    place = t_s / period_s
    index = np.floor(place)
    part = place - index
    part = part * part * (3.0 - 2.0 * part)
    number = index.astype(np.int64)
    seed_array = np.array(np.uint64(seed))
    before = uniform(seed_array, number)
    after = uniform(seed_array, number + 1)
    return 2.0 * (before + (after - before) * part) - 1.0
