"""The points that `tests/data/influx_inspect.line.gz` was exported from.

The file is what `influx_inspect export -compress` (1.7.11, built from its source; Debian has no package of it) wrote of
the data folder of a stopped InfluxDB 1.6.7 after WRITES had been sent to it one by one: the first two were in TSM
files by then, the last one in the log only. Some points are therefore in the file twice, the later value behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from backend.core.ports import SensorTags
from backend.core.reading import Points
from backend.core.windows import NS_PER_SECOND as S

FILE: Final = Path(__file__).resolve().parents[1] / "data" / "influx_inspect.line.gz"
T: Final = 1_580_000_000
WEEK: Final = 7 * 86_400

_PLUG: Final = "sensors,location=ecotype-37,sensor=ecotype-37_pdu-Z1.10,sensor_type=wattmeter,unit=W"
_ODD: Final = (
    r"sensors,location=room\ exterior,sensor=it's\ a\,\ strange\=one,sensor_type=temperature,unit=°C"
)
_BARE: Final = "sensors,sensor=bare"

_ODD_VALUES: Final = (
    "-127",
    "1e-7",
    "1.7976931348623157e+308",
    "0.30000000000000004",
    "-0",
    "123456789.123456789",
)


def _plug(at: int, value: float) -> str:
    return f"{_PLUG} value={value} {(T + at) * S}"


WRITES: Final = (
    "\n".join(
        [
            *(_plug(at, 100 + at / 4) for at in range(120)),
            *(f"{_ODD} value={value} {(T + 10 * at) * S + 123}" for at, value in enumerate(_ODD_VALUES)),
            f"cq_datacenter_30s value=1234.5 {T * S}",
            f"measurement_downsample_1m,sensor=bare count=60i,max=2,mean=1.5,median=1.5,min=1,stddev=0.5,sum=90 {T * S}",
            f'events,sensor=bare text="sensors,sensor=bare value=9 1",on=true {T * S}',
        ]
    ),
    # The whole numbers of an older shard: in one shard a field has one type.
    "\n".join(f"{_BARE} value={at}i {(T - 5 * WEEK + at) * S}" for at in range(-3, 4)),
    "\n".join([*(_plug(at, -1.0) for at in range(100, 140)), f"{_BARE} value=2.5 {(T + 1) * S}"]),
)


def _points(points: Sequence[tuple[int, float]]) -> Points:
    times, values = zip(*points, strict=True)
    return Points(np.array(times, np.int64), np.array(values, np.float64))


POINTS: Final[Mapping[str, Points]] = {
    "ecotype-37_pdu-Z1.10": _points(
        [((T + at) * S, 100 + at / 4 if at < 100 else -1.0) for at in range(140)]
    ),
    "it's a, strange=one": _points([((T + 10 * at) * S + 123, float(v)) for at, v in enumerate(_ODD_VALUES)]),
    "bare": _points([*(((T - 5 * WEEK + at) * S, float(at)) for at in range(-3, 4)), ((T + 1) * S, 2.5)]),
}

TAGS: Final = {"it's a, strange=one": SensorTags("room exterior", "temperature", "°C")}
"""Of the sensor that the description does not know."""
