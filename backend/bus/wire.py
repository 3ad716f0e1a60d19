"""The wire format of readings on the bus between processes.

    magic "SDR1", uint64 publisher, uint64 number, uint32 rows, uint32 length of the names
    names   JSON array of the sensors that occur
    times   int64 (rows,), ns since the epoch
    values  float64 (rows,)
    codes   int32 (rows,): indices into the names

All numbers are little-endian: 20 bytes per row, and each name once. `number` counts the messages of one publisher, sent or not,
so that a subscriber detects lost messages.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import orjson
from cachetools import LRUCache

from backend.core.reading import Readings

_HEAD = struct.Struct("<4sQQII")
_MAGIC = b"SDR1"
_ROW_BYTES = 20
_MAX_CACHED_TABLES = 256


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """`publisher` is a random number that each process chooses at its start; `number` counts its messages from 1."""

    publisher: int
    number: int
    readings: Readings


def encode(readings: Readings, publisher: int, number: int) -> bytes:
    """Return the readings as bytes, with the names that occur in them."""
    used, codes = np.unique(readings.codes, return_inverse=True)
    names = orjson.dumps([readings.names[code] for code in used.tolist()])
    return b"".join(
        (
            _HEAD.pack(_MAGIC, publisher, number, len(readings), len(names)),
            names,
            readings.times.astype("<i8", copy=False).tobytes(),
            readings.values.astype("<f8", copy=False).tobytes(),
            codes.astype("<i4").tobytes(),
        )
    )


class Decoder:
    """Decodes messages. Equal tables of names become one tuple, so that later stages can compare tables by identity."""

    def __init__(self) -> None:
        self._tables: LRUCache[bytes, tuple[str, ...]] = LRUCache(_MAX_CACHED_TABLES)

    def decode(self, data: bytes) -> Message:
        """Return the message. Raises ValueError for bytes that `encode` did not make."""
        if len(data) < _HEAD.size or not data.startswith(_MAGIC):
            raise ValueError("invalid message")
        _, publisher, number, rows, length = _HEAD.unpack_from(data)
        at = _HEAD.size + length
        if len(data) != at + _ROW_BYTES * rows:
            raise ValueError(f"invalid message: {len(data)} bytes, expected {at + _ROW_BYTES * rows}")
        names = self._names(data[_HEAD.size : at])
        times = np.frombuffer(data, "<i8", rows, at).astype(np.int64, copy=False)
        values = np.frombuffer(data, "<f8", rows, at + 8 * rows).astype(np.float64, copy=False)
        codes = np.frombuffer(data, "<i4", rows, at + 16 * rows).astype(np.int32, copy=False)
        if rows and not (int(codes.min()) >= 0 and int(codes.max()) < len(names)):
            raise ValueError("row with an unknown sensor code")
        return Message(publisher, number, Readings(names, codes, times, values))

    def _names(self, text: bytes) -> tuple[str, ...]:
        names = self._tables.get(text)
        if names is None:
            parsed = orjson.loads(text)
            if not isinstance(parsed, list) or not all(isinstance(name, str) for name in parsed):
                raise ValueError("the names are not a list of strings")
            if len(set(parsed)) != len(parsed):
                raise ValueError("a name occurs twice")
            names = self._tables[text] = tuple(parsed)
        return names
