"""PUE and the renewable share, per window. Windows and ranges with too little coverage are withheld."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from backend.core.bucket import SeriesKind
from backend.core.clock import Clock
from backend.core.errors import UserError
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Float64, Int64
from backend.core.windows import Window
from backend.inventory.model import Inventory
from backend.queries.history import RecentHistory
from backend.queries.ranges import COUNTED, Piece, bar_window, check_points, resolve_end, to_grid
from backend.queries.watermarks import Watermarks
from backend.settings import Settings

_WINDOW_NAMES: Final = {Window.S30: "30 seconds", Window.M1: "minute", Window.H1: "hour", Window.D1: "day"}


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """One node over another, per complete window.

    starts     int64 (n,) ns
    values     float64 (n,): mean over mean, NaN where it is withheld
    coverage   float64 (n,): the smaller coverage of the two nodes, 0 to 1
    value      energy over energy in the windows that are not withheld; None if the range is withheld
    share      coverage of the range, 0 to 1
    withheld   number of windows that are NaN
    reason     reason why windows or the range are withheld, as a sentence; None if nothing is
    """

    window: Window
    starts: Int64
    values: Float64
    coverage: Float64
    value: float | None
    share: float
    withheld: int
    reason: str | None


def compute_ratio(
    history: RecentHistory,
    window: Window,
    numerator: str,
    denominator: str,
    min_coverage: float,
    range_name: str = "the range",
    scale: float = 1.0,
) -> Ratio:
    """Return `numerator` over `denominator`, times `scale`.

    Windows and ranges with less than `min_coverage` are withheld. `range_name` is used in the reason.
    """
    above, below = history.values(numerator), history.values(denominator)
    coverage = np.minimum(history.shares(numerator), history.shares(denominator))
    measured = ~np.isnan(above) & ~np.isnan(below)
    trusted = measured & (below > 0) & (coverage >= min_coverage)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(trusted, scale * above / below, np.nan)
    share = min(history.coverage(numerator), history.coverage(denominator))
    value, reason = None, None
    window_name = _WINDOW_NAMES[window]
    if not measured.any():
        reason = (
            f"Not enough data: no {window_name} of {range_name} has values of {numerator} and {denominator}."
        )
    elif share < min_coverage:
        reason = (
            f"Not enough data: {share:.0%} of {range_name} is covered; at least {min_coverage:.0%} is needed."
        )
    elif not trusted.any():
        reason = (
            f"Not enough data: no {window_name} of {range_name} has {min_coverage:.0%} coverage of both nodes "
            f"and {denominator} above 0 W."
        )
    else:
        value = scale * float(above[trusted].sum() / below[trusted].sum())
        if not trusted.all():
            reason = (
                f"{np.count_nonzero(~trusted)} of {len(trusted)} windows are withheld: {numerator} or {denominator} "
                f"has less than {min_coverage:.0%} coverage, or {denominator} is not above 0 W."
            )
    return Ratio(
        window=window,
        starts=history.starts,
        values=values,
        coverage=coverage,
        value=value,
        share=share,
        withheld=int(np.count_nonzero(~trusted)),
        reason=reason,
    )


class RatioService:
    """Reads the roll-ups of both nodes over a range."""

    def __init__(
        self,
        inventory: Inventory,
        store: TimeSeriesStore,
        watermarks: Watermarks,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._nodes = inventory.consumption.leaves
        self._roots = (inventory.production.root, inventory.consumption.root)
        self._store = store
        self._watermarks = watermarks
        self._clock = clock
        self._settings = settings

    async def pue(self, start_ns: int, end_ns: int | None, window: str) -> Ratio:
        """Return the power usage effectiveness. Raises `UserError` for an invalid range or window, or unknown nodes."""
        total, it = self._settings.pue_total_node, self._settings.pue_it_node
        unknown = [node for node in (total, it) if node not in self._nodes]
        if unknown:
            raise UserError(f"pue: the consumption tree has no node {', '.join(unknown)}.")
        return await self._read("pue", total, it, start_ns, end_ns, window)

    async def renewable_share(self, start_ns: int, end_ns: int | None, window: str) -> Ratio:
        """Return production over consumption, in percent. Raises `UserError` for an invalid range or window."""
        return await self._read("renewableShare", *self._roots, start_ns, end_ns, window, scale=100.0)

    async def _read(
        self,
        query: str,
        numerator: str,
        denominator: str,
        start_ns: int,
        end_ns: int | None,
        choice: str,
        scale: float = 1.0,
    ) -> Ratio:
        end = resolve_end(query, start_ns, end_ns, self._clock.now_ns())
        window = bar_window(query, choice, end - start_ns)
        first = window.floor(start_ns)
        last = max(first, min(window.ceil(end), await self._watermarks.end(window) or 0))
        check_points(query, 1, first, last, window)
        history = await self._read_nodes((numerator, denominator), Piece(window, first, last))
        min_coverage = self._settings.pue_min_coverage
        return compute_ratio(history, window, numerator, denominator, min_coverage, scale=scale)

    async def _read_nodes(self, names: tuple[str, str], piece: Piece) -> RecentHistory:
        buckets = await self._store.buckets(
            SeriesKind.NODE, names, piece.window, piece.start_ns, piece.end_ns, COUNTED
        )
        mean, expected, reported = (
            to_grid(buckets, piece, column, np.nan) for column in ("mean", "expected", "reported")
        )
        return RecentHistory(names, piece.starts, mean, expected, reported)
