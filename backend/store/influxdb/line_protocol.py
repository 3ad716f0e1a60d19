"""Readings and roll-ups as InfluxDB's line protocol. Pure text: nothing here talks to a server."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.core.bucket import Buckets, SeriesKind, measurement
from backend.core.errors import PermanentError
from backend.core.ports import SensorTags
from backend.core.reading import Int64, Points
from backend.core.windows import NS_PER_SECOND, Window

RAW: Final = "sensors"
TAG_OF: Final = {SeriesKind.SENSOR: "sensor", SeriesKind.TYPE: "sensor_type"}
"""The tag that names the series of a kind; each node has a measurement of its own."""

_NOT_EXPRESSIBLE = re.compile(r"[\n\r]|\\(?=[,= ]|$)")
_SPECIAL = re.compile(r"([,= ])")


def escape(text: str) -> str:
    """Escape a measurement name, a tag key or a tag value.

    Raises `PermanentError` for what line protocol cannot express: line breaks, and a backslash at the end or before
    `,`, `=` or space.
    """
    if _NOT_EXPRESSIBLE.search(text):
        raise PermanentError(
            f"InfluxDB cannot hold the name {text!r}: it has a line break or a stray backslash; rename it"
        )
    return _SPECIAL.sub(r"\\\1", text)


def tag_set(sensor: str, tags: SensorTags | None) -> str:
    """Return the tags of a sensor's raw series, escaped, sorted by key; a tag without a value is left out."""
    pairs = {"sensor": sensor}
    if tags is not None:
        pairs |= {"location": tags.location, "sensor_type": tags.sensor_type, "unit": tags.unit}
    return ",".join(f"{key}={escape(value)}" for key, value in sorted(pairs.items()) if value)


def are_whole_seconds(times: Int64) -> bool:
    return not bool(np.any(times % NS_PER_SECOND))


def point_lines(tags: str, points: Points, unit_ns: int) -> list[str]:
    """Return one line per reading; times in multiples of `unit_ns`."""
    times = (points.times // unit_ns).tolist()
    head = f"{RAW},{tags} value="
    return [f"{head}{value!r} {time}" for value, time in zip(points.values.tolist(), times, strict=True)]


def bucket_lines(kind: SeriesKind, window: Window, buckets: Buckets) -> Iterator[str]:
    """Yield one line per bucket, times in seconds.

    Fields that are NaN are left out. `count` is always written: values that an older bucket of that window left in
    other fields are valid only as far as `count` says. It is an integer, as InfluxDB's own count() made it in the old
    deployments. A node's 30 s bucket, which summarises one value, is that `value` and nothing else. `m2` is written
    beside the seven statistics that users know, since `stddev` does not give it back exactly.
    """
    heads = [_line_head(kind, name, window) for name in buckets.names]
    single = _holds_one_value(buckets) & (kind is SeriesKind.NODE and window is Window.S30)
    texts = [
        _field("count", [f"{int(c)}i" for c in np.nan_to_num(buckets.count).tolist()]),
        _floats("expected", buckets.expected),
        _floats("reported", buckets.reported),
        _floats("value", buckets.sum, single),
    ]
    columns = {
        name: getattr(buckets, name) for name in ("sum", "mean", "stddev", "min", "max", "median", "m2")
    }
    has_statistics = ~single & (buckets.count != 0)
    texts += [_floats(name, column, has_statistics) for name, column in columns.items()]
    times = (buckets.starts // NS_PER_SECOND).tolist()
    for code, time, *fields in zip(buckets.codes.tolist(), times, *texts, strict=True):
        yield f"{heads[code]} {','.join(filter(None, fields))} {time}"


def _line_head(kind: SeriesKind, name: str, window: Window) -> str:
    table = escape(measurement(kind, name, window))
    tag = TAG_OF.get(kind)
    return f"{table},{tag}={escape(name)}" if tag else table


def _holds_one_value(buckets: Buckets) -> npt.NDArray[np.bool_]:
    """Return which rows summarise one value, with all columns in agreement."""
    result: npt.NDArray[np.bool_] = (buckets.count == 1) & (buckets.m2 == 0)
    for column in (buckets.min, buckets.max, buckets.median):
        result &= column == buckets.sum
    return result


def _field(name: str, values: Sequence[str]) -> list[str]:
    return [f"{name}={value}" for value in values]


def _floats(
    name: str, column: npt.NDArray[np.float64], is_written: npt.NDArray[np.bool_] | None = None
) -> list[str]:
    if is_written is not None:
        column = np.where(is_written, column, np.nan)
    return [f"{name}={value!r}" if math.isfinite(value) else "" for value in column.tolist()]


def tags_of_key(text: str) -> Mapping[str, str]:
    """Return the tags, still escaped, of a series key or of a result's tag text.

    Tags without a value are left out.
    """
    pairs = (pair for pair in re.split(r"(?<!\\),", text) if pair)
    split_pairs = (re.split(r"(?<!\\)=", pair, maxsplit=1) for pair in pairs)
    return {pair[0]: pair[1] for pair in split_pairs if len(pair) == 2 and pair[1]}


def unescape(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)


def tags_of(tag_set: str) -> SensorTags | None:
    """Return the tags of a tag set beside the sensor's name; None if there are none."""
    tags = tags_of_key(tag_set)
    values = [unescape(tags.get(key, "")) for key in ("location", "sensor_type", "unit")]
    return SensorTags(*values) if any(values) else None
