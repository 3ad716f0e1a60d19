"""Answers as data frames, of whichever library is installed and asked for."""

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


def need(library: str) -> Any:
    """The module. Raises `NotInstalled`, and `BadRequest` for a library that is not known."""
    if library not in _MODULES:
        raise BadRequest("frame", f"there is no {library!r}", f"there are {', '.join(_MODULES)}")
    if library == "pandas":
        _module("pyarrow", library)  # pandas reads Arrow by it
    return _module(_MODULES[library], library)


def _module(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        mend = f"pip install 'seduce-client[{extra}]', or take another `frame`"
        raise NotInstalled("frame", f"{name} is not installed", mend) from None


def of_streams(streams: Sequence[bytes], library: Library) -> Frame:
    """Arrow streams of one schema, one behind the other, as one frame."""
    module = need(library)
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
    """Units of the series, from what the file says beside its columns."""
    tags = json.loads(metadata.get(b"seduce.tags", b"{}"))
    known: dict[str, str] = json.loads(metadata.get(b"seduce.units", b"{}"))
    return {**{name: unit for name, (_, _, unit) in tags.items()}, **known}


def of_columns(series: Sequence[Columns], statistics: Sequence[str], library: Library) -> Frame:
    """`time`, `sensor` and `node` as far as there are any, `value`, the other statistics, `coverage`."""
    module = need(library)
    kinds = [k for k in ("sensor", "node") if any(getattr(s, k) is not None for s in series)]
    times = [t for s in series for t in s.times_ms]
    names = {k: [getattr(s, k) for s in series for _ in s.times_ms] for k in kinds}
    numbers = {"value": [v for s in series for v in s.values]}
    for name in statistics:
        if name != "mean":  # that is `value`
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
