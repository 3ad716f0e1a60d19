"""Data frames of pandas, Polars or pyarrow, made of the server's responses."""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from seduce_client.errors import BadRequest, NotInstalled
from seduce_client.model import Columns

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

Library: TypeAlias = Literal["pandas", "polars", "arrow"]
Frame: TypeAlias = "pd.DataFrame | pl.DataFrame | pa.Table"

_MODULES = {"pandas": "pandas", "polars": "polars", "arrow": "pyarrow"}


def require_library(library: str) -> Any:
    """Return the module of a library. Raises `NotInstalled`, and `BadRequest` for an unknown library."""
    if library not in _MODULES:
        raise BadRequest("frame", f"unknown library {library!r}", f"use one of {', '.join(_MODULES)}")
    if library == "pandas":
        _module("pyarrow", library)  # pandas reads Arrow with it
    return _module(_MODULES[library], library)


def _module(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        fix = f"pip install 'seduce-client[{extra}]', or use another `frame`"
        raise NotInstalled("frame", f"{name} is not installed", fix) from None


def frame_from_streams(streams: Sequence[bytes], library: Library) -> Frame:
    """Join Arrow streams of the same schema into one frame."""
    module = require_library(library)
    if library == "polars":
        return module.concat([module.read_ipc_stream(io.BytesIO(s)) for s in streams])
    arrow = _module("pyarrow", "arrow")
    table = arrow.concat_tables([arrow.ipc.open_stream(s).read_all() for s in streams])
    if library == "arrow":
        return table
    frame: pd.DataFrame = table.to_pandas()
    frame.attrs["units"] = _units(table.schema.metadata or {})
    return frame


def _units(metadata: dict[bytes, bytes]) -> dict[str, str]:
    """Return the units of the series from the metadata of an Arrow file."""
    tags = json.loads(metadata.get(b"seduce.tags", b"{}"))
    units: dict[str, str] = json.loads(metadata.get(b"seduce.units", b"{}"))
    return {**{name: unit for name, (_, _, unit) in tags.items()}, **units}


def frame_from_columns(series: Sequence[Columns], statistics: Sequence[str], library: Library) -> Frame:
    """Return a frame with the columns `time`, `sensor`, `node`, `value`, the other statistics, and `coverage`.

    `sensor` and `node` are present if there is such a series.
    """
    module = require_library(library)
    kinds = [k for k in ("sensor", "node") if any(getattr(s, k) is not None for s in series)]
    times = [t for s in series for t in s.times_ms]
    names = {k: [getattr(s, k) for s in series for _ in s.times_ms] for k in kinds}
    numbers = {"value": [v for s in series for v in s.values]}
    for name in statistics:
        if name != "mean":  # the mean is `value`
            numbers[name] = [v for s in series for v in s.statistics.get(name, [None] * len(s.times_ms))]
    numbers["coverage"] = [v for s in series for v in s.coverage or [None] * len(s.times_ms)]
    if library == "polars":
        time = module.Series(times, dtype=module.Int64).cast(module.Datetime("ms", "UTC"))
        text = {k: module.Series(v, dtype=module.String) for k, v in names.items()}
        real = {k: module.Series(v, dtype=module.Float64) for k, v in numbers.items()}
        return module.DataFrame({"time": time, **text, **real})
    arrow = _module("pyarrow", "arrow")
    columns = {"time": arrow.array(times, arrow.timestamp("ms", "UTC"))}
    columns |= {k: arrow.array(v, arrow.string()).dictionary_encode() for k, v in names.items()}
    columns |= {k: arrow.array(v, arrow.float64()) for k, v in numbers.items()}
    table = arrow.table(columns)
    if library == "arrow":
        return table
    frame: pd.DataFrame = table.to_pandas()
    frame.attrs["units"] = {s.sensor or s.node: s.unit for s in series}
    return frame
