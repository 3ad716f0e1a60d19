"""Exact statistics of raw readings, a row a group and window."""

# ruff: noqa: S608 (names and numbers in statements are our own; values travel as arrays)

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.core.bucket import Buckets
from backend.core.windows import Window
from backend.store.engine import Cursor, fetch


def aggregate(
    cursor: Cursor,
    source: str,
    names: Sequence[str],
    members: Sequence[Sequence[int]],
    window: Window,
    start_ns: int,
) -> Buckets:
    """Buckets of the rows of `source`, a SELECT of (sid, ts, value) from `start_ns` on, a window edge.

    members   series ids of each of the groups `names`
    """
    codes = np.repeat(np.arange(len(members), dtype=np.int32), [len(group) for group in members])
    sids = np.array([sid for group in members for sid in group], np.int32)
    cursor.register("members", {"sid": sids, "code": codes})
    got = fetch(
        cursor,
        f"""select code, {start_ns} + (ts - {start_ns}) // {window.ns} * {window.ns} as start,
              count(*) as count, sum(value) as sum, var_pop(value) * count(*) as m2,
              min(value) as min, max(value) as max, quantile_cont(value, 0.5) as median
            from ({source}) join members using (sid) group by 1, 2 order by 1, 2""",
    )
    cursor.unregister("members")
    count = got["count"].astype(np.float64)
    return Buckets(
        tuple(names),
        got["code"],
        got["start"],
        count=count,
        sum=got["sum"],
        m2=got["m2"],
        min=got["min"],
        max=got["max"],
        median=got["median"],
        expected=np.full(len(count), np.nan),
        reported=count,
    )
