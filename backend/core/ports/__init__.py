"""The contracts between the packages of the backend, one module per group of ports.

Every implementation of a port passes the contract suite of that port in `tests/contract`.

Rules for all ports, unless a method says otherwise:

- A method that may wait is a coroutine.
- A method raises `TransientError` if the system behind the port is unreachable. It then has changed nothing.
- Intervals are [start_ns, end_ns), in nanoseconds since the epoch, UTC.
"""

from __future__ import annotations

from backend.core.ports.health import Counters, HealthBoard
from backend.core.ports.ingest import CardReceiver, PushResult, Rejection, Sink, Spool
from backend.core.ports.live import Bus, LastValuesView, Subscription
from backend.core.ports.rollup_state import DirtyWindow, LearnedPeriod, RollupState, SeriesRecord
from backend.core.ports.store import SensorTags, SeriesAlias, TimeSeriesStore, WriteResult

__all__ = [
    "Bus",
    "CardReceiver",
    "Counters",
    "DirtyWindow",
    "HealthBoard",
    "LastValuesView",
    "LearnedPeriod",
    "PushResult",
    "Rejection",
    "RollupState",
    "SensorTags",
    "SeriesAlias",
    "SeriesRecord",
    "Sink",
    "Spool",
    "Subscription",
    "TimeSeriesStore",
    "WriteResult",
]
