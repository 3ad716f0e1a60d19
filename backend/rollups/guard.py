"""The lock that keeps roll-up runs apart, and the repair of what was written after the lock was lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Final

from backend.core.errors import TransientError
from backend.core.ports import DirtyWindow, RollupState
from backend.core.tasks import LocalLock, Lock
from backend.core.windows import Window, slices
from backend.rollups.roller import Roller

DAY_NS: Final = Window.D1.ns
_SLICE_NS: Final = 6 * Window.H1.ns


class LockGuard:
    """Holds `lock` while the context is entered, and checks it after each write.

    Buckets that were written after the lock was lost may be older than those of the next holder. They are marked dirty.
    """

    def __init__(self, lock: Lock | LocalLock, state: RollupState) -> None:
        self._lock = lock
        self._state = state

    async def __aenter__(self) -> None:
        await self._lock.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._lock.__aexit__(kind, error, trace)

    def check(self) -> None:
        """Raise `TransientError` if the lock was lost."""
        self._lock.check()

    async def roll(
        self, roller: Roller, windows: Sequence[Window], start_ns: int, end_ns: int, sensors: Iterable[str]
    ) -> None:
        """Roll up one slice, then check the lock. Mark the slice of `sensors` dirty if the lock was lost meanwhile."""
        await roller.roll(windows, start_ns, end_ns)
        try:
            self._lock.check()
        except TransientError:
            await self._state.mark_dirty([DirtyWindow(name, start_ns, end_ns) for name in sensors])
            raise


def roll_slices(windows: Sequence[Window], start_ns: int, end_ns: int) -> Iterable[tuple[int, int]]:
    """Cut an interval into the slices that are rolled up at once, which bounds memory.

    A slice is 6 h long, or a day if an hour or a day is among the windows. Slices end at multiples of their length, which
    are edges of the windows.
    """
    return slices(start_ns, end_ns, DAY_NS if windows[-1].ns > Window.M1.ns else _SLICE_NS)
