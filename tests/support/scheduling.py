"""The order in which test files run and which worker runs them, so that the suite ends early on two cores.

Many tests wait for processes and browsers. Files that wait long start first, beside files that compute. Tests that share a
demo share a worker, because a second demo would cost more than it saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

PAGES_MATRIX = "tests/e2e/test_pages.py"
"""Every page at every width and in every theme: as long as all other page tests together, so it gets its own worker."""

SHARING_A_DEMO = ("tests/e2e/test_pages_", "tests/e2e/test_push_to_screen", "tests/e2e/test_summer_time")


def group_of(path: str) -> str:
    """Return the name of the group whose tests run in one worker, in order. `path` is relative to the root."""
    return "pages" if path.startswith(SHARING_A_DEMO) else path


def rank_of(path: str, *, is_slow: bool) -> int:
    """Return the place of a file in the order, lowest first. `is_slow`: a test of it takes more than ten seconds."""
    folder = PurePosixPath(path).parts[1] if path.count("/") > 1 else ""
    if folder == "e2e" and is_slow:
        return 0
    if path == PAGES_MATRIX or group_of(path) == "pages":
        return 1
    if folder == "e2e":
        return 2
    return 4 if folder == "unit" and not is_slow else 3


def ordered(files: Sequence[tuple[str, bool]]) -> list[str]:
    """Return the paths of `(path, is_slow)` in the order in which they run."""
    return [path for path, _ in sorted(files, key=lambda file: (rank_of(file[0], is_slow=file[1]), file[0]))]
