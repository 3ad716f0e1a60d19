"""PUE and the renewable share, window by window. A window that is measured too little is withheld, and so is a range."""

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
from backend.queries.history import Past
from backend.queries.marks import Marks
from backend.queries.ranges import COUNTED, Piece, bars, check_points, dense, ordered
from backend.settings import Settings

_WORDS: Final = {Window.S30: "30 seconds", Window.M1: "minute", Window.H1: "hour", Window.D1: "day"}
_RANGE: Final = "the range"


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """One node over another by complete windows.

    starts     int64 (n,) ns
    values     float64 (n,): mean over mean, NaN where it is withheld
    coverage   float64 (n,): the lesser of the two nodes' shares of reports that came, 0 to 1
    value      energy over energy in the windows that are not withheld; None where the range is
    share      coverage of the range, 0 to 1
    withheld   how many windows are NaN
    reason     why they are, or why the range is, as a sentence; None where nothing is withheld
    """

    window: Window
    starts: Int64
    values: Float64
    coverage: Float64
    value: float | None
    share: float
    withheld: int
    reason: str | None


def ratio(
    past: Past, window: Window, above: str, below: str, least: float, span: str = _RANGE, scale: float = 1.0
) -> Ratio:
    """`above` over `below`, times `scale`; what has less than `least` of its reports is withheld. `span` names the range."""
    over, under = past.values(above), past.values(below)
    coverage = np.minimum(past.shares(above), past.shares(below))
    both = ~np.isnan(over) & ~np.isnan(under)
    trusted = both & (under > 0) & (coverage >= least)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(trusted, scale * over / under, np.nan)
    share = min(past.coverage(above), past.coverage(below))
    value, reason = None, None
    word = _WORDS[window]
    if not both.any():
        reason = f"No {word} of {span} has both {above} and {below} measured."
    elif share < least:
        reason = f"Only {share:.0%} of {span} is measured; at least {least:.0%} is needed."
    elif not trusted.any():
        reason = f"In no {word} of {span} is {least:.0%} of both measured and {below} above 0 W."
    else:
        value = scale * float(over[trusted].sum() / under[trusted].sum())
        if not trusted.all():
            reason = (
                f"{np.count_nonzero(~trusted)} of {len(trusted)} windows are withheld: less than {least:.0%} "
                f"of {above} or {below} is measured, or {below} is not above 0 W."
            )
    return Ratio(
        window,
        past.starts,
        values,
        coverage,
        value,
        share,
        int(np.count_nonzero(~trusted)),
        reason,
    )


class RatioService:
    """Reads both nodes' roll-ups over a range."""

    def __init__(
        self, inventory: Inventory, store: TimeSeriesStore, marks: Marks, clock: Clock, settings: Settings
    ) -> None:
        self._nodes = inventory.consumption.leaves
        self._roots = (inventory.production.root, inventory.consumption.root)
        self._store = store
        self._marks = marks
        self._clock = clock
        self._settings = settings

    async def pue(self, start_ns: int, end_ns: int | None, window: str) -> Ratio:
        """Power usage effectiveness. Raises `UserError` for a range or a window that cannot be, or nodes that are not there."""
        total, it = self._settings.pue_total_node, self._settings.pue_it_node
        unknown = [n for n in (total, it) if n not in self._nodes]
        if unknown:
            raise UserError(f"pue: the consumption tree has no node {', '.join(unknown)}.")
        return await self._read("pue", total, it, start_ns, end_ns, window)

    async def renewable_share(self, start_ns: int, end_ns: int | None, window: str) -> Ratio:
        """Production over consumption, in percent. Raises `UserError` for a range or a window that cannot be."""
        return await self._read("renewableShare", *self._roots, start_ns, end_ns, window, scale=100.0)

    async def _read(
        self,
        what: str,
        above: str,
        below: str,
        start_ns: int,
        end_ns: int | None,
        choice: str,
        scale: float = 1.0,
    ) -> Ratio:
        end = ordered(what, start_ns, end_ns, self._clock.now_ns())
        window = bars(what, choice, end - start_ns)
        first = window.floor(start_ns)
        last = max(first, min(window.ceil(end), await self._marks.end(window) or 0))
        check_points(what, 1, first, last, window)
        past = await self._past((above, below), window, first, last)
        return ratio(past, window, above, below, self._settings.pue_min_coverage, scale=scale)

    async def _past(self, names: tuple[str, str], window: Window, first: int, last: int) -> Past:
        piece = Piece(window, first, last)
        found = await self._store.buckets(SeriesKind.NODE, names, window, first, last, COUNTED)
        mean, expected, reported = (dense(found, piece, c, np.nan) for c in ("mean", "expected", "reported"))
        return Past(names, piece.starts, mean, expected, reported)
