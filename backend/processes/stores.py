"""The time series store that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from backend.core.errors import PermanentError
from backend.core.ports import TimeSeriesStore
from backend.settings import Settings


def database_of(settings: Settings) -> str:
    """URL of the relational database."""
    return settings.database_url or f"sqlite:///{settings.data_dir.resolve() / 'seduce.sqlite'}"


def duckdb_path(settings: Settings) -> Path | None:
    """The file of the embedded store; None where the settings name another."""
    url = settings.store_url or f"duckdb:///{settings.data_dir.resolve() / 'series.duckdb'}"
    scheme, _, path = url.partition("://")
    # As in other database URLs: three slashes before a relative path, four before an absolute one.
    return Path(path.removeprefix("/")) if scheme == "duckdb" else None


def open_store(settings: Settings) -> TimeSeriesStore:
    """The store that `store_url` names. Raises `PermanentError` for one that is not known."""
    url = settings.store_url
    if path := duckdb_path(settings):
        from backend.store.duckdb.store import DuckDBStore

        return DuckDBStore(path, memory_limit=f"{settings.store_memory_mb}MB")
    scheme = url.partition("://")[0]
    if scheme in ("influxdb+http", "influxdb+https"):
        from backend.store.influxdb.store import InfluxDBStore

        return InfluxDBStore(url)
    # The URL itself may hold a password.
    raise PermanentError(
        f"SEDUCE_STORE_URL begins with {scheme!r}: expected duckdb:///path, influxdb+http://… or influxdb+https://…"
    )


@asynccontextmanager
async def opened(settings: Settings, way_out: str) -> AsyncIterator[TimeSeriesStore]:
    """For a command that wants it for itself; where another process has it the error ends with `way_out`."""
    store = open_store(settings)
    try:
        await store.open()
    except PermanentError as error:
        raise PermanentError(f"{error}\n{way_out}" if "in use" in str(error) else str(error)) from error
    try:
        yield store
    finally:
        await store.close()
