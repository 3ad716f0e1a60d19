"""Open the store, the buses and the shared counters that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from backend.bus.board import MemoryCounters, MemoryHealthBoard
from backend.bus.memory import MemoryBus
from backend.bus.rates import MemoryRateLimits
from backend.core.clock import Clock
from backend.core.errors import PermanentError
from backend.core.ports import Bus, Counters, HealthBoard, TimeSeriesStore
from backend.core.rates import RateLimits
from backend.settings import Settings


def database_url(settings: Settings) -> str:
    """Return the URL of the relational database."""
    return settings.database_url or f"sqlite:///{settings.data_dir.resolve() / 'seduce.sqlite'}"


def duckdb_path(settings: Settings) -> Path | None:
    """Return the file of the embedded store, or None if the settings name another store."""
    url = settings.store_url or f"duckdb:///{settings.data_dir.resolve() / 'series.duckdb'}"
    scheme, _, path = url.partition("://")
    # As in other database URLs: three slashes before a relative path, four before an absolute one.
    return Path(path.removeprefix("/")) if scheme == "duckdb" else None


def is_embedded(settings: Settings) -> bool:
    """Return whether the store is embedded, so that only one process can open it."""
    return not settings.store_url or settings.store_url.startswith("duckdb:")


def has_memory_bus(settings: Settings) -> bool:
    """Return whether the live bus exists only inside one process."""
    return settings.bus_url.startswith("memory:")


def require_shared_services(settings: Settings, process: str) -> None:
    """Raise `PermanentError` if the settings name a store or a bus that only one process can use.

    `process` names the program in the message.
    """
    if is_embedded(settings):
        raise PermanentError(
            f"{process} shares the store with other processes, but only one process can open DuckDB: "
            "set SEDUCE_STORE_URL to an InfluxDB, or use `seduce serve`"
        )
    if has_memory_bus(settings):
        raise PermanentError(
            f"{process} needs a live bus between processes: set SEDUCE_BUS_URL=redis://host:port/db, or use `seduce serve`"
        )


def create_store(settings: Settings) -> TimeSeriesStore:
    """Return the store that `store_url` names, not opened. Raise `PermanentError` for an unknown scheme."""
    url = settings.store_url
    if path := duckdb_path(settings):
        from backend.store.duckdb.store import DuckDBStore

        return DuckDBStore(path, memory_limit=f"{settings.store_memory_mb}MB")
    scheme = url.partition("://")[0]
    if scheme in ("influxdb+http", "influxdb+https"):
        from backend.store.influxdb.store import InfluxDBStore

        return InfluxDBStore(url)
    # Not the whole URL: it may contain a password.
    raise PermanentError(
        f"SEDUCE_STORE_URL begins with {scheme!r}: expected duckdb:///path, influxdb+http://… or influxdb+https://…"
    )


@asynccontextmanager
async def exclusive_store(settings: Settings, hint: str) -> AsyncIterator[TimeSeriesStore]:
    """Open the store for a command that needs it alone.

    If another process has the store open, the error ends with `hint`.
    """
    store = create_store(settings)
    try:
        await store.open()
    except PermanentError as error:
        raise PermanentError(f"{error}\n{hint}" if "in use" in str(error) else str(error)) from error
    try:
        yield store
    finally:
        await store.close()


def create_bus(settings: Settings) -> Bus:
    """Return the live bus that `bus_url` names. Raise `PermanentError` for an unknown scheme."""
    scheme = settings.bus_url.partition("://")[0]
    if scheme == "memory":
        return MemoryBus()
    if scheme in ("redis", "rediss", "unix"):
        from backend.bus.redis import RedisBus

        return RedisBus(settings.bus_url)
    raise PermanentError(f"SEDUCE_BUS_URL begins with {scheme!r}: expected memory:// or redis://host:port/db")


def create_board(settings: Settings, clock: Clock) -> tuple[HealthBoard, Counters]:
    """Return the health board of devices and the error counters of sensors.

    Both are in Redis if the live bus is, else in memory.
    """
    if has_memory_bus(settings):
        return MemoryHealthBoard(clock), MemoryCounters()
    from backend.bus.redis_board import RedisCounters, RedisHealthBoard

    return RedisHealthBoard(settings.bus_url, clock), RedisCounters(settings.bus_url)


def create_rates(settings: Settings, clock: Clock) -> RateLimits:
    """Return the counters of log-in attempts: in Redis if the live bus is, else in memory."""
    if has_memory_bus(settings):
        return MemoryRateLimits(clock)
    from backend.bus.redis_rates import RedisRateLimits

    return RedisRateLimits(settings.bus_url)
